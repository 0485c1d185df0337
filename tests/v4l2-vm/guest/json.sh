# JSON for the shell.
#
# Not here: what it says.

# JSON as lines of PATH VALUE, such as `workers.0.pid 71`; strings keep their escapes. There is jq,
# but it takes half a second to start here, and this is asked many hundred times.
flat() {
    awk '
        # The next token: a string, a number or a word, or a sign.
        function advance() {
            match(json, /^[ \n]*("([^"\\]|\\.)*"|[-+.0-9a-zA-Z]+|.)/)
            token = substr(json, 1, RLENGTH)
            json = substr(json, RLENGTH + 1)
        }
        function text() {
            return token ~ /^"/ ? substr(token, 2, length(token) - 2) : token
        }
        # A value that begins with this token, to its last.
        function value(path, dot, count, key) {
            dot = path == "" ? "" : "."
            if (token == "{") {
                for (advance(); token != "}"; advance()) {
                    if (token == ",") advance()
                    key = text()
                    advance()
                    advance()
                    value(path dot key)
                }
            } else if (token == "[") {
                for (advance(); token != "]"; advance()) {
                    if (token == ",") advance()
                    value(path dot count++ + 0)
                }
            } else {
                print path " " text()
            }
        }
        { json = json $0 }
        END { if (json != "") { advance(); value("") } }'
}

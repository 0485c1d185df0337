# The server under test, what it says of itself, and three viewers.
#
# Not here: its cameras (camera.sh).

address=127.0.0.1:8080

# What it is asked for, unless a check says otherwise; small, for emulation is slow.
size=320x180
fps=15

# The real one: busybox's shell takes its own, and that knows no binary files.
grep=/bin/grep

# start OPTION...: the server, which may or may not become live.
start() {
    seqcast --name vm --http "$address" --clients 4 --size "$size" --fps "$fps" "$@" 2>server >&2 &
    server=$!
    at_end "$server"
    wait_for "its status, or its end" up
    kill -0 "$server" 2>/dev/null || fail "the server ended at once"
}

up() {
    says 'name vm' || ! kill -0 "$server"
}

# serve OPTION...: the server, live.
serve() {
    start "$@"
    wait_for "live video" live
}

live() {
    says 'source.state live'
}

# The status of the instance named $1, or of the server, as lines of PATH VALUE.
status() {
    seqcast status --name "${1:-vm}" --json | flat
}

# says REGEX [NAME]: whether a line of the status is that.
says() {
    status "${2:-vm}" | grep -qxE "$1"
}

# expect REGEX: fails, showing the status without the workers, unless the status says it.
expect() {
    status >status
    grep -qxE "$1" status || fail "not so: $1; $(grep -vE '^(workers|supervisor)' status)"
}

# value PATH [NAME]: nothing where there is none.
value() {
    status "${2:-vm}" | sed -n "s/^$1 //p"
}

# reached PATH NUMBER: whether a count is there.
reached() {
    [ "$(($(value "$1")))" -ge "$2" ]
}

# more N: waits for N frames more.
more() {
    wait_for "$1 frames more" reached totals.frames_captured "$(($(value totals.frames_captured) + $1))"
}

# The capture process, of the instance named $1 or of the server.
capture() {
    status "${1:-vm}" | awk -F '[. ]' '
        $3 == "pid" { pid[$2] = $4 }
        $3 == "role" && $4 == "capture" { worker = $2 }
        END { print pid[worker] }'
}

# A snapshot.
snapshot() {
    wget -q -O - "http://$address/snapshot"
}

# Three viewers: two of `seqcast watch`, which is strict, and one of whose stream `parts` keeps
# when the head of each part came.
viewers() {
    seqcast watch "http://$address/stream" --viewers 2 --json >watched.json &
    watcher=$!
    at_end "$watcher"
    printf 'GET /stream HTTP/1.0\r\n\r\n' | nc "${address%:*}" "${address#*:}" |
        LC_ALL=C $grep -a --line-buffered -E '^(Content-Length|X-Seqcast-Frame):' |
        while read -r name rest; do
            read -r up rest </proc/uptime
            echo "$up $name"
        done >parts &
    third=$!
    wait_for "three viewers" says 'totals.viewers 3'
    wait_for "their first part" test -s parts
}

# When each part came and what it is, a `frame` or, without a frame's number, a `placeholder`; but
# the last, of which that is not known yet.
timeline() {
    awk '$2 == "Content-Length:" { if (at) print at, "placeholder"; at = $1 }
        $2 == "X-Seqcast-Frame:" { print at, "frame"; at = 0 }' parts
}

# came WHAT SINCE: when the first of a kind came after that; fails while there is none.
came() {
    timeline | awk -v what="$1" -v since="$2" '
        !found && $2 == what && $1 > since { print $1; found = 1 }
        END { exit !found }'
}

# When the last frame before that came.
last_frame() {
    timeline | awk -v before="$1" '$2 == "frame" && $1 < before { at = $1 } END { print at }'
}

# Fails if a viewer was disconnected or got anything invalid.
undisturbed() {
    kill -0 "$third" || fail "the third viewer was disconnected"
    kill "$watcher"
    wait "$watcher" || fail "watch ended with $?: $(cat watched.json)"
    flat <watched.json >watched
    [ "$(grep -cE '^viewers\.[01]\.(connected true|end null)$' watched)" = 4 ] ||
        fail "a viewer was disconnected: $(cat watched.json)"
}

# The longest time that one of them was without a frame, ms, once it is over.
longest_gap() {
    awk '/\.gap_ms / && $2 > most { most = $2 } END { printf "%d", most }' watched
}

# Raw formats: each is asked for, granted, and looks right in the middle of vivid's plain pictures.

# format NAME FOURCC: a red picture must be red and a blue one blue: that tells apart U and V, red
# and blue, and which half of a word is what. GREY knows only light and dark.
format() {
    serve --source "$camera" --format "$1" --raw 127.0.0.1:8081
    expect "source.format $2"
    # Its text is white on black and reaches beyond the middle.
    v4l2-ctl -d "$camera" -c osd_text_mode=2
    if [ "$1" = grey ]; then
        shows "100% White" 255 255 255
        shows "100% Black" 0 0 0
    else
        shows "100% Red" 0 0 255
        shows "100% Blue" 255 0 0
    fi
}

# shows PATTERN B G R: the pixel in the middle is about that, of a frame as `--raw` sends it
# (8 bytes of header, then rows of BGR).
shows() {
    pattern "$1"
    wait_for "$*" pixel_is "$2" "$3" "$4"
}

pixel_is() {
    local frame=$((8 + 320 * 180 * 3)) middle=$((8 + (90 * 320 + 160) * 3))
    # It sends on after the first frame, to nobody.
    { nc 127.0.0.1 8081 </dev/null || true; } | head -c "$frame" | tail -c "+$((middle + 1))" | head -c 3 |
        hexdump -e '3/1 "%d " "\n"' |
        awk -v b="$1" -v g="$2" -v r="$3" '
            function near(is, wanted) { return is - wanted < 40 && wanted - is < 40 }
            { exit !(near($1, b) && near($2, g) && near($3, r)) }'
}

# pattern NAME: vivid's test pattern, by the name in its menu.
pattern() {
    local number
    number=$(v4l2-ctl -d "$camera" --list-ctrls-menus | awk -v name="$1" '
        /test_pattern / { here = 1 }
        here && index($0, ": " name) { print $1 + 0; exit }')
    v4l2-ctl -d "$camera" -c test_pattern="$number"
}

check "YUYV" format yuyv YUYV
check "YVYU" format yvyu YVYU
check "UYVY" format uyvy UYVY
check "NV12" format nv12 NV12
check "YU12" format yu12 YU12
check "RGB24" format rgb24 RGB3
check "BGR24" format bgr24 BGR3
check "GREY" format grey GREY

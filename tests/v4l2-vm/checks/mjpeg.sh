# MJPEG goes out as it came, byte for byte, and what is no JPEG does not go out.

untouched() {
    pull
    pictures
    feed ./*.jpg
    serve --source auto
    expect 'source.format MJPG'
    expect 'source.detail /dev/video9: .*'
    same_as cat ./*.jpg
    ring_holds ./*.jpg
}

# As cheap cameras send it: the tables are added, and nothing else.
without_tables() {
    local picture
    pictures
    for picture in *.jpg; do
        strip_tables <"$picture" >"bare-$picture"
        ! cmp -s "$picture" "bare-$picture" || fail "$picture has no tables to leave out"
    done
    feed ./bare-*.jpg
    serve --source "$loop"
    same_as strip_tables ./bare-*.jpg
    snapshot | LC_ALL=C $grep -qaP '\xff\xc4' || fail "no tables were added"
}

damaged() {
    pictures
    head -c 3000 1.jpg >1-cut.jpg
    head -c 100 2.jpg >2-tiny.jpg
    printf 'no picture' >3-text.jpg
    feed ./*.jpg
    serve --source "$loop"
    viewers
    wait_for "foreign ones" reached source.dropped.corrupt 3
    wait_for "cut ones" reached source.dropped.truncated 6
    expect 'source.state live'
    undisturbed
}

# Cut in its data it is shown as far as it goes, with an end put to it; cut in its headers it is not.
cut_and_allowed() {
    local len=3000
    pictures
    # Not behind 0xff, which goes where its second half is missing.
    [ "$(head -c "$len" 1.jpg | tail -c 1 | hexdump -e '1/1 "%x"')" != ff ] || len=3001
    head -c "$len" 1.jpg >1-cut.jpg
    head -c 100 2.jpg >2-tiny.jpg
    { cat 1-cut.jpg; printf '\377\331'; } >ended
    feed ./1-cut.jpg ./2-tiny.jpg
    serve --source "$loop" --allow-truncated
    viewers
    wait_for "the tiny one" reached source.dropped.truncated 2
    snapshot | cmp - ended || fail "it is not the picture with an end put to it"
    undisturbed
}

# Four pictures that differ, N.jpg: of the test picture.
pictures() {
    local picture
    serve --source test
    for picture in 1 2 3 4; do
        snapshot >"$picture.jpg"
    done
    kill "$server"
    wait "$server"
}

# same_as FILTER FILE...: snapshots, filtered, are some of the files.
same_as() {
    local filter=$1 round sum
    shift
    sha256sum "$@" >fed
    for round in 1 2 3 4; do
        sum=$(snapshot | "$filter" | sha256sum)
        grep -q "^${sum%% *} " fed || fail "snapshot $round is none of what was fed"
    done
}

# ring_holds FILE...: nothing lies in the ring but such files, one behind the other.
ring_holds() {
    local at=0 frames=0 whole file size
    seqcast ring --name vm --dump ring.mjpeg --seconds 3
    whole=$(stat -c %s ring.mjpeg)
    while [ "$at" -lt "$whole" ]; do
        for file in "$@" none; do
            [ "$file" != none ] || fail "from byte $at of $whole, ring.mjpeg holds none of what was fed"
            size=$(stat -c %s "$file")
            ! cmp -s -n "$size" "$file" ring.mjpeg 0 "$at" || break
        done
        at=$((at + size))
        frames=$((frames + 1))
    done
    [ "$frames" -gt 0 ] || fail "the ring holds no frame"
    note "$frames frames compared"
}

# A JPEG without its Huffman tables: DHT segments, ITU T.81 B.2.4.2.
strip_tables() {
    local at length
    cat >with
    while at=$(LC_ALL=C $grep -aobP -m 1 '\xff\xc4' with | head -n 1 | cut -d : -f 1) && [ -n "$at" ]; do
        length=$(tail -c "+$((at + 3))" with | head -c 2 | hexdump -e '1/1 "%02x"')
        head -c "$at" with
        tail -c "+$((at + 3 + 0x$length))" with >rest
        mv rest with
    done
    cat with
}

check "MJPEG is chosen and passed through untouched" untouched
check "missing Huffman tables are added, and nothing else is changed" without_tables
check "cut, tiny and foreign frames are dropped and counted, the others shown" damaged
check "--allow-truncated shows what is cut short" cut_and_allowed

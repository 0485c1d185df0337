# A camera that somebody else has: it is said who, and once it is free there is live video.

by_program() {
    v4l2-ctl -d "$camera" --stream-mmap >/dev/null 2>&1 &
    wait_for "it to stream" streams "$!"
    taken_by "$!"
}

by_seqcast() {
    seqcast --name first --http 127.0.0.1:8081 --clients 1 --source "$camera" 2>first &
    at_end "$!"
    wait_for "the first to be live" says 'source.state live' first
    # Its capture process has the camera, so it is the one to be named.
    taken_by "$(capture first)" "$!"
}

# taken_by PID [PARENT]: the process that has the camera, and the one to end for it to end.
taken_by() {
    local at reason fault
    start --source "$camera"
    wait_for "the reason" says 'source.reason .*busy.*'
    reason=$(value source.reason)
    fault=$(value source.fault)
    viewers
    kill "${2:-$1}"
    wait "${2:-$1}" || true
    at=$(now)
    wait_for "live video" came frame "$at"
    note "live $(since "$at" "$(came frame "$at")") s after it was free"
    undisturbed
    [ "$fault" = "CAMERA BUSY (pid $1)" ] || fail "the title is $fault"
    expr "$reason" : ".*pid $1" >/dev/null || fail "pid $1 is not named: $reason"
}

# Whether a process has buffers of the camera.
streams() {
    grep -q "$camera" "/proc/$1/maps"
}

check "by another program" by_program
check "by another seqcast" by_seqcast

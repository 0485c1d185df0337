# Processes killed while the camera streams: it is not left busy, and nothing is left of them.

capture_killed() {
    local round pid
    serve --source "$camera"
    viewers
    for round in 1 2 3; do
        pid=$(capture)
        kill -9 "$pid"
        wait_for "a successor" successor "$pid"
        more 5
    done
    undisturbed
    note "longest gap $(longest_gap) ms"
    ! grep busy server || fail "the camera was left busy"
}

# Whether another capture process than PID is there.
successor() {
    local pid
    pid=$(capture)
    [ -n "$pid" ] && [ "$pid" != "$1" ]
}

supervisor_asked() {
    local at
    serve --source "$camera"
    viewers
    at=$(now)
    kill "$server"
    wait "$server" || fail "it ended with $?"
    note "ended after $(since "$at") s"
    ! pgrep -f '^seqcast: ' || fail "workers are left: $(ps | grep '[s]eqcast: ')"
    [ -z "$(ls /dev/shm)" ] || fail "left in /dev/shm: $(ls /dev/shm)"
}

supervisor_killed() {
    serve --source "$camera"
    kill -9 "$server"
    wait_for "the end of its workers" gone seqcast
    v4l2-ctl -d "$camera" --stream-mmap --stream-count=1
    # What was left in /dev/shm is its successor's to clear.
    serve --source "$camera"
}

check "capture killed thrice: live again, nobody disconnected" capture_killed
check "the supervisor asked to end: nothing is left" supervisor_asked
check "the supervisor killed: the camera is free, a successor clears up" supervisor_killed

# Each fault that a driver has, under three viewers: none is disconnected, all get placeholders
# that say what is wrong, and live video once it is cured. Times are noted, not judged.

# lasting TITLE REASON FAULT CURE: the status says both until the cure.
lasting() {
    local at shown cured
    serve --source "$camera"
    viewers
    at=$(now)
    $3
    wait_for "a placeholder" came placeholder "$at"
    wait_for "the reason: $2" says "source.reason .*$2.*"
    expect 'source.state no-signal'
    expect "source.fault $1"
    $4
    cured=$(now)
    wait_for "live video" came frame "$cured"
    wait_for "live video in the status" live
    undisturbed
    shown=$(came placeholder "$at")
    note "placeholder $(since "$(last_frame "$shown")" "$shown") s after the last frame"
    note "live $(since "$cured" "$(came frame "$cured")") s after the cure"
}

# passing REASON FAULT...: it is over at once, so the reason is looked for in the log, and the
# first frame behind a placeholder.
passing() {
    local at reason=$1 last shown back
    shift
    serve --source "$camera"
    viewers
    at=$(now)
    for fault in "$@"; do
        fault "$fault"
    done
    wait_for "a placeholder" came placeholder "$at"
    shown=$(came placeholder "$at")
    wait_for "live video" came frame "$shown"
    wait_for "live video in the status" live
    undisturbed
    grep -q "$reason" server || fail "the log does not say $reason"
    last=$(last_frame "$shown")
    back=$(came frame "$shown")
    note "placeholder $(since "$last" "$shown") s and live $(since "$last" "$back") s after the last frame"
}

# A QBUF that fails once costs at most a frame or two: that is no outage.
one_frame() {
    local at
    serve --source "$camera"
    viewers
    at=$(now)
    fault inject_vidioc_qbuf_error
    wait_for "frames" came frame "$(awk -v at="$at" 'BEGIN { print at + 3 }')"
    undisturbed
    note "longest gap $(longest_gap) ms"
    ! came placeholder "$at" || fail "viewers saw a placeholder $(since "$at" "$(came placeholder "$at")") s after it"
}

silence() {
    fault percentage_of_dropped_buffers=100
}

sound() {
    fault percentage_of_dropped_buffers=0
}

check "unplugged and plugged in again" lasting "NO CAMERA" "is (gone|not there)" unplug replug
check "no frame for longer than the time-out" lasting "NO SIGNAL" "silent" silence sound
check "disconnected" passing "no camera: .*is gone" disconnect
check "a fatal error while streaming" passing "device error: .*stopped with an error" inject_fatal_streaming_error
check "an error of QBUF costs no outage" one_frame
# They show when the stream is started next, so after another fault.
check "an error of REQBUFS" passing "failed while starting the stream" \
    inject_vidioc_reqbufs_error inject_fatal_streaming_error
check "an error of STREAMON" passing "failed while starting the stream" \
    inject_vidioc_streamon_error inject_fatal_streaming_error

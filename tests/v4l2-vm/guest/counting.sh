# Whether what was delivered and what was dropped add up to what the driver counted, by the kernel's
# own trace of all buffers.
#
# Not here: what loses frames (the checks).

tracing=/sys/kernel/tracing

# From here on the kernel writes down every buffer that is queued or dequeued.
trace() {
    echo >"$tracing/trace"
    echo 8192 >"$tracing/buffer_size_kb"
    echo 1 >"$tracing/events/v4l2/v4l2_qbuf/enable"
    echo 1 >"$tracing/events/v4l2/v4l2_dqbuf/enable"
}

# How many frames the driver counted, over all streams: of each from the first that was dequeued
# to the last. A stream begins with all buffers queued; afterwards they are queued one by one. On a
# slow machine vivid gives a stream's first number twice: that is a frame more than it counted.
driver_range() {
    awk '/v4l2_qbuf:/ { queued++ }
        /v4l2_dqbuf:/ {
            match($0, /sequence = [0-9]+/)
            sequence = substr($0, RSTART + 11, RLENGTH - 11) + 0
            if (queued > 2) { range += last - first; first = sequence - 1 }
            else if (sequence == last) range++
            last = sequence
            queued = 0
        }
        END { print range + last - first }' "$tracing/trace"
}

# Dries the camera up, so that all numbers stand still, and compares.
add_up() {
    local before='' ours driver
    fault percentage_of_dropped_buffers=100
    while ours=$(status | grep -E '^(totals.frames_captured|source.dropped)') && [ "$ours" != "$before" ]; do
        before=$ours
        sleep 0.3
    done
    note "$(echo "$ours" | sed 's/.*[._]//' | xargs)"
    ours=$(echo "$ours" | awk '{ sum += $2 } END { print sum }')
    driver=$(driver_range)
    [ "$ours" = "$driver" ] || fail "delivered and dropped are $ours, the driver's range is $driver"
}

# What is lost is counted by cause, and the counts add up to what the driver counted: the kernel's
# own trace of all buffers says how much that was.

flagged() {
    begin
    local round
    for round in 1 2 3; do
        fault inject_v4l2_buf_flag_error
        wait_for "the next flagged one" says "source.dropped.flagged $round"
    done
    add_up
}

lost_in_driver() {
    begin
    fault percentage_of_dropped_buffers=50
    wait_for "lost ones" reached source.dropped.driver 10
    add_up
}

over_restarts() {
    begin
    local fault
    for fault in inject_fatal_streaming_error inject_vidioc_qbuf_error disconnect; do
        fault "$fault"
        more 10
    done
    add_up
}

begin() {
    trace
    serve --source "$camera"
    more 5
}

check "buffers that the driver flagged" flagged
check "frames that the driver lost" lost_in_driver
check "over errors that end the stream" over_restarts

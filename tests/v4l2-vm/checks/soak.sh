# Many frames ($SOAK) with faults at random (by $SEED): nothing grows, nothing hangs, no process dies,
# and the counts add up.

# Growth of a process's memory that is no leak, KiB: what an allocator keeps.
slack=512

soak() {
    local pids before after most fault frames
    trace
    fps=30
    serve --source "$camera"
    viewers
    # What is allocated once is allocated by the end of a first outage.
    fault inject_fatal_streaming_error
    more 20
    pids=$(processes)
    before=$(sizes "$pids")
    faults | while read -r fault frames && ! reached totals.frames_captured "$SOAK"; do
        provoke "$fault"
        more "$frames"
    done
    after=$(sizes "$pids")
    undisturbed
    most=$(growth "$before" "$after")
    note "most growth $most KiB"
    add_up
}

# Lines without end: a fault, and the frames until the next.
faults() {
    awk -v seed="$SEED" 'BEGIN {
        count = split("inject_v4l2_buf_flag_error inject_vidioc_qbuf_error " \
            "inject_fatal_streaming_error disconnect percentage_of_dropped_buffers", faults)
        for (srand(seed);;) print faults[1 + int(rand() * count)], 5 + int(rand() * 60)
    }'
}

provoke() {
    case $1 in
    percentage_*)
        fault "$1=40"
        sleep 0.5
        fault "$1=0"
        ;;
    *) fault "$1" ;;
    esac
}

# The supervisor, the capture process and the viewers' senders; not what is spare.
processes() {
    echo "$server"
    status | awk -F '[. ]' '
        $3 == "pid" { pid[$2] = $4 }
        $3 == "role" && $4 == "capture" || $3 == "viewer" && $4 != "null" { busy[$2] }
        END { for (worker in busy) print pid[worker] }'
}

# Of each process: PID, its descriptors, its resident memory in KiB; without the ring, of which ever
# more has been touched, until it is full.
sizes() {
    local pid
    for pid in $1; do
        kill -0 "$pid" || fail "process $pid has died"
        echo "$pid $(ls "/proc/$pid/fd" | wc -l) $(awk '/^RssAnon:/ { print $2 }' "/proc/$pid/status")"
    done
}

# The largest growth of memory between two such lists, KiB. Fails where that is a leak, or where
# there are more descriptors than before.
growth() {
    printf '%s\n%s\n' "$1" "$2" | awk -v slack="$slack" '
        $1 in fds {
            kib = $3 - memory[$1]
            if (kib > most) most = kib
            if (kib > slack || $2 > fds[$1]) {
                print "process " $1 ": descriptors, KiB:", fds[$1], memory[$1], "then", $2, $3 >"/dev/stderr"
                leak = 1
            }
        }
        { fds[$1] = $2; memory[$1] = $3 }
        END { print most + 0; exit leak }'
}

check "$SOAK frames with faults by seed $SEED" soak

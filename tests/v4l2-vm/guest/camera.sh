# The cameras: vivid, which delivers raw formats and has faults by order, and v4l2loopback, which
# delivers what it is fed, so MJPEG.
#
# Not here: who looks at them (server.sh), the kernel's record of their buffers (counting.sh).

# The loopback's node.
loop=/dev/video9

# plug [N]: vivid as /dev/videoN. Its first input is a webcam, its second an HDMI grabber.
plug() {
    insmod /mod/vivid.ko n_devs=1 node_types=0x1 num_inputs=2 input_types=0xc vid_cap_nr="${1:-0}"
    camera=/dev/video${1:-0}
    wait_for "$camera" test -e "$camera"
}

# Takes the cameras away, which succeeds once nobody has one open.
pull() {
    local module
    for module in vivid v4l2loopback; do
        ! grep -q "^$module " /proc/modules || rmmod "$module" || return
    done
}

# Unplugs it under whoever has it open.
unplug() {
    echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind
}

# replug [N]: the same camera anew, under another number.
replug() {
    wait_for "the end of the camera that was unplugged" pull
    plug "$@"
}

# fault CONTROL[=VALUE]: one of vivid's "error injection" controls; without a value a button's.
fault() {
    case $1 in
    *=*) v4l2-ctl -d "$camera" -c "$1" ;;
    *) v4l2-ctl -d "$camera" -c "$1=1" ;;
    esac
}

# feed FILE...: a v4l2loopback that delivers these files as MJPEG of 320x180, again and again.
feed() {
    insmod /mod/v4l2loopback.ko video_nr="${loop#/dev/video}" exclusive_caps=1
    (
        trap 'exit 0' TERM
        # Its format lasts as long as somebody has it open; each write is a frame.
        exec 3>"$loop"
        v4l2-ctl -d "$loop" --set-fmt-video-out=width=320,height=180,pixelformat=MJPG
        while :; do
            local file
            for file in "$@"; do
                dd if="$file" bs=1M >&3 2>/dev/null
                sleep 0.1
            done
        done
    ) &
    feeder=$!
    at_end "$feeder"
    wait_for "a camera at $loop" offers_mjpeg
}

offers_mjpeg() {
    v4l2-ctl -d "$loop" --list-formats | grep -q MJPG
}

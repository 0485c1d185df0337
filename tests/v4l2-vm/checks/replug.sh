# A camera that comes back under another number is found again.

# again SOURCE: as that source, unplugged and plugged in again.
again() {
    local at
    rm -rf /dev/v4l
    link 0
    serve --source "$1"
    viewers
    at=$(now)
    unplug
    rm "$by_id"
    wait_for "a placeholder" came placeholder "$at"
    replug 7
    link 7
    at=$(now)
    wait_for "live video" came frame "$at"
    note "live $(since "$at" "$(came frame "$at")") s later"
    undisturbed
}

# What udev does.
by_id=/dev/v4l/by-id/usb-vivid-video-index0
link() {
    mkdir -p "${by_id%/*}"
    ln -s "../../video$1" "$by_id"
}

check "by its by-id path" again "$by_id"
check "by the number that it had" again /dev/video0
check "as auto" again auto

# A camera's controls: from the command line, over HTTP, and refused where the camera refuses; and
# the camera closed while nobody watches.

from_the_command_line() {
    serve --source "$camera" --control brightness=99 --control hue=-7 --control no_such_thing=1
    [ "$(of_camera brightness)" = 99 ] || fail "brightness is $(of_camera brightness)"
    [ "$(of_camera hue)" = -7 ] || fail "hue is $(of_camera hue)"
    expect 'source.controls_refused .*no_such_thing.*'
    replug_camera
    [ "$(of_camera brightness)" = 99 ] || fail "brightness is $(of_camera brightness) after a replug"
}

over_http() {
    serve --source "$camera"
    viewers
    controls | grep -qx 'controls.[0-9]*.name brightness' || fail "brightness is not listed: $(controls)"
    controls | grep -qx 'controls.[0-9]*.kind menu' || fail "no menu is listed"
    set_control brightness=200 || fail "it was not set"
    [ "$(of_camera brightness)" = 200 ] || fail "brightness is $(of_camera brightness)"
    ! set_control brightness=256 || fail "256 was accepted"
    ! set_control test_pattern=9999 || fail "a pattern that is not there was accepted"
    [ "$(of_camera brightness)" = 200 ] || fail "brightness is $(of_camera brightness)"
    # What the camera sets by itself is inactive then.
    set_control gain_automatic=1 || fail "it was not set"
    more 5
    undisturbed
}

on_demand() {
    serve --source "$camera" --on-demand 1
    wait_for "the camera at rest" says 'source.state resting'
    ! holds || fail "the camera is still open"
    viewers
    wait_for "live video" live
    holds || fail "the camera is not open"
    more 5
    undisturbed
    kill "$third" || true
    wait_for "the camera at rest again" says 'source.state resting'
    ! holds || fail "the camera is still open"
    snapshot >snapshot.jpg || fail "no snapshot"
    test -s snapshot.jpg || fail "an empty snapshot"
}

# Whether capture has the camera open.
holds() {
    ls -l "/proc/$(capture)/fd" | grep -q " $camera\$"
}

of_camera() {
    v4l2-ctl -d "$camera" --get-ctrl "$1" | sed 's/.*: //'
}

controls() {
    wget -q -O - "http://$address/controls" | flat
}

# set_control NAME=VALUE: fails where it is refused.
set_control() {
    wget -q -O /dev/null --post-data "$1" "http://$address/controls"
}

replug_camera() {
    unplug
    wait_for "the end of live video" says 'source.state no-signal'
    replug
    wait_for "live video" live
}

check "set at each opening, and what cannot be is said" from_the_command_line
check "listed and set over HTTP, and refused by their ranges" over_http
check "the camera is closed while nobody watches" on_demand

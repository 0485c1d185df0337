# An HDMI grabber: its source comes, goes and changes its size, and is followed without a restart. In grey, which
# costs vivid's thread least: at 60 fps of YU12 an emulated machine is busy with that alone.

# Its second input, at 320x180 or what else it is told to see.
grabber() {
    v4l2-ctl -d "$camera" --set-input 1 >/dev/null
    timings 640x480p59
}

# timings NAME: what comes in, by its name in vivid's list.
timings() {
    menu dv_timings "$1"
    menu dv_timings_signal_mode "Selected DV Timings"
}

# menu CONTROL NAME: one of vivid's menus, by the name of the item.
menu() {
    local number
    number=$(v4l2-ctl -d "$camera" --list-ctrls-menus | awk -v control="$1" -v name="$2" '
        $1 == control { here = 1; next }
        /0x[0-9a-f]* \(/ { here = 0 }
        here && index($0, ": " name) { print $1 + 0; exit }')
    [ -n "$number" ] || fail "no $2 in $1: $(v4l2-ctl -d "$camera" --list-ctrls-menus)"
    v4l2-ctl -d "$camera" -c "$1=$number"
}

# Its size goes before the size that is asked for, for there is no other.
followed() {
    local pid at
    grabber
    serve --source "$camera" --format grey
    expect 'source.width 640'
    expect 'source.height 480'
    viewers
    pid=$(capture)
    at=$(now)
    timings 720x480p59
    wait_for "the new size" says 'source.width 720'
    more 5
    note "$(since "$at") s for another size"
    [ "$(capture)" = "$pid" ] || fail "the capture process was restarted"
    undisturbed
}

lost() {
    local at cured
    grabber
    serve --source "$camera" --format grey
    viewers
    at=$(now)
    menu dv_timings_signal_mode "No Signal"
    wait_for "a placeholder" came placeholder "$at"
    wait_for "the reason" says 'source.reason .*no HDMI signal.*'
    expect 'source.fault NO SIGNAL'
    cured=$(now)
    timings 640x480p59
    wait_for "live video" came frame "$cured"
    note "live $(since "$cured" "$(came frame "$cured")") s after the cure"
    undisturbed
}

check "another size comes in" followed
check "nothing comes in, and then something" lost

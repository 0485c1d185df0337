# Which camera is taken unasked, and what it is asked for.

auto() {
    serve --source auto
    expect 'source.kind camera'
    expect 'source.format YU12'
    expect 'source.detail /dev/video0: vivid .*'
    expect 'source.width 320'
    expect 'source.fps_set 15.0'
    viewers
    more 10
    undisturbed
}

other_size() {
    size=300x200
    serve --source "$camera"
    expect 'source.width 320'
    expect 'source.height 180'
    grep -q 'asked for 300x200 at 15 fps, granted YU12 320x180 at 15 fps: it has no 300x200' server ||
        fail "the log does not say what was asked for and what was granted"
}

no_camera() {
    unplug
    serve --source auto
    expect 'source.kind test'
}

check "auto finds vivid, and the cheapest of its formats is encoded" auto
check "what is granted is said where it is not what was asked" other_size
check "without a camera it is the test picture" no_camera

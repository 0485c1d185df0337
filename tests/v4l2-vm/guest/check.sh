# Runs checks and reports them: a line each, and what one printed only if it failed.
#
# Not here: cameras (camera.sh), servers and viewers (server.sh).

# Longer than anything takes that does not hang, seconds. No other time is an upper bound here:
# emulation is slow, and slower on a busy machine.
hang=60

passed=0
failed=0

# check WHAT FUNCTION [ARGUMENT...]: in a process and a directory of its own, with a new vivid
# plugged in as /dev/video0. Afterwards nothing of seqcast may be left.
check() {
    local what=$1 began status
    shift
    began=$(now)
    rm -rf /tmp/check
    mkdir /tmp/check
    cd /tmp/check
    : >notes
    plug >output 2>&1
    # In no condition, not even `||`: there, `set -e` would mean nothing.
    (
        set -eu
        "$@"
    ) >>output 2>&1
    status=$?
    (tidy) >>output 2>&1 || status=1
    if [ "$status" = 0 ]; then
        passed=$((passed + 1))
        printf '  PASS %s [%s s%s]\n' "$what" "$(since "$began")" "$(cat notes)"
    else
        failed=$((failed + 1))
        printf '  FAIL %s [%s s%s]\n' "$what" "$(since "$began")" "$(cat notes)"
        sed 's/^/       /' output
        [ ! -e server ] || sed 's/^/       server: /' server | tail -n 20
    fi
    cd /
}

verdict() {
    printf 'checks: %d passed, %d failed\n' "$passed" "$failed"
}

# Ends everything that the check began, and sees that nothing is left.
tidy() {
    local pid
    for pid in $(cat stop 2>/dev/null); do
        kill "$pid" 2>/dev/null || true
    done
    wait_for "the end of seqcast: $(ps | grep '[s]eqcast')" gone seqcast
    [ -z "$(ls /dev/shm)" ] || fail "left in /dev/shm: $(ls /dev/shm)"
    wait_for "idle cameras" pull
}

# at_end PID: to be ended after the check.
at_end() {
    echo "$1" >>stop
}

fail() {
    echo "$*" >&2
    exit 1
}

# note WORDS: shown with the result.
note() {
    printf ', %s' "$*" >>notes
}

# Whether no process of that name lives.
gone() {
    ! pidof "$1" >/dev/null
}

# wait_for WHAT COMMAND...: until it succeeds.
wait_for() {
    local what=$1 up rest end
    shift
    read -r up rest </proc/uptime
    end=$((${up%.*} + hang))
    until "$@" >/dev/null 2>&1; do
        read -r up rest </proc/uptime
        [ "${up%.*}" -lt "$end" ] || fail "waited in vain for $what"
        sleep 0.2
    done
}

# Seconds since the machine began.
now() {
    local up rest
    read -r up rest </proc/uptime
    echo "$up"
}

# since BEGIN [END]: seconds from one to the other.
since() {
    awk -v begin="$1" -v end="${2:-$(now)}" 'BEGIN { printf "%.1f", end - begin }'
}

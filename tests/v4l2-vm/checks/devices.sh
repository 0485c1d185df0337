# What `seqcast devices` says of a camera, to those who may open it and those who may not.

listed() {
    seqcast devices >text
    grep -q "^$camera: vivid" text || fail "not listed: $(cat text)"
    grep -q '320x180 at ' text || fail "no sizes and rates: $(cat text)"
    grep -q 'control     brightness integer 0..255 = ' text || fail "no controls: $(cat text)"
    seqcast devices --json | flat >json
    grep -qx '0.usable true' json || fail "not usable: $(head -n 20 json)"
    grep -qx '0.may_open true' json
    grep -qE '^0\.formats\.[0-9]+\.format yuyv$' json || fail "no yuyv: $(grep format json)"
    grep -qE '^0\.controls\.[0-9]+\.name brightness$' json || fail "no brightness"
}

forbidden() {
    chmod 600 "$camera"
    chown 0:0 "$camera"
    su_devices
    grep -qx '0.may_open false' json || fail "it may be opened: $(cat json)"
    grep -q '^0.problem .*udev' json || fail "no udev rule: $(cat json)"
    chown 0:44 "$camera"
    chmod 660 "$camera"
    su_devices
    grep -q '^0.problem .*usermod -aG video' json || fail "no group: $(cat json)"
}

# As a user without any group.
su_devices() {
    mkdir -p /etc
    echo 'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
    echo 'video:x:44:' >/etc/group
    su -s /applets/sh nobody -c '/bin/seqcast devices --json' 2>error | flat >json
    [ -s json ] || fail "nothing is listed: $(cat error)"
}

check "a camera is listed with all that it offers" listed
check "who may not open it is told what to do" forbidden

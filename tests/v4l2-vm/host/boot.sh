# The guest, from its start to its verdict.
#
# Not here: what it does (guest/).

# Longer than anything takes that does not hang, seconds: all but the soak, and a frame of that.
most() {
    echo $((600 + soak))
}

# Boots, shows what the checks say, and judges. Arguments: the checks.
#
# Emulated, also where there is KVM: what passes is then the same everywhere. Parameters that the
# kernel does not know are its first process's environment. What the kernel says of vivid's
# injected faults is not shown, only what is worse.
boot() {
    local checks=${*:-all} log=$work/console status=0 shown
    : >"$log"
    tool exec timeout --foreground "$(most)" "$cache/tools/usr/bin/qemu-system-x86_64" \
        -L "$cache/tools/usr/share/qemu" -L "$cache/tools/usr/share/seabios" \
        -nodefaults -no-user-config -display none -serial "file:$log" -no-reboot \
        -accel tcg,thread=multi -cpu max -smp 2 -m 1024 \
        -kernel "$cache/vmlinux" -initrd "$work/initramfs" \
        -append "console=ttyS0 loglevel=2 panic=-1 CHECKS=${checks// /,} SOAK=$soak SEED=$seed" &
    guest=$!
    tail --pid "$guest" --sleep-interval 0.2 -f "$log" | sed -u 's/\r$//' &
    shown=$!
    wait "$guest" || status=$?
    guest=
    wait "$shown"
    case $(tr -d '\r' <"$log" | grep '^checks: ') in
    *', 0 failed') step "done" ;;
    *' failed') fail "some checks failed" ;;
    *) fail "the guest ended without a verdict (QEMU: $status)" ;;
    esac
}

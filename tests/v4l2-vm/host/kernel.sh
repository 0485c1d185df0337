# What the guest's kernel needs beyond its package: an image that boots fast, the order of its
# modules, and v4l2loopback, which Debian has as source alone. Made once.
#
# Not here: what else the guest holds (initramfs.sh).

# Makes $cache/vmlinux, $cache/v4l2loopback.ko and the modules' index.
make_kernel() {
    local root=$cache/kernel
    if [ ! -e "$cache/vmlinux" ]; then
        step "kernel $kernel"
        ln -sf kmod "$cache/tools/bin/depmod"
        tool "$cache/tools/bin/depmod" -b "$root" "$kernel"
        unpack_image "$root/boot/vmlinuz-$kernel" >"$cache/vmlinux.part"
        mv "$cache/vmlinux.part" "$cache/vmlinux"
    fi
    if [ ! -e "$cache/v4l2loopback.ko" ]; then
        step "v4l2loopback for it"
        build_loopback "$root/usr/src"
    fi
}

# The ELF image in a compressed kernel: without the unpacking, which is slow when emulated, QEMU
# boots it (by PVH) in 4 s instead of 9.
unpack_image() {
    local begin
    begin=$(LC_ALL=C grep -aobP '\xfd7zXZ\x00' "$1" | head -n 1 | cut -d: -f1)
    # What follows the image is no xz, of which xz complains.
    tail -c "+$((begin + 1))" "$1" | xz -dc 2>/dev/null || true
}

build_loopback() {
    local program
    for program in gcc-12 make; do
        command -v "$program" >/dev/null || cannot "no $program, to build v4l2loopback: apt-get install $program"
    done
    local headers=$1/linux-headers-$kernel build=$cache/loopback
    sed -i "s# /usr/src/# $1/#" "$headers/Makefile"
    rm -rf "$build"
    cp -r "$1"/v4l2loopback-* "$build"
    make -s -C "$headers" M="$build" modules >"$build/log" 2>&1 || fail "v4l2loopback does not build: $build/log"
    mv "$build/v4l2loopback.ko" "$cache/"
    rm -rf "$build"
}

# A module's file and, before it, those that it needs, in the order in which to load them.
modules() {
    awk -v module="/$1.ko" -F '[: ]+' 'index($1, module) { for (i = NF; i > 0; i--) if ($i != "") print $i }' \
        "$cache/kernel/lib/modules/$kernel/modules.dep"
}

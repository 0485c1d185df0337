# The guest's whole file system: busybox, the few programs that its checks run, modules, the
# project's binary, and the scripts.
#
# Not here: where they come from (packages.sh, kernel.sh).

# Packs $work/initramfs from the binary $1.
make_initramfs() {
    local root=$work/root
    mkdir -p "$root"/{bin,dev,mod,proc,sys,tmp}
    cp "$cache/tools/bin/busybox" "$root/bin/"
    add_program "$cache/tools/usr/bin/v4l2-ctl"
    add_program "$cache/tools/bin/grep"
    # Debug information is most of it.
    strip --strip-debug -o "$work/seqcast" "$1"
    add_program "$work/seqcast"
    add_modules
    cp -r guest/* checks "$root/"
    (cd "$root" && find . | tool "$cache/tools/bin/cpio" -o -H newc --quiet | gzip -1) >"$work/initramfs"
}

# A program and its libraries.
add_program() {
    cp "$1" "$root/bin/"
    local library place
    for library in $(tool ldd "$1" | grep -o '/[^ ]*'); do
        case $library in
        */ld-linux*) place=lib64 ;;
        *) place=lib ;;
        esac
        mkdir -p "$root/$place"
        cp -nL "$library" "$root/$place/"
    done
}

# What vivid needs, numbered in the order of loading; vivid and v4l2loopback by name, for the
# checks load them again and again.
add_modules() {
    local number=100 module
    for module in $(modules vivid); do
        case $module in
        */vivid.ko) cp "$cache/kernel/lib/modules/$kernel/$module" "$root/mod/" ;;
        *) cp "$cache/kernel/lib/modules/$kernel/$module" "$root/mod/$((number++))-${module##*/}" ;;
        esac
    done
    cp "$cache/v4l2loopback.ko" "$root/mod/"
}

# Debian packages, downloaded and unpacked under $cache; none is installed, apt's own state is not
# touched, and no rights are needed.
#
# Not here: what is made of them (kernel.sh, initramfs.sh).

# What runs here or in the guest, with all that it depends on. libc stays the machine's own.
tools=(qemu-system-x86 busybox-static cpio kmod v4l-utils grep)

# Sets $kernel, the kernel's version, and unpacks into $cache/tools and $cache/kernel.
get_packages() {
    local wanted
    wanted="${tools[*]} $(. /etc/os-release && printf '%s %s' "$ID" "$VERSION_ID")"
    if [ "$(cat "$cache/packages" 2>/dev/null)" != "$wanted" ]; then
        step "packages: some 200 MB from Debian's archive into $cache"
        rm -rf "${cache:?}"/*
        download
        printf '%s\n' "$wanted" >"$cache/packages"
    fi
    kernel=$(basename "$cache"/kernel/lib/modules/*)
}

download() {
    mkdir -p "$cache"/apt/{lists,archives}/partial "$cache"/{tools,kernel}
    # An empty list of what is installed: dependencies are complete, whatever this machine has.
    : >"$cache/apt/status"
    local image headers
    # Without an archive `update` does not fail, it leaves the list of packages empty.
    apt get update && image=$(depends linux-image-amd64 '^linux-image-') && [ -n "$image" ] ||
        cannot "the first run downloads packages, and there is no Debian archive to be reached"
    headers=linux-headers-${image#linux-image-}
    apt get install --yes --download-only --no-install-recommends "${tools[@]}"
    unpack "$cache/tools"
    # Without what they depend on: that is for booting real machines.
    # shellcheck disable=SC2046 # package names
    apt get download v4l2loopback-dkms "$image" "$headers" $(depends "$headers" '^linux-(headers|kbuild)-')
    unpack "$cache/kernel"
    rm -rf "$cache/apt"
}

# apt-get or apt-cache with a state of its own.
apt() {
    (
        cd "$cache/apt/archives"
        "apt-$1" -qq -o Dir::State="$cache/apt" -o Dir::State::status="$cache/apt/status" \
            -o Dir::Cache="$cache/apt" -o APT::Sandbox::User=root -o Debug::NoLocking=1 "${@:2}"
    )
}

# The packages that one depends on and whose names match.
depends() {
    apt cache depends "$1" | awk -v name="$2" '$1 == "Depends:" && $2 ~ name { print $2 }'
}

# Unpacks what was downloaded, and forgets it.
unpack() {
    local package
    for package in "$cache"/apt/archives/*.deb; do
        case ${package##*/} in
        libc6_* | libc-bin_* | libgcc-s1_*) ;;
        *) dpkg -x "$package" "$1" ;;
        esac
        rm "$package"
    done
}

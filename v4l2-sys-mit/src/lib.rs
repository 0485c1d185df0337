//! The part of `linux/videodev2.h` that the crate `v4l` 0.14 names.
//!
//! Stands in for `v4l2-sys-mit` 0.3.0 of crates.io, which runs bindgen in its build script and so
//! needs libclang on every machine that builds it. Only what is generated belongs here, and the
//! proof that it fits this target.
//!
//! Made from the header of Linux 6.1 (Debian's linux-libc-dev 6.1.187, there under
//! GPL-2.0-or-later WITH Linux-syscall-note OR BSD-3-Clause) with bindgen 0.72.1 and libclang 14:
//!
//! ```text
//! echo '#include <linux/videodev2.h>' > wrapper.h
//! bindgen wrapper.h -o src/bindings.rs --rust-target 1.82 --no-doc-comments --no-layout-tests \
//!   --opaque-type 'v4l2_ctrl_.*' --allowlist-item "$(tr -d ' \n' <<'EOF'
//!     time_t | timeval | V4L2_CTRL_FLAG_NEXT_(CTRL|COMPOUND) | v4l2_(
//!       audio | audioout | buffer | capability | captureparm | control | crop | cropcap | edid |
//!       enc_idx | encoder_cmd | exportbuffer | ext_controls | fmtdesc | format | fract |
//!       framebuffer | frequency | frmivalenum | frmivaltypes | frmsizeenum | frmsizetypes |
//!       input | jpegcompression | modulator | output | outputparm | pix_format |
//!       query_ext_ctrl | queryctrl | querymenu | requestbuffers | sliced_vbi_cap | standard |
//!       std_id | streamparm | tuner
//!     )
//! EOF
//! )"
//! ```
//!
//! `-- --target=x86_64-unknown-linux-gnu` and `-- --target=aarch64-unknown-linux-gnu` give the
//! same file, byte for byte.

#[allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::all
)]
mod bindings;

pub use bindings::*;

/// The sizes that are part of the `VIDIOC_*` numbers, as a C compiler has them on 64-bit Linux:
/// a wrong one here fails the build, not an ioctl.
macro_rules! sizes {
    ($($name:ident = $size:literal,)*) => {
        const _: () = {
            $(assert!(size_of::<$name>() == $size, stringify!($name));)*
        };
    };
}

sizes! {
    v4l2_audio = 52,
    v4l2_audioout = 52,
    v4l2_buffer = 88,
    v4l2_capability = 104,
    v4l2_control = 8,
    v4l2_crop = 20,
    v4l2_cropcap = 44,
    v4l2_edid = 40,
    v4l2_enc_idx = 2072,
    v4l2_encoder_cmd = 40,
    v4l2_exportbuffer = 64,
    v4l2_ext_control = 20,
    v4l2_ext_controls = 32,
    v4l2_fmtdesc = 64,
    v4l2_format = 208,
    v4l2_framebuffer = 48,
    v4l2_frequency = 44,
    v4l2_frmivalenum = 52,
    v4l2_frmsizeenum = 44,
    v4l2_input = 80,
    v4l2_jpegcompression = 140,
    v4l2_modulator = 68,
    v4l2_output = 72,
    v4l2_query_ext_ctrl = 232,
    v4l2_queryctrl = 68,
    v4l2_querymenu = 44,
    v4l2_requestbuffers = 20,
    v4l2_sliced_vbi_cap = 116,
    v4l2_standard = 72,
    v4l2_streamparm = 204,
    v4l2_tuner = 84,
}

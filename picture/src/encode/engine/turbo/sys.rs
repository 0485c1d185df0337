//! The few calls of libturbojpeg that are made (turbojpeg.h, libjpeg-turbo 2.0).

use std::ffi::{CStr, c_char, c_int, c_uchar, c_ulong, c_void};
use std::ptr::NonNull;

const TJSAMP_420: c_int = 2;
const TJSAMP_GRAY: c_int = 3;
const TJFLAG_NOREALLOC: c_int = 1024;

unsafe extern "C" {
    fn tjInitCompress() -> *mut c_void;
    fn tjDestroy(handle: *mut c_void) -> c_int;
    fn tjBufSize(width: c_int, height: c_int, subsamp: c_int) -> c_ulong;
    fn tjGetErrorStr2(handle: *mut c_void) -> *mut c_char;
    fn tjCompressFromYUVPlanes(
        handle: *mut c_void,
        planes: *const *const c_uchar,
        width: c_int,
        strides: *const c_int,
        height: c_int,
        subsamp: c_int,
        jpeg: *mut *mut c_uchar,
        jpeg_size: *mut c_ulong,
        quality: c_int,
        flags: c_int,
    ) -> c_int;
}

/// An instance of the compressor.
pub(super) struct Handle(NonNull<c_void>);

// SAFETY: turbojpeg.h lets an instance move between threads; it must not be used by two at once,
// and every use here is through `&mut`.
unsafe impl Send for Handle {}

/// Planes without gaps between their lines. Y has an even number of columns and lines, which is as
/// the library pads 4:2:0; Cb and Cr half as many. Grey: Y alone is looked at.
pub(super) struct Picture<'a> {
    pub width: u32,
    pub height: u32,
    pub grey: bool,
    pub planes: [&'a [u8]; 3],
}

impl Handle {
    pub(super) fn new() -> Result<Handle, String> {
        // SAFETY: takes nothing, and gives an instance or null.
        let handle = unsafe { tjInitCompress() };
        NonNull::new(handle)
            .map(Handle)
            .ok_or_else(|| "it makes no compressor".to_owned())
    }

    /// Puts the JPEG into `room`, which is made large enough once, and gives its length.
    pub(super) fn compress(
        &mut self,
        picture: &Picture<'_>,
        quality: u8,
        room: &mut Vec<u8>,
    ) -> Result<usize, String> {
        let Picture {
            width,
            height,
            grey,
            planes,
        } = picture;
        let (stride, lines) = (
            width.next_multiple_of(2) as usize,
            height.next_multiple_of(2) as usize,
        );
        let chroma = if *grey { 0 } else { stride * lines / 4 };
        assert!(planes[0].len() >= stride * lines);
        assert!(planes[1].len() >= chroma && planes[2].len() >= chroma);
        let int = |n: usize| c_int::try_from(n).map_err(|_| "the picture is too large".to_owned());
        let (width, height) = (int(*width as usize)?, int(*height as usize)?);
        let strides = [int(stride)?, int(stride / 2)?, int(stride / 2)?];
        let subsamp = if *grey { TJSAMP_GRAY } else { TJSAMP_420 };
        // SAFETY: takes numbers and gives one, −1 for numbers that it does not like.
        let most = unsafe { tjBufSize(width, height, subsamp) };
        let most = usize::try_from(most)
            .ok()
            .filter(|&n| n < 1 << 40)
            .ok_or_else(|| self.error())?;
        if room.len() < most {
            room.resize(most, 0);
        }
        let sources = planes.map(<[u8]>::as_ptr);
        let mut jpeg = room.as_mut_ptr();
        let mut len = room.len() as c_ulong;
        // SAFETY: the handle is alive and ours alone. Each plane holds what the library reads of it:
        // at 4:2:0 it takes width and height rounded up to even lines of `strides` bytes, half as many of
        // Cb and Cr, at TJSAMP_GRAY of Y no more than that and nothing of the others (asserted
        // above). `jpeg` has room for `len` bytes, at least what tjBufSize asks, and is not
        // reallocated (TJFLAG_NOREALLOC).
        let failed = unsafe {
            tjCompressFromYUVPlanes(
                self.0.as_ptr(),
                sources.as_ptr(),
                width,
                strides.as_ptr(),
                height,
                subsamp,
                &mut jpeg,
                &mut len,
                c_int::from(quality),
                TJFLAG_NOREALLOC,
            )
        };
        if failed != 0 {
            return Err(self.error());
        }
        Ok((len as usize).min(room.len()))
    }

    fn error(&mut self) -> String {
        // SAFETY: the handle is alive; what is given is a string in it that lives until the next call.
        let text = unsafe { CStr::from_ptr(tjGetErrorStr2(self.0.as_ptr())) };
        text.to_string_lossy().into_owned()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it came from tjInitCompress and is destroyed once.
        unsafe { tjDestroy(self.0.as_ptr()) };
    }
}

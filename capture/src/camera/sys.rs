//! The calls of V4L2 on an open device, each a safe function.
//!
//! `v4l` has most of them, and panics on what a driver may well answer: names that are no UTF-8, unknown
//! colour spaces, field orders and types of controls. So its numbers and structures are used here,
//! and its `ioctl`.
//!
//! Not here: what the answers mean (`probe`, `offers`), the order of calls (`stream`), and what `v4l` lacks
//! (`timings::sys`).

use std::io;
use std::mem::zeroed;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::ptr::{self, NonNull};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use v4l::Device;
use v4l::device::Handle;
use v4l::v4l_sys::{
    v4l2_buffer, v4l2_capability, v4l2_control, v4l2_fmtdesc, v4l2_format, v4l2_fract,
    v4l2_frmival_stepwise, v4l2_frmivalenum, v4l2_frmsize_discrete, v4l2_frmsize_stepwise,
    v4l2_frmsizeenum, v4l2_input, v4l2_pix_format, v4l2_queryctrl, v4l2_querymenu,
    v4l2_requestbuffers, v4l2_streamparm,
};
use v4l::v4l2::{self, vidioc};

/// V4L2_BUF_TYPE_VIDEO_CAPTURE.
const CAPTURE: u32 = 1;
/// V4L2_MEMORY_MMAP.
const MMAP: u32 = 1;
/// V4L2_PIX_FMT_PRIV_MAGIC: the fields behind `priv_` are meant.
const PRIV_MAGIC: u32 = 0xfeed_cafe;

/// What an ioctl may read and write.
///
/// # Safety
/// Integers, or unions of such, for which all zeroes are a value, as is whatever the kernel writes.
pub(super) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($name:ident)*) => {$(
        // SAFETY: integers and unions of integers, as linux/videodev2.h has them; a pointer among them
        // is never followed here, so any bits will do.
        unsafe impl Plain for $name {}
    )*};
}
plain! {
    v4l2_capability v4l2_input v4l2_fmtdesc v4l2_frmsizeenum v4l2_frmivalenum v4l2_format v4l2_pix_format
    v4l2_streamparm v4l2_requestbuffers v4l2_buffer v4l2_queryctrl v4l2_querymenu v4l2_control
    i32
}

/// One of zeroes.
pub(super) fn zero<T: Plain>() -> T {
    // SAFETY: zeroes are a value of what is `Plain`.
    unsafe { zeroed() }
}

/// The ioctl `request`, which takes a `T`. Begun anew where a signal broke in.
///
/// # Safety
/// `argument` makes the kernel follow no pointer in it: no USERPTR, no planes, no payloads.
pub(super) unsafe fn ioctl<T: Plain>(
    handle: &Handle,
    request: vidioc::_IOC_TYPE,
    mut argument: T,
) -> io::Result<T> {
    // The number of a request holds the size of its argument.
    assert_eq!((request >> 16) as usize & 0x3fff, size_of::<T>());
    loop {
        // SAFETY: the kernel reads and writes `size_of::<T>()` bytes at the pointer, as the number says,
        // and any of them are a `T`; it keeps no copy of the pointer, and the caller saw to those within.
        let done = unsafe { v4l2::ioctl(handle.fd(), request, (&raw mut argument).cast()) };
        match done {
            Ok(()) => return Ok(argument),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// [`ioctl`] on a handle, with a structure that has no pointers, or whose kind says that they are none.
macro_rules! call {
    ($handle:expr, $request:expr, $argument:expr) => {
        // SAFETY: a capture buffer of one plane, mapped, or a structure without any pointer.
        unsafe { $crate::camera::sys::ioctl(&$handle, $request, $argument) }
    };
}
pub(super) use call;

/// Opens a node, without handing it on to programs that are started later: `v4l` opens without
/// O_CLOEXEC, and a child that lives on would keep the camera busy.
///
/// # Errors
/// What open(2) says.
pub(super) fn open(path: &Path) -> io::Result<Device> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(Errno::ENOENT.into());
    }
    let device = Device::with_path(path)?;
    fcntl(fd(&device), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(device)
}

/// The device's descriptor, to poll.
pub(super) fn fd(device: &Device) -> BorrowedFd<'_> {
    // SAFETY: the handle owns this open descriptor, and `device`, which is borrowed as long, owns the handle.
    unsafe { BorrowedFd::borrow_raw(device.handle().fd()) }
}

/// VIDIOC_QUERYCAP.
///
/// # Errors
/// ENOTTY: no V4L2 device. ENODEV: unplugged.
pub(super) fn capability(device: &Device) -> io::Result<v4l2_capability> {
    call!(device.handle(), vidioc::VIDIOC_QUERYCAP, zero())
}

/// VIDIOC_ENUMINPUT: the input of that index.
pub(super) fn input(device: &Device, index: u32) -> io::Result<v4l2_input> {
    let asked = v4l2_input { index, ..zero() };
    call!(device.handle(), vidioc::VIDIOC_ENUMINPUT, asked)
}

/// VIDIOC_G_INPUT, and what that is.
pub(super) fn current_input(device: &Device) -> io::Result<v4l2_input> {
    let index: i32 = call!(device.handle(), vidioc::VIDIOC_G_INPUT, 0)?;
    input(device, index.unsigned_abs())
}

/// VIDIOC_ENUM_FMT.
pub(super) fn format(device: &Device, index: u32) -> io::Result<v4l2_fmtdesc> {
    let asked = v4l2_fmtdesc {
        index,
        type_: CAPTURE,
        ..zero()
    };
    call!(device.handle(), vidioc::VIDIOC_ENUM_FMT, asked)
}

/// VIDIOC_ENUM_FRAMESIZES.
pub(super) fn frame_size(
    device: &Device,
    fourcc: [u8; 4],
    index: u32,
) -> io::Result<v4l2_frmsizeenum> {
    let asked = v4l2_frmsizeenum {
        index,
        pixel_format: u32::from_le_bytes(fourcc),
        ..zero()
    };
    call!(device.handle(), vidioc::VIDIOC_ENUM_FRAMESIZES, asked)
}

/// Both readings of such a line; its `type_` says which is meant.
pub(super) fn sizes_in(line: &v4l2_frmsizeenum) -> (v4l2_frmsize_discrete, v4l2_frmsize_stepwise) {
    let of = line.__bindgen_anon_1;
    // SAFETY: integers, of which any bits are some.
    unsafe { (of.discrete, of.stepwise) }
}

/// VIDIOC_ENUM_FRAMEINTERVALS.
pub(super) fn frame_interval(
    device: &Device,
    fourcc: [u8; 4],
    (width, height): (u32, u32),
    index: u32,
) -> io::Result<v4l2_frmivalenum> {
    let asked = v4l2_frmivalenum {
        index,
        pixel_format: u32::from_le_bytes(fourcc),
        width,
        height,
        ..zero()
    };
    call!(device.handle(), vidioc::VIDIOC_ENUM_FRAMEINTERVALS, asked)
}

/// Both readings of such a line; its `type_` says which is meant.
pub(super) fn intervals_in(line: &v4l2_frmivalenum) -> (v4l2_fract, v4l2_frmival_stepwise) {
    let of = line.__bindgen_anon_1;
    // SAFETY: integers, of which any bits are some.
    unsafe { (of.discrete, of.stepwise) }
}

/// VIDIOC_TRY_FMT: what VIDIOC_S_FMT would grant.
pub(super) fn try_format(
    device: &Device,
    fourcc: [u8; 4],
    size: (u32, u32),
) -> io::Result<v4l2_pix_format> {
    pix(device, vidioc::VIDIOC_TRY_FMT, fourcc, size)
}

/// VIDIOC_S_FMT: what the driver grants. Stride and size are for it to say.
///
/// # Errors
/// EBUSY: somebody else streams.
pub(super) fn set_format(
    device: &Device,
    fourcc: [u8; 4],
    size: (u32, u32),
) -> io::Result<v4l2_pix_format> {
    pix(device, vidioc::VIDIOC_S_FMT, fourcc, size)
}

fn pix(
    device: &Device,
    request: vidioc::_IOC_TYPE,
    fourcc: [u8; 4],
    (width, height): (u32, u32),
) -> io::Result<v4l2_pix_format> {
    let mut asked = v4l2_format {
        type_: CAPTURE,
        ..zero()
    };
    // SAFETY: integers, of which any bits are some.
    let mut wanted = unsafe { asked.fmt.pix };
    wanted.width = width;
    wanted.height = height;
    wanted.pixelformat = u32::from_le_bytes(fourcc);
    wanted.priv_ = PRIV_MAGIC;
    asked.fmt.pix = wanted;
    let granted = call!(device.handle(), request, asked)?;
    // SAFETY: as above.
    Ok(unsafe { granted.fmt.pix })
}

/// The colours of a granted format, for [`picture::encode::Colours::from_v4l2`]: colour space,
/// V4L2_YCBCR_ENC_* and quantization.
pub(super) fn colours(granted: &v4l2_pix_format) -> (u32, u32, u32) {
    // SAFETY: a union of two integers of the same size.
    let encoding = unsafe { granted.__bindgen_anon_1.ycbcr_enc };
    (granted.colorspace, encoding, granted.quantization)
}

/// VIDIOC_S_PARM: asks for an interval between frames, seconds as a fraction; gives what is granted.
pub(super) fn set_interval(device: &Device, interval: v4l2_fract) -> io::Result<v4l2_fract> {
    let mut asked = v4l2_streamparm {
        type_: CAPTURE,
        ..zero()
    };
    // SAFETY: integers, of which any bits are some.
    let mut capture = unsafe { asked.parm.capture };
    capture.timeperframe = interval;
    asked.parm.capture = capture;
    let granted = call!(device.handle(), vidioc::VIDIOC_S_PARM, asked)?;
    // SAFETY: as above.
    Ok(unsafe { granted.parm.capture.timeperframe })
}

/// VIDIOC_REQBUFS: how many buffers there are.
///
/// # Errors
/// EBUSY: somebody else has some.
pub(super) fn request_buffers(device: &Device, count: u32) -> io::Result<u32> {
    let asked = v4l2_requestbuffers {
        count,
        type_: CAPTURE,
        memory: MMAP,
        ..zero()
    };
    Ok(call!(device.handle(), vidioc::VIDIOC_REQBUFS, asked)?.count)
}

fn buffer(index: u32) -> v4l2_buffer {
    v4l2_buffer {
        index,
        type_: CAPTURE,
        memory: MMAP,
        ..zero()
    }
}

/// VIDIOC_QBUF.
///
/// # Errors
/// ENODEV: unplugged. EIO: the driver gave up.
pub(super) fn queue(device: &Device, index: u32) -> io::Result<()> {
    call!(device.handle(), vidioc::VIDIOC_QBUF, buffer(index)).map(|_| ())
}

/// VIDIOC_DQBUF, which does not wait.
///
/// # Errors
/// EAGAIN: no frame is there. ENODEV: unplugged. EIO: the driver gave up.
pub(super) fn dequeue(device: &Device) -> io::Result<v4l2_buffer> {
    call!(device.handle(), vidioc::VIDIOC_DQBUF, buffer(0))
}

/// VIDIOC_STREAMON.
///
/// # Errors
/// ENOSPC: no USB bandwidth. EPIPE: a pipeline that nobody set up. Others as the driver likes.
pub(super) fn start(device: &Device) -> io::Result<()> {
    call!(device.handle(), vidioc::VIDIOC_STREAMON, CAPTURE as i32).map(|_| ())
}

/// A buffer of the driver in this process's memory.
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory is the process's, and only this owner reads it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// VIDIOC_QUERYBUF and mmap(2).
    pub(super) fn new(device: &Device, index: u32) -> io::Result<Mapping> {
        let buffer = call!(device.handle(), vidioc::VIDIOC_QUERYBUF, buffer(index))?;
        let len = buffer.length as usize;
        // SAFETY: a mapped buffer has the offset; and any bits are one.
        let offset = unsafe { buffer.m.offset };
        // SAFETY: a new mapping, at a place of the kernel's choice.
        let start = unsafe {
            v4l2::mmap(
                ptr::null_mut(),
                len,
                nix::libc::PROT_READ | nix::libc::PROT_WRITE,
                nix::libc::MAP_SHARED,
                device.handle().fd(),
                offset.into(),
            )?
        };
        let start = NonNull::new(start.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Mapping { start, len })
    }

    /// The first `used` bytes, or all if that is more. To be read only while the buffer is not queued: then
    /// the driver leaves it alone.
    pub(super) fn bytes(&self, used: usize) -> &[u8] {
        // SAFETY: mapped, readable, and unmapped only with `self`; a camera's buffer stays mapped and
        // backed by memory even when the device goes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), used.min(self.len)) }
    }

    /// Bytes of the buffer.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped, and nobody borrows it any more. Cannot fail then.
        let _ = unsafe { v4l2::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

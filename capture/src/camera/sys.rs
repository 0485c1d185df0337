//! The calls on a device that `v4l` has not, or makes in a way that panics.
//!
//! Not here: what the answers mean (`probe`), and streaming (`stream`).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use v4l::Device;
use v4l::v4l_sys::{v4l2_capability, v4l2_input};
use v4l::v4l2::{self, vidioc};

/// Opens a node, without handing it on to programs that are started later: `v4l` opens without
/// O_CLOEXEC, and a child that lives on would keep the camera busy.
///
/// # Errors
/// What open(2) says.
pub(super) fn open(path: &Path) -> io::Result<Device> {
    let device = Device::with_path(path)?;
    let handle = device.handle();
    // SAFETY: `handle` owns this open descriptor and outlives the borrow, which ends in the call.
    let fd = unsafe { BorrowedFd::borrow_raw(handle.fd()) };
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(device)
}

/// VIDIOC_QUERYCAP as the kernel fills it: `Device::query_caps` panics on a name that is no
/// UTF-8, such as one that was cut after 31 bytes in the middle of a character.
///
/// # Errors
/// ENOTTY: no V4L2 device. ENODEV: unplugged.
pub(super) fn capability(device: &Device) -> io::Result<v4l2_capability> {
    let mut answer = MaybeUninit::<v4l2_capability>::zeroed();
    // SAFETY: QUERYCAP writes one `v4l2_capability` to the pointer, which is valid for it, and
    // keeps no copy of the pointer.
    unsafe {
        v4l2::ioctl(
            device.handle().fd(),
            vidioc::VIDIOC_QUERYCAP,
            answer.as_mut_ptr().cast(),
        )?;
    }
    // SAFETY: plain integers and bytes, for which zeroes are a value, whatever the kernel wrote.
    Ok(unsafe { answer.assume_init() })
}

/// Whether the device has an input at all (VIDIOC_ENUMINPUT), as every camera has.
pub(super) fn has_input(device: &Device) -> bool {
    // Zeroed, `index` asks for the first.
    let mut first = MaybeUninit::<v4l2_input>::zeroed();
    // SAFETY: ENUMINPUT reads and writes one `v4l2_input` at the pointer, which is valid for it
    // and zeroed, and keeps no copy of the pointer.
    unsafe {
        v4l2::ioctl(
            device.handle().fd(),
            vidioc::VIDIOC_ENUMINPUT,
            first.as_mut_ptr().cast(),
        )
    }
    .is_ok()
}

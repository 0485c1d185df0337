//! Digital video timings and events, which `v4l` lacks: their structures and numbers, after linux/videodev2.h.
//!
//! Not here: when to call them.

use std::io;

use v4l::Device;
use v4l::v4l2::vidioc;

use super::super::sys::{Plain, call, zero};

/// `_IOR('V', nr, T)`, `_IOW` and `_IOWR` of asm-generic/ioctl.h.
const fn number<T>(direction: u64, nr: u64) -> vidioc::_IOC_TYPE {
    (direction << 30) | ((size_of::<T>() as u64) << 16) | ((b'V' as u64) << 8) | nr
}
const WRITE: u64 = 1;
const READ: u64 = 2;

/// `struct v4l2_dv_timings` with its `v4l2_bt_timings`, of linux/videodev2.h.
#[repr(C, packed)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct DvTimings {
    pub kind: u32,
    pub width: u32,
    pub height: u32,
    pub interlaced: u32,
    pub polarities: u32,
    /// Hertz.
    pub pixelclock: u64,
    /// Horizontal front porch, sync and back porch, pixels.
    pub horizontal: [u32; 3],
    /// The same of the (first) field, lines.
    pub vertical: [u32; 3],
    /// Of the second field.
    pub second: [u32; 3],
    rest: [u8; 68],
}

#[cfg(test)]
impl DvTimings {
    /// Progressive timings.
    pub(super) fn of(
        (width, height): (u32, u32),
        pixelclock: u64,
        horizontal: [u32; 3],
        vertical: [u32; 3],
    ) -> DvTimings {
        DvTimings {
            width,
            height,
            pixelclock,
            horizontal,
            vertical,
            ..zero()
        }
    }
}

/// `struct v4l2_event_subscription`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Subscription {
    kind: u32,
    id: u32,
    flags: u32,
    reserved: [u32; 5],
}

/// `struct v4l2_event` on 64-bit Linux.
#[repr(C)]
#[derive(Clone, Copy)]
struct Event {
    kind: u32,
    /// A union, which is aligned to 8 bytes.
    data: [u64; 8],
    pending: u32,
    sequence: u32,
    timestamp: [u64; 2],
    id: u32,
    reserved: [u32; 8],
}

const _: () = {
    assert!(size_of::<DvTimings>() == 132);
    assert!(size_of::<Subscription>() == 32);
    assert!(size_of::<Event>() == 136);
};

/// V4L2_EVENT_SOURCE_CHANGE.
const SOURCE_CHANGE: u32 = 5;

// SAFETY: integers, as linux/videodev2.h has them.
unsafe impl Plain for DvTimings {}
// SAFETY: the same.
unsafe impl Plain for Subscription {}
// SAFETY: the same; the union is one of integers.
unsafe impl Plain for Event {}

/// VIDIOC_QUERY_DV_TIMINGS: what comes in.
///
/// # Errors
/// ENOLINK: nothing. ENOLCK: nothing steady. ERANGE: what the device cannot take. ENODATA, ENOTTY: no
/// such input.
pub(super) fn query_timings(device: &Device) -> io::Result<DvTimings> {
    call!(device.handle(), number::<DvTimings>(READ, 99), zero())
}

/// VIDIOC_G_DV_TIMINGS: what is expected.
pub(super) fn timings(device: &Device) -> io::Result<DvTimings> {
    call!(
        device.handle(),
        number::<DvTimings>(READ | WRITE, 88),
        zero()
    )
}

/// VIDIOC_S_DV_TIMINGS.
///
/// # Errors
/// EBUSY: somebody streams.
pub(super) fn set_timings(device: &Device, timings: DvTimings) -> io::Result<()> {
    call!(
        device.handle(),
        number::<DvTimings>(READ | WRITE, 87),
        timings
    )
    .map(|_| ())
}

/// VIDIOC_SUBSCRIBE_EVENT to V4L2_EVENT_SOURCE_CHANGE of that input. Then a change is POLLPRI.
///
/// # Errors
/// ENOTTY, EINVAL: the device tells of none.
pub(super) fn subscribe_to_changes(device: &Device, input: u32) -> io::Result<()> {
    let asked = Subscription {
        kind: SOURCE_CHANGE,
        id: input,
        ..zero()
    };
    call!(device.handle(), number::<Subscription>(WRITE, 90), asked).map(|_| ())
}

/// VIDIOC_DQEVENT: whether the next event is a change of the source.
///
/// # Errors
/// ENOENT: there is none.
pub(super) fn next_change(device: &Device) -> io::Result<bool> {
    let event: Event = call!(device.handle(), number::<Event>(READ, 89), zero())?;
    Ok(event.kind == SOURCE_CHANGE)
}

//! The calls on a device's controls (linux/videodev2.h).
//!
//! Not here: what the answers mean.

use std::io;

use v4l::device::Handle;
use v4l::v4l_sys::{V4L2_CTRL_FLAG_NEXT_CTRL, v4l2_control, v4l2_queryctrl, v4l2_querymenu};
use v4l::v4l2::vidioc;

use super::super::sys::{call, zero};

/// VIDIOC_QUERYCTRL: the first control whose id is above `last`.
///
/// # Errors
/// EINVAL: there is none. ENOTTY: the device has no controls. ENODEV: unplugged.
pub(super) fn next_control(handle: &Handle, last: u32) -> io::Result<v4l2_queryctrl> {
    let asked = v4l2_queryctrl {
        id: last | V4L2_CTRL_FLAG_NEXT_CTRL,
        ..zero()
    };
    call!(handle, vidioc::VIDIOC_QUERYCTRL, asked)
}

/// An entry of a menu.
pub(super) struct Entry(v4l2_querymenu);

impl Entry {
    /// Of V4L2_CTRL_TYPE_MENU: its name, a C string.
    pub(super) fn as_name(&self) -> [u8; 32] {
        // SAFETY: all 32 bytes are there, zeroed or as the kernel wrote them, and any bytes are bytes.
        unsafe { self.0.__bindgen_anon_1.name }
    }

    /// Of V4L2_CTRL_TYPE_INTEGER_MENU: its value.
    pub(super) fn as_number(&self) -> i64 {
        // SAFETY: its 8 bytes are there, zeroed or as the kernel wrote them, and any are a number.
        unsafe { self.0.__bindgen_anon_1.value }
    }
}

/// VIDIOC_QUERYMENU: entry `index` of menu `id`.
///
/// # Errors
/// EINVAL: there is no such entry.
pub(super) fn menu_entry(handle: &Handle, id: u32, index: u32) -> io::Result<Entry> {
    let asked = v4l2_querymenu {
        id,
        index,
        ..zero()
    };
    call!(handle, vidioc::VIDIOC_QUERYMENU, asked).map(Entry)
}

/// VIDIOC_G_CTRL: the value of control `id`.
///
/// # Errors
/// EACCES: it can only be written. EIO and others: the device did not say.
pub(super) fn get(handle: &Handle, id: u32) -> io::Result<i32> {
    let asked = v4l2_control { id, value: 0 };
    Ok(call!(handle, vidioc::VIDIOC_G_CTRL, asked)?.value)
}

/// VIDIOC_S_CTRL: sets control `id`.
///
/// # Errors
/// ERANGE: out of range. EBUSY: grabbed. EACCES: read-only. Others: the device refused.
pub(super) fn set(handle: &Handle, id: u32, value: i32) -> io::Result<()> {
    let asked = v4l2_control { id, value };
    call!(handle, vidioc::VIDIOC_S_CTRL, asked).map(|_| ())
}

//! A stream of mapped buffers.
//!
//! Not that of `v4l`, which queues a buffer only when the next frame is asked for, gives no frame after
//! a wait that a signal ended, loses the first one, and panics where it cannot stop. Here whoever
//! has copied a frame gives its buffer back at once, and a buffer that the driver did not take back
//! is offered again.
//!
//! Not here: what the frames hold, and whether the device is silent for too long (`camera`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use v4l::Device;
use v4l::buffer::Flags;
use v4l::timestamp::Timestamp;

use super::sys::{self, Mapping};
use crate::encoder::EncoderThread;

/// One being filled, one next in line, one lent, one for jitter.
const BUFFERS: u32 = 4;

/// A started stream. Dropping it stops it: closing the device does, and cannot fail.
pub(super) struct Stream {
    buffers: Vec<Mapping>,
    /// Buffers that the driver does not have.
    ours: Vec<u32>,
    /// Last, so that it closes after all is unmapped.
    device: Device,
}

/// What the driver says of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta {
    pub flags: Flags,
    pub stamp: Timestamp,
    pub sequence: u32,
    /// Bytes of the frame, as the driver says.
    pub used: usize,
    /// Bytes of the buffer, of which a frame cannot have more.
    pub room: usize,
    index: u32,
}

#[cfg(test)]
impl Meta {
    pub(super) fn new(flags: Flags, used: usize, room: usize) -> Meta {
        Meta {
            flags,
            stamp: Timestamp::new(0, 0),
            sequence: 0,
            used,
            room,
            index: 0,
        }
    }
}

/// What a wait ended with; nothing of it when the time was over.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ready {
    /// The device has a frame, or an error.
    pub device: bool,
    /// The device has an event.
    pub event: bool,
    /// The encoder has a frame.
    pub encoded: bool,
}

impl Stream {
    /// Maps the buffers, hands them to the driver and starts it.
    ///
    /// # Errors
    /// EBUSY: somebody else streams. ENOSPC: no USB bandwidth. Others as the driver likes.
    pub(super) fn start(device: Device) -> io::Result<Stream> {
        let count = sys::request_buffers(&device, BUFFERS)?;
        let buffers = (0..count)
            .map(|index| Mapping::new(&device, index))
            .collect::<io::Result<_>>()?;
        for index in 0..count {
            sys::queue(&device, index)?;
        }
        sys::start(&device)?;
        Ok(Stream {
            buffers,
            ours: Vec::new(),
            device,
        })
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// The next frame, if there is one. Whoever has it gives it back with [`release`](Self::release).
    ///
    /// # Errors
    /// ENODEV: unplugged. EIO: the driver gave up. None is worth a retry on this stream.
    pub(super) fn dequeue(&mut self) -> io::Result<Option<Meta>> {
        match sys::dequeue(&self.device) {
            Ok(buffer) if (buffer.index as usize) < self.buffers.len() => {
                self.ours.push(buffer.index);
                Ok(Some(Meta {
                    flags: buffer.flags.into(),
                    stamp: buffer.timestamp.into(),
                    sequence: buffer.sequence,
                    used: buffer.bytesused as usize,
                    room: self.buffers[buffer.index as usize].len(),
                    index: buffer.index,
                }))
            }
            Ok(_) => Err(Errno::EIO.into()),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// A frame's bytes, until it is released.
    pub(super) fn bytes(&self, meta: &Meta) -> &[u8] {
        debug_assert!(self.ours.contains(&meta.index));
        self.buffers[meta.index as usize].bytes(meta.used)
    }

    /// Gives all buffers back to the driver. One that it does not take is offered again the next time.
    ///
    /// # Errors
    /// ENODEV and EIO, which are for good; any when the driver has no buffer left.
    pub(super) fn release(&mut self) -> io::Result<()> {
        let mut refused = None;
        let device = &self.device;
        self.ours.retain(|&index| match sys::queue(device, index) {
            Ok(()) => false,
            Err(e) => {
                refused = Some(e);
                true
            }
        });
        match refused {
            Some(e) if self.ours.len() == self.buffers.len() || is_final(&e) => Err(e),
            _ => Ok(()),
        }
    }
}

/// Waits at most `timeout` for the device and the encoder, those that there are, less if a signal comes.
///
/// # Errors
/// Those of poll(2).
pub(super) fn wait(
    device: Option<BorrowedFd<'_>>,
    encoder: Option<&EncoderThread>,
    timeout: Duration,
) -> io::Result<Ready> {
    let mut watched: Vec<PollFd<'_>> = Vec::with_capacity(2);
    watched.extend(device.map(|fd| PollFd::new(fd, PollFlags::POLLIN | PollFlags::POLLPRI)));
    watched.extend(encoder.map(|encoder| PollFd::new(encoder.as_fd(), PollFlags::POLLIN)));
    // Rounded up: a wait of a fraction must not spin.
    let millis = u32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX);
    let timeout = PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX);
    match poll(&mut watched, timeout) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(Ready::default()),
        Err(e) => return Err(e.into()),
    }
    let mut seen = watched
        .iter()
        .map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
    let mut next = |there: bool| {
        there
            .then(|| seen.next())
            .flatten()
            .unwrap_or(PollFlags::empty())
    };
    let device = next(device.is_some());
    let encoder = next(encoder.is_some());
    Ok(Ready {
        // An error of the device shows when a frame is asked for.
        device: device.intersects(!PollFlags::POLLPRI),
        event: device.contains(PollFlags::POLLPRI),
        encoded: !encoder.is_empty(),
    })
}

fn is_final(error: &io::Error) -> bool {
    let final_ones = [Errno::ENODEV, Errno::EIO].map(|e| Some(e as i32));
    final_ones.contains(&error.raw_os_error())
}

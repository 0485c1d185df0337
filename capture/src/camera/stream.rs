//! `v4l`'s stream of mapped buffers, cured.
//!
//! - `next()` of `v4l` queues the buffer lent last, then waits; when the wait ends without a frame
//!   it queues the same buffer again, and every later call is EINVAL. So here the wait comes
//!   first, and `next()` is called when a frame is there. Where it comes back without one all the
//!   same (a signal), `dequeue()` must take the next frame, which gives no access to its bytes: it
//!   is lost, and shows as a gap in the driver's count.
//! - It lends whole buffers: cut to `bytesused` here.
//! - Its drop panics where STREAMOFF or REQBUFS fails, unless with ENODEV. A healthy device fails
//!   them in one case, a signal on the way in (EINTR), so signals wait while it drops. Should
//!   another error ever come, the panic ends the capture process and says so; the kernel then
//!   frees what `v4l` could not, and the supervisor starts a successor.
//!
//! Not here: what the frames hold, and whether the device is silent for too long (`camera`).

use std::io;
use std::time::Duration;

use nix::poll::PollFlags;
use nix::sys::signal::{SigSet, SigmaskHow};
use v4l::Device;
use v4l::buffer::{Metadata, Type};
use v4l::io::mmap;
use v4l::io::traits::CaptureStream;

/// One being filled, one next in line, one lent, one for jitter.
const BUFFERS: u32 = 4;

/// A started stream. Any error means: drop it, and the device with it.
pub(super) struct Stream {
    inner: mmap::Stream<'static>,
    /// Whether `inner` has lent a buffer, which its `next()` will queue.
    lent: bool,
    /// Last, so that it drops after `inner`.
    signals: Signals,
}

impl Stream {
    /// Maps the buffers, hands them to the driver and starts it.
    ///
    /// # Errors
    /// EBUSY: somebody else streams. ENOSPC: no USB bandwidth. Others as the driver likes.
    pub(super) fn start(device: &Device) -> io::Result<Stream> {
        let mut stream = Stream {
            inner: mmap::Stream::with_buffers(device, Type::VideoCapture, BUFFERS)?,
            lent: false,
            signals: Signals(None),
        };
        // Never waits by itself: see `next`.
        stream.inner.set_timeout(Duration::ZERO);
        // The first call of `next()` queues all and starts the driver. The first frame is given up
        // for it; it is seldom a good one (half exposed; in a v4l2loopback, an old one).
        match CaptureStream::next(&mut stream.inner) {
            Err(e) if !is_nothing(&e) => Err(e),
            started => {
                stream.lent = started.is_ok();
                Ok(stream)
            }
        }
    }

    /// Waits at most `timeout` for a frame, less if a signal comes. Lends it until the next call.
    ///
    /// # Errors
    /// ENODEV: unplugged. EIO: the driver gave up. None is worth a retry on this stream.
    pub(super) fn next(&mut self, timeout: Duration) -> io::Result<Option<(&[u8], Metadata)>> {
        // Rounded up: a wait of a fraction must not spin.
        let millis = i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
        match self.inner.handle().poll(PollFlags::POLLIN.bits(), millis) {
            Ok(0) => return Ok(None),
            // Errors of the device make it ready, too: the calls below say which.
            Ok(_) => {}
            Err(e) if is_nothing(&e) => return Ok(None),
            Err(e) => return Err(e),
        }
        if !self.lent {
            return match CaptureStream::dequeue(&mut self.inner) {
                Ok(_) => {
                    self.lent = true;
                    Ok(None)
                }
                Err(e) if is_nothing(&e) => Ok(None),
                Err(e) => Err(e),
            };
        }
        match CaptureStream::next(&mut self.inner) {
            Ok((buffer, meta)) => {
                let used = buffer.len().min(meta.bytesused as usize);
                Ok(Some((&buffer[..used], *meta)))
            }
            Err(e) if is_nothing(&e) => {
                self.lent = false;
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let all = SigSet::all();
        self.signals.0 = all.thread_swap_mask(SigmaskHow::SIG_SETMASK).ok();
    }
}

/// The mask to go back to once the stream has dropped.
struct Signals(Option<SigSet>);

impl Drop for Signals {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            // Cannot fail: the mask came from the kernel.
            let _ = before.thread_set_mask();
        }
    }
}

/// Errors that mean no frame is there, not that anything is wrong.
fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

//! What a source of pictures is: the trait, what it yields, how it fails.
//!
//! Not here: any particular source, pacing, the check of JPEG bytes and their decoding where the
//! ring is to hold raw frames (the loop does both for every source alike), and anything about the
//! ring.

use std::time::Duration;

use worker::control::Control;
use worker::{DropCause, Fault};

/// What a source was granted by its device or file, which may differ from what was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    /// `test`, `file`, `directory`, `stdin`, `http`, `amqp`, `replay` or `camera`.
    pub kind: &'static str,
    /// A path, a card's name and bus: whatever tells this source from another.
    pub detail: String,
    /// Pixels; 0 while not known (a pipe before its first frame).
    pub width: u32,
    /// Pixels; 0 while not known.
    pub height: u32,
    /// What the source delivers, by its fourcc: `MJPG`; `BGR3` and the like where raw frames are wanted or
    /// encoded here.
    pub format: String,
    /// Frames a second as set; 0 where the source alone decides (a pipe).
    pub fps: f64,
}

/// A frame's bytes.
#[derive(Debug, Clone, Copy)]
pub enum Image<'a> {
    /// A JPEG as it came, not yet checked.
    Jpeg(&'a [u8]),
    /// Packed BGR, `picture::bgr_len(width, height)` bytes. Only where
    /// [`Form::Bgr24`](crate::Form::Bgr24) was asked for.
    Bgr {
        /// Row by row, 3 bytes a pixel.
        pixels: &'a [u8],
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
}

/// One frame, lent by its source until the next call.
#[derive(Debug)]
pub struct Grab<'a> {
    /// Its bytes.
    pub image: Image<'a>,
    /// Unix time of capture, nanoseconds.
    pub captured_ns: u64,
    /// The source's own count of the frame (a driver's sequence number), or 0.
    pub sequence: u64,
    /// Brokers that the frame has passed.
    pub relays: u8,
}

/// What one wait on a source came to.
#[derive(Debug)]
pub enum Event<'a> {
    /// A frame.
    Frame(Grab<'a>),
    /// So many frames were lost before they could be lent, and why.
    Dropped(DropCause, u64),
    /// The source is there and says that it has no picture, and why; it stays open.
    NoSignal(String),
    /// The timeout passed with nothing to report. Not an error.
    Idle,
}

/// Why a source stopped yielding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It may come back (unplugged, busy, silent): drop it, open it anew in a second. What is wrong, in a
    /// word for viewers and in a sentence.
    #[error("{1}")]
    NoSignal(Fault, String),
    /// It delivers something else from now on (an HDMI source in another size): open it anew at once.
    #[error("{0}")]
    Changed(String),
    /// It is over for good (end of a pipe).
    #[error("{0}")]
    Ended(String),
}

impl SourceError {
    /// [`SourceError::NoSignal`] of what is no device.
    pub(crate) fn no_signal(why: impl Into<String>) -> SourceError {
        SourceError::NoSignal(Fault::NoSignal, why.into())
    }
}

/// A source of pictures. Opening one is its constructor's affair; dropping it closes it.
pub trait Source {
    /// What was granted. May change until the first frame (a pipe's size), never after it.
    fn granted(&self) -> &Granted;

    /// Waits at most `timeout` for the next frame, pacing it where the source has no clock of
    /// its own. `next_id` is the id that the ring will give the frame.
    ///
    /// # Errors
    /// [`SourceError`]; after it the source is dropped.
    fn next(&mut self, next_id: u64, timeout: Duration) -> Result<Event<'_>, SourceError>;

    /// Frames that were taken from the device and will not be yielded any more, because the source is
    /// dropped now; by cause.
    fn unfinished(&mut self) -> Vec<(DropCause, u64)> {
        Vec::new()
    }

    /// What of it can be set while it is open; none: nothing.
    fn controls(&mut self) -> Option<&mut dyn Controls> {
        None
    }
}

/// What can be set of an open source.
pub trait Controls {
    /// All of them as they are now: what one is set to may change others.
    fn list(&mut self) -> Vec<Control>;

    /// Sets one that was in the last list to a value that it takes.
    ///
    /// # Errors
    /// A sentence.
    fn set(&mut self, name: &str, value: i64) -> Result<(), String>;
}

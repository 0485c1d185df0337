//! What a ring says of its picture: whether frames come, and why not.
//!
//! Not here: who decides that (a writer, or the creator while there is none).

use crate::clock::unix_ns;
use crate::layout::{Header, Reason};

/// What a ring's header says of its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// No frame yet.
    Starting,
    /// Frames are coming.
    Live,
    /// None are; the reason says why. They may come back.
    NoSignal,
    /// None will come any more.
    Ended,
    /// None are, because nobody watches; they come when somebody does.
    Resting,
}

impl Signal {
    /// As it is called in a status: `starting`, `live`, `no-signal`, `ended`, `resting`.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Starting => "starting",
            Signal::Live => "live",
            Signal::NoSignal => "no-signal",
            Signal::Ended => "ended",
            Signal::Resting => "resting",
        }
    }

    pub(crate) fn tag(self) -> u8 {
        match self {
            Signal::Starting => 0,
            Signal::Live => 1,
            Signal::NoSignal => 2,
            Signal::Ended => 3,
            Signal::Resting => 4,
        }
    }

    pub(crate) fn from_tag(tag: u8) -> Self {
        match tag {
            1 => Signal::Live,
            2 => Signal::NoSignal,
            3 => Signal::Ended,
            4 => Signal::Resting,
            _ => Signal::Starting,
        }
    }
}

/// A [`Signal`], why, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalState {
    /// The signal.
    pub signal: Signal,
    /// A sentence for a person; may be empty. It may have a title before it, in capitals and up to
    /// `: `, such as `NO CAMERA`.
    pub reason: String,
    /// Unix time since when it is that signal with that title, nanoseconds; 0 where there was none yet.
    pub since_ns: u64,
}

/// A reason's title. Other sentences have a colon, too: they do not begin with a word in capitals.
fn title(reason: &str) -> Option<&str> {
    let (title, _) = reason.split_once(": ")?;
    let word = title.split(' ').next()?;
    (!word.is_empty() && word.bytes().all(|c| c.is_ascii_uppercase())).then_some(title)
}

impl Header {
    /// Replaces the signal, where it is a change; whether it was. The caller wakes the readers.
    pub(crate) fn set_signal(&self, signal: Signal, reason: &str) -> bool {
        let now = self.signal();
        let reason = Reason::fitted(reason);
        if (now.signal, &now.reason) == (signal, &reason) && now.since_ns != 0 {
            return false;
        }
        let goes_on = now.signal == signal && title(&now.reason) == title(&reason);
        let since_ns = match now.since_ns {
            since_ns if goes_on && since_ns != 0 => since_ns,
            _ => unix_ns(),
        };
        self.signal.0.replace(signal.tag(), since_ns, &reason);
        self.indices.announce();
        true
    }

    pub(crate) fn signal(&self) -> SignalState {
        let (tag, since_ns, reason) = self.signal.0.read().unwrap_or_default();
        SignalState {
            signal: Signal::from_tag(tag),
            reason,
            since_ns,
        }
    }
}

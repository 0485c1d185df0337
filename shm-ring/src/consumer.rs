//! Follows a ring by its name, in order: waits, counts what it missed, and finds the ring again
//! when it was made anew.
//!
//! Not for whoever wants the newest frame whatever lies before it (that is [`Offset::Last`] of
//! [`Reader::locate`], each time), or wants a frame without a copy ([`Reader::frame`]).

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::{Clamped, Error, FrameInfo, Gone, Offset, Reader};

/// A silent ring is looked after so often: whether it is still the one of its name.
const LOOK: Duration = Duration::from_millis(200);

/// Frames in a row that may be found overwritten before the ring is looked after like a silent
/// one. One is usual for whoever fell behind; a ring that anybody wrote may hold none at all, and
/// say otherwise.
const TRIES: u32 = 16;

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A frame; its bytes are in the caller's vector.
    Frame {
        /// What the ring knows of it.
        info: FrameInfo,
        /// Frames between the last one and this that were overwritten before they were read.
        missed: u64,
    },
    /// The ring was made anew, perhaps of another size; ids may begin anew. Its first frame is
    /// the next.
    Recreated,
    /// Nothing within the timeout.
    Quiet,
}

/// A place in a ring, which moves on frame by frame.
#[derive(Debug)]
pub struct Consumer {
    name: String,
    reader: Reader,
    next: u64,
    /// Frames below `next` that were missed and not yet reported.
    missed: u64,
}

impl Consumer {
    /// Opens the ring `/dev/shm/NAME` at an offset.
    ///
    /// # Errors
    /// As [`Reader::attach`].
    pub fn open(name: &str, offset: Offset) -> Result<Consumer, Error> {
        let reader = Reader::attach(name)?;
        let start = reader.locate(offset);
        // What was asked for by its id and is overwritten was missed.
        let next = match (offset, start.clamped) {
            (Offset::Id(id), Some(Clamped::Overwritten)) => id.max(1),
            _ => start.id,
        };
        Ok(Consumer {
            name: name.into(),
            reader,
            next,
            missed: 0,
        })
    }

    /// The ring as it is now.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Waits at most `timeout` for the next frame and copies it into `bytes`, in place of what
    /// was there.
    ///
    /// While the ring is gone (its creator has stopped) nothing comes, and it is looked for.
    ///
    /// # Errors
    /// Those of [`Reader::attach`], where something else stands under the name by now: no ring,
    /// one that is not finished and one that may not be read yet are waited for.
    /// [`Error::Truncated`] until a ring stands there anew.
    pub fn next(&mut self, bytes: &mut Vec<u8>, timeout: Duration) -> Result<Event, Error> {
        let deadline = Instant::now().checked_add(timeout); // None: none, within a clock's reach
        let rest = || deadline.map_or(LOOK, |at| at.saturating_duration_since(Instant::now()));
        let mut tries = 0_u32;
        loop {
            let ticket = self.reader.ticket();
            let id = self.next;
            match self.reader.read(id, bytes) {
                Ok(info) => {
                    self.next = id.saturating_add(1);
                    let missed = std::mem::take(&mut self.missed);
                    return Ok(Event::Frame { info, missed });
                }
                Err(Gone::Overwritten) => {
                    // At least one further, also where a descriptor is no frame at all.
                    self.next = self.reader.bounds().oldest.max(id.saturating_add(1));
                    self.missed += self.next - id;
                    tries = tries.saturating_add(1);
                    if tries <= TRIES {
                        continue;
                    }
                }
                Err(Gone::NotYet) => {}
            }
            if !self.reader.is_lost() {
                self.reader.wait(ticket, rest().min(LOOK));
                if self.reader.ticket() != ticket && !rest().is_zero() {
                    continue;
                }
            }
            if self.reader.is_removed()?
                && let Some(reader) = found_anew(&self.name)?
            {
                self.next = reader.bounds().oldest;
                self.missed = 0;
                self.reader = reader;
                return Ok(Event::Recreated);
            }
            self.reader.check_len()?;
            if rest().is_zero() {
                return Ok(Event::Quiet);
            }
        }
    }
}

/// The ring that stands under the name now. `None`: none, or it is not finished; a group's readers
/// are let in last ([`Ring::allow_group`](crate::Ring::allow_group)).
fn found_anew(name: &str) -> Result<Option<Reader>, Error> {
    match Reader::attach(name) {
        Ok(reader) => Ok(Some(reader)),
        Err(Error::NotFound { .. } | Error::NotARing { .. }) => Ok(None),
        Err(Error::Os { source, .. }) if source.kind() == ErrorKind::PermissionDenied => Ok(None),
        Err(e) => Err(e),
    }
}

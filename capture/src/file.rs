//! What all sources on disk have in common: they have no clock, so they are paced, and they are
//! looped.
//!
//! Not here: how the next picture is found ([`crate::mjpeg`], [`crate::stills`]).

use std::path::Path;
use std::time::Duration;

use worker::unix_ns;

use crate::pace::Pacer;
use crate::source::{Event, Grab, Granted, Image, Source, SourceError};

/// Finds one picture after the other, without end.
pub(crate) trait Fetch {
    /// Finds the next picture, or says what was lost instead.
    ///
    /// # Errors
    /// [`SourceError::NoSignal`] where there is none any more.
    fn fetch(&mut self) -> Result<Option<Event<'static>>, SourceError>;

    /// The picture that was found last.
    fn picture(&self) -> &[u8];
}

/// A file or directory, shown at a pace.
pub(crate) struct FileSource<F> {
    granted: Granted,
    pictures: F,
    pacer: Pacer,
    /// A picture was fetched ahead and waits for its beat.
    waiting: bool,
    sequence: u64,
}

impl<F: Fetch> FileSource<F> {
    /// Shows `pictures` `fps` times a second. `kind` and `path` are for people.
    pub(crate) fn new(pictures: F, kind: &'static str, path: &Path, fps: u32) -> FileSource<F> {
        FileSource {
            granted: Granted {
                kind,
                detail: path.display().to_string(),
                width: 0,
                height: 0,
                format: "MJPG".to_owned(),
                fps: fps.into(),
            },
            pictures,
            pacer: Pacer::new(fps),
            waiting: false,
            sequence: 0,
        }
    }
}

impl<F: Fetch> Source for FileSource<F> {
    fn granted(&self) -> &Granted {
        &self.granted
    }

    fn next(&mut self, _next_id: u64, timeout: Duration) -> Result<Event<'_>, SourceError> {
        if !self.waiting {
            if let Some(event) = self.pictures.fetch()? {
                return Ok(event);
            }
            self.waiting = true;
        }
        if let Some(event) = self.pacer.wait(timeout) {
            return Ok(event);
        }
        self.waiting = false;
        self.sequence += 1;
        Ok(Event::Frame(Grab {
            image: Image::Jpeg(self.pictures.picture()),
            captured_ns: unix_ns(),
            sequence: self.sequence,
            relays: 0,
        }))
    }
}

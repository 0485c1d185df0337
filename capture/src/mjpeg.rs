//! A file of JPEGs one behind the other (`.mjpeg`, `.mjpg`).
//!
//! It is read piece by piece, so it may be of any size. Not here: the same bytes on a pipe, which
//! has a clock and an end ([`crate::stdin`]); where a frame begins and ends (`picture::split`);
//! the pace.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use picture::jpeg;
use picture::split::{Split, Splitter};
use worker::DropCause;

use crate::config::MAX_FRAME;
use crate::error::Error;
use crate::file::Fetch;
use crate::source::{Event, SourceError};

/// Bytes a read: a frame or so.
pub(crate) const PIECE: usize = 128 << 10;

/// The file and the place in it.
pub(crate) struct Mjpeg {
    path: PathBuf,
    file: File,
    splitter: Splitter,
    /// Frames found in this round.
    found: u64,
}

impl Mjpeg {
    /// Opens `path`.
    pub(crate) fn open(path: &Path) -> Result<Mjpeg, SourceError> {
        let file = File::open(path).map_err(|e| no_signal(path, &e))?;
        Ok(Mjpeg {
            path: path.to_owned(),
            file,
            splitter: Splitter::new(MAX_FRAME),
            found: 0,
        })
    }
}

impl Fetch for Mjpeg {
    fn fetch(&mut self) -> Result<Option<Event<'static>>, SourceError> {
        loop {
            match self.splitter.next_frame() {
                Some(Split::Frame { .. }) => {
                    self.found += 1;
                    return Ok(None);
                }
                // Garbage may go on for gigabytes: the loop is to show life in between.
                Some(other) => {
                    let event = lost(other).map_or(Event::Idle, |cause| Event::Dropped(cause, 1));
                    return Ok(Some(event));
                }
                None => {}
            }
            let n = self
                .splitter
                .fill(PIECE, |room| self.file.read(room))
                .map_err(|e| no_signal(&self.path, &e))?;
            if n > 0 {
                continue;
            }
            if self.found == 0 {
                return Err(no_signal(&self.path, &"it holds no JPEG any more"));
            }
            self.found = 0;
            let broken_off = self.splitter.pending() > 0;
            self.splitter.restart();
            self.file.rewind().map_err(|e| no_signal(&self.path, &e))?;
            if broken_off {
                return Ok(Some(Event::Dropped(DropCause::Corrupt, 1)));
            }
        }
    }

    fn picture(&self) -> &[u8] {
        self.splitter.frame()
    }
}

/// Why a frame is lost with what a splitter found. Garbage is none: headers, padding.
pub(crate) fn lost(found: Split) -> Option<DropCause> {
    match found {
        Split::Frame { .. } | Split::Garbage { .. } => None,
        Split::Truncated { .. } => Some(DropCause::Corrupt),
        Split::TooLong { .. } => Some(DropCause::TooLarge),
    }
}

fn no_signal(path: &Path, why: &dyn std::fmt::Display) -> SourceError {
    SourceError::no_signal(format!("{}: {why}", path.display()))
}

/// Checks that a file holds a JPEG, in the first 128 MiB.
pub(crate) fn probe(path: &Path) -> Result<(), Error> {
    let unreadable = |cause| Error::Unreadable {
        path: path.to_owned(),
        cause,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut file = file.take(2 * MAX_FRAME as u64);
    let mut splitter = Splitter::new(MAX_FRAME);
    let mut cause = "no whole frame was found".to_owned();
    loop {
        while let Some(found) = splitter.next_frame() {
            if let Split::Frame { .. } = found {
                match jpeg::check(splitter.frame()) {
                    Ok(_) => return Ok(()),
                    Err(e) => cause = e.to_string(),
                }
            }
        }
        let filled = splitter.fill(PIECE, |room| file.read(room));
        if filled.map_err(unreadable)? == 0 {
            break;
        }
    }
    Err(Error::NoJpeg {
        path: path.to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn jpeg(id: u64) -> Vec<u8> {
        let mut jpeg = Vec::new();
        let mut picture = picture::TestPicture::new(64, 48, 30, 80).unwrap();
        picture.render(id, id, &mut jpeg);
        jpeg
    }

    #[test]
    fn begins_anew_at_its_end_and_counts_what_is_broken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mjpeg");
        let (one, two) = (jpeg(1), jpeg(2));
        let cut = &one[..one.len() - 10];
        fs::write(&path, [b"noise", &one[..], cut, &two, cut].concat()).unwrap();
        assert!(probe(&path).is_ok());
        let mut file = Mjpeg::open(&path).unwrap();
        for _ in 0..3 {
            let noise = file.fetch().unwrap();
            assert!(matches!(noise, Some(Event::Idle)), "{noise:?}");
            for expected in [Some(&one), None, Some(&two), None] {
                match (file.fetch().unwrap(), expected) {
                    (None, Some(expected)) => assert_eq!(file.picture(), expected),
                    (Some(Event::Dropped(DropCause::Corrupt, 1)), None) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    #[test]
    fn a_file_that_was_emptied_has_no_signal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mjpeg");
        fs::write(&path, jpeg(1)).unwrap();
        let mut file = Mjpeg::open(&path).unwrap();
        assert!(file.fetch().unwrap().is_none());
        fs::write(&path, b"").unwrap();
        assert!(file.fetch().is_err() || file.fetch().is_err());
    }
}

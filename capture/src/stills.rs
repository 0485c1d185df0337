//! JPEG files, one picture each: a single one repeated, or those of a directory by name.
//!
//! A file is read when its turn comes, and a directory listed anew each round, so pictures may
//! come, change and go. Not here: files that hold many pictures ([`crate::mjpeg`]), the pace.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use picture::jpeg;
use worker::DropCause;

use crate::config::MAX_FRAME;
use crate::error::Error;
use crate::file::Fetch;
use crate::source::{Event, SourceError};

/// A file or directory, and the pictures of the present round.
pub(crate) struct Stills {
    path: PathBuf,
    files: Vec<PathBuf>,
    /// Which of them is the next.
    turn: usize,
    /// Pictures read in this round.
    found: usize,
    jpeg: Vec<u8>,
}

impl Stills {
    /// Opens a `.jpg` file, or a directory of them.
    pub(crate) fn open(path: &Path) -> Result<Stills, SourceError> {
        let files = round(path)?;
        Ok(Stills {
            path: path.to_owned(),
            files,
            turn: 0,
            found: 0,
            jpeg: Vec::new(),
        })
    }
}

impl Fetch for Stills {
    fn fetch(&mut self) -> Result<Option<Event<'static>>, SourceError> {
        if self.turn == self.files.len() {
            if self.found == 0 {
                return Err(no_signal(&self.path, &"no picture in it can be read"));
            }
            self.files = round(&self.path)?;
            self.turn = 0;
            self.found = 0;
        }
        let file = &self.files[self.turn];
        self.turn += 1;
        let cause = match read(file, &mut self.jpeg) {
            Ok(()) if self.jpeg.len() <= MAX_FRAME => {
                self.found += 1;
                return Ok(None);
            }
            Ok(()) => DropCause::TooLarge,
            Err(_) => DropCause::Corrupt,
        };
        Ok(Some(Event::Dropped(cause, 1)))
    }

    fn picture(&self) -> &[u8] {
        &self.jpeg
    }
}

/// The pictures of the next round, at least one.
fn round(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    match list(path) {
        Ok(files) if files.is_empty() => Err(no_signal(path, &"no .jpg file is left in it")),
        Ok(files) => Ok(files),
        Err(e) => Err(no_signal(path, &e)),
    }
}

fn no_signal(path: &Path, why: &dyn std::fmt::Display) -> SourceError {
    SourceError::no_signal(format!("{}: {why}", path.display()))
}

/// The pictures at `path`: itself, or the `.jpg` and `.jpeg` files in it, by name.
pub(crate) fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let named = file
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"));
        if named && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a file, or so much of it that it is seen to be too large.
fn read(path: &Path, jpeg: &mut Vec<u8>) -> io::Result<()> {
    jpeg.clear();
    File::open(path)?
        .take(MAX_FRAME as u64 + 1)
        .read_to_end(jpeg)
        .map(drop)
}

/// Checks that a file holds a JPEG.
pub(crate) fn probe(path: &Path) -> Result<(), Error> {
    let mut bytes = Vec::new();
    read(path, &mut bytes).map_err(|cause| Error::Unreadable {
        path: path.to_owned(),
        cause,
    })?;
    jpeg::check(&bytes).map(drop).map_err(|e| Error::NoJpeg {
        path: path.to_owned(),
        cause: e.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content stands for the picture: nothing here looks into it.
    fn fetch(stills: &mut Stills) -> String {
        match stills.fetch() {
            Ok(None) => String::from_utf8(stills.picture().to_vec()).unwrap(),
            Ok(Some(Event::Dropped(cause, n))) => format!("{n} {}", cause.name()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn goes_by_name_round_after_round_and_sees_what_came_and_went() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["b.jpg", "a.JPEG", "c.png", "jpg"] {
            fs::write(at(name), name).unwrap();
        }
        fs::create_dir(at("d.jpg")).unwrap();
        let mut stills = Stills::open(dir.path()).unwrap();
        assert_eq!(fetch(&mut stills), "a.JPEG");
        assert_eq!(fetch(&mut stills), "b.jpg");
        fs::write(at("c.jpg"), "c.jpg").unwrap();
        assert_eq!(fetch(&mut stills), "a.JPEG");
        fs::remove_file(at("b.jpg")).unwrap();
        assert_eq!(fetch(&mut stills), "1 corrupt");
        assert_eq!(fetch(&mut stills), "c.jpg");
    }

    #[test]
    fn a_single_file_that_is_gone_has_no_signal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jpg");
        fs::write(&path, "a").unwrap();
        let mut stills = Stills::open(&path).unwrap();
        assert_eq!(fetch(&mut stills), "a");
        assert_eq!(fetch(&mut stills), "a");
        fs::remove_file(&path).unwrap();
        let said = fetch(&mut stills);
        assert!(
            said.contains("NoSignal") && said.contains("a.jpg"),
            "{said}"
        );
    }

    #[test]
    fn a_directory_that_was_emptied_has_no_signal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jpg");
        fs::write(&path, "a").unwrap();
        let mut stills = Stills::open(dir.path()).unwrap();
        assert_eq!(fetch(&mut stills), "a");
        fs::remove_file(&path).unwrap();
        let said = fetch(&mut stills);
        assert!(said.contains("no .jpg file is left"), "{said}");
    }
}

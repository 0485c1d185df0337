//! From the choice of a source to an open one.
//!
//! Not here: the sources themselves, and when to try again ([`crate::run`]).

use crate::auto::Auto;
use crate::camera::Camera;
use crate::config::{Asked, Choice, Config};
use crate::file::FileSource;
use crate::mjpeg::Mjpeg;
use crate::source::{Source, SourceError};
use crate::stdin::Pipe;
use crate::stills::Stills;
use crate::test_source::TestSource;

/// Opens the same choice again and again.
pub(crate) struct Opener {
    choice: Choice,
    asked: Asked,
    auto: Auto,
}

impl Opener {
    /// `had_camera`: a predecessor had one.
    pub(crate) fn new(cfg: &Config, had_camera: bool) -> Opener {
        Opener {
            choice: cfg.choice.clone(),
            asked: cfg.asked,
            auto: Auto::new(had_camera),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`SourceError::NoSignal`]: try again later.
    pub(crate) fn open(&mut self) -> Result<Box<dyn Source>, SourceError> {
        let Opener {
            choice,
            asked,
            auto,
        } = self;
        let choice = &*choice;
        let fps = asked.fps;
        Ok(match choice {
            Choice::Auto => match auto.choose()? {
                Some(path) => Box::new(Camera::open(&path, asked)?),
                None => Box::new(TestSource::open(
                    asked,
                    "test picture: no camera was found",
                )?),
            },
            Choice::Test => Box::new(TestSource::open(asked, "test picture")?),
            Choice::Camera(path) => Box::new(Camera::open(path, asked)?),
            Choice::Mjpeg(path) => Box::new(FileSource::new(
                Mjpeg::open(path)?,
                choice.kind(),
                path,
                fps,
            )),
            Choice::Still(path) | Choice::Directory(path) => Box::new(FileSource::new(
                Stills::open(path)?,
                choice.kind(),
                path,
                fps,
            )),
            Choice::Stdin => Box::new(Pipe::new(std::io::stdin(), fps)),
        })
    }
}

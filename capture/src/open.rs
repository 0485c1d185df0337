//! From the choice of a source to an open one.
//!
//! Not here: the sources themselves, and when to try again ([`crate::run`]).

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use broker::Origin;
use worker::Fault;

use crate::amqp::{Relay, Replay, Track};
use crate::auto::Auto;
use crate::camera::{self, Camera, Identity};
use crate::choice::Choice;
use crate::config::{Asked, Config};
use crate::file::FileSource;
use crate::http::{Connector, HttpSource};
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
    /// The camera that was had by a number, which may change.
    camera: Option<Identity>,
    connector: Connector,
    origin: Origin,
    /// How far a replay has come.
    track: Option<Rc<RefCell<Track>>>,
}

impl Opener {
    /// `had_camera`: a predecessor had one.
    pub(crate) fn new(cfg: &Config, had_camera: bool) -> Opener {
        Opener {
            choice: cfg.choice.clone(),
            asked: cfg.asked,
            auto: Auto::new(had_camera),
            camera: None,
            connector: Connector::default(),
            origin: cfg.origin,
            track: None,
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
            camera,
            connector,
            origin,
            track,
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
            Choice::Camera(path) => {
                let known = camera.as_ref().filter(|_| !is_name(path));
                let found = Camera::open(&locate(path, known)?, asked)?;
                if known.is_some_and(|known| !known.knows(found.identity())) {
                    return Err(another(path));
                }
                let seen = found.identity();
                camera.get_or_insert_with(|| seen.clone()).learn(seen);
                Box::new(found)
            }
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
            Choice::Http(url) => Box::new(HttpSource::new(url, fps, connector.clone())),
            Choice::Amqp(address) => Box::new(Relay::open(address, asked, *origin)?),
            Choice::Replay(past) => {
                let begin = || Rc::new(RefCell::new(Track::new(past.from)));
                let track = track.get_or_insert_with(begin).clone();
                Box::new(Replay::open(past, asked, *origin, track)?)
            }
            Choice::Stdin => Box::new(Pipe::new(std::io::stdin(), fps)),
        })
    }
}

/// Whether it is one of udev's names, which go with the camera.
fn is_name(path: &Path) -> bool {
    path.starts_with("/dev/v4l")
}

/// Where to open the camera that was asked for by `path`: there, unless it was another one's before.
///
/// # Errors
/// [`SourceError::NoSignal`]: that camera is nowhere.
fn locate(path: &Path, camera: Option<&Identity>) -> Result<PathBuf, SourceError> {
    let Some(camera) = camera else {
        return Ok(path.to_owned());
    };
    camera.locate(path, &camera::survey()).ok_or_else(|| {
        if path.exists() {
            return another(path);
        }
        let why = "is gone: unplugged or switched off; plug the camera in again";
        SourceError::NoSignal(Fault::NoCamera, format!("{} {why}", path.display()))
    })
}

fn another(path: &Path) -> SourceError {
    let why = "is another camera now: start again to take that one";
    SourceError::NoSignal(Fault::NoCamera, format!("{} {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_not_yet_seen_is_where_it_was_said_to_be() {
        for path in ["/dev/video77", "/dev/v4l/by-id/usb-none"] {
            assert_eq!(locate(Path::new(path), None), Ok(path.into()));
        }
    }
}

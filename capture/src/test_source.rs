//! The test picture as a source: drawn here, so it never fails and never ends.
//!
//! Not here: what it looks like (`picture`).

use std::time::Duration;

use picture::{RawTestPicture, TestPicture};
use worker::unix_ns;

use crate::config::{Asked, Form};
use crate::pace::Pacer;
use crate::source::{Event, Grab, Granted, Image, Source, SourceError};

/// The test picture at its pace.
pub(crate) struct TestSource {
    granted: Granted,
    pacer: Pacer,
    picture: Picture,
}

/// In the form that the ring is to hold.
enum Picture {
    Jpeg(Box<TestPicture>, Vec<u8>),
    Bgr(Box<RawTestPicture>),
}

impl TestSource {
    /// Prepares what does not change from frame to frame. `detail` is for people.
    pub(crate) fn open(asked: &Asked, detail: &str) -> Result<TestSource, SourceError> {
        let &Asked {
            width,
            height,
            fps,
            quality,
            form,
        } = asked;
        let picture = match form {
            Form::Jpeg => TestPicture::new(width, height, fps, quality)
                .map(|picture| Picture::Jpeg(Box::new(picture), Vec::new())),
            Form::Bgr24 => RawTestPicture::new(width, height, fps)
                .map(|picture| Picture::Bgr(Box::new(picture))),
        };
        let picture =
            picture.map_err(|e| SourceError::NoSignal(format!("the test picture: {e}")))?;
        Ok(TestSource {
            granted: Granted {
                kind: "test",
                detail: detail.to_owned(),
                width,
                height,
                format: match form {
                    Form::Jpeg => "MJPG".to_owned(),
                    Form::Bgr24 => "BGR3".to_owned(),
                },
                fps: fps.into(),
            },
            pacer: Pacer::new(fps),
            picture,
        })
    }
}

impl Source for TestSource {
    fn granted(&self) -> &Granted {
        &self.granted
    }

    fn next(&mut self, next_id: u64, timeout: Duration) -> Result<Event<'_>, SourceError> {
        if let Some(event) = self.pacer.wait(timeout) {
            return Ok(event);
        }
        let captured_ns = unix_ns();
        let image = match &mut self.picture {
            Picture::Jpeg(picture, jpeg) => {
                picture.render(next_id, captured_ns, jpeg);
                Image::Jpeg(jpeg)
            }
            Picture::Bgr(picture) => Image::Bgr {
                pixels: picture.render(next_id, captured_ns),
                width: self.granted.width,
                height: self.granted.height,
            },
        };
        Ok(Event::Frame(Grab {
            image,
            captured_ns,
            sequence: next_id,
        }))
    }
}

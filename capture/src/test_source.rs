//! The test picture as a source: drawn here, so it never fails and never ends. As JPEG it has one
//! control, the quality.
//!
//! Not here: what it looks like (`picture`).

use std::time::Duration;

use picture::{RawTestPicture, TestPicture};
use worker::control::{Control, Kind, name_of};
use worker::unix_ns;

use crate::config::{Asked, Form, QUALITY};
use crate::pace::Pacer;
use crate::source::{Controls, Event, Grab, Granted, Image, Source, SourceError};

/// As the kernel names V4L2_CID_JPEG_COMPRESSION_QUALITY (v4l2-ctrls-defs.c).
const QUALITY_LABEL: &str = "Compression Quality";
/// And its number there, `V4L2_CID_JPEG_COMPRESSION_QUALITY`.
const QUALITY_ID: u32 = 0x009d_0903;

/// The test picture at its pace.
pub(crate) struct TestSource {
    granted: Granted,
    /// JPEG quality now, and as it was asked for.
    quality: u8,
    default_quality: u8,
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
            ..
        } = asked;
        let form = asked.form();
        let picture = match form {
            Form::Jpeg => TestPicture::new(width, height, fps, quality)
                .map(|picture| Picture::Jpeg(Box::new(picture), Vec::new())),
            Form::Bgr24 => RawTestPicture::new(width, height, fps)
                .map(|picture| Picture::Bgr(Box::new(picture))),
        };
        let picture =
            picture.map_err(|e| SourceError::no_signal(format!("the test picture: {e}")))?;
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
            quality,
            default_quality: quality,
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
            relays: 0,
        }))
    }

    fn controls(&mut self) -> Option<&mut dyn Controls> {
        match self.picture {
            Picture::Jpeg(..) => Some(self),
            Picture::Bgr(_) => None,
        }
    }
}

impl Controls for TestSource {
    fn list(&mut self) -> Vec<Control> {
        vec![Control {
            name: name_of(QUALITY_LABEL),
            label: QUALITY_LABEL.to_owned(),
            id: QUALITY_ID,
            kind: Kind::Integer,
            min: (*QUALITY.start()).into(),
            max: (*QUALITY.end()).into(),
            step: 1,
            default: self.default_quality.into(),
            value: self.quality.into(),
            items: Vec::new(),
            read_only: false,
            inactive: false,
            grabbed: false,
        }]
    }

    fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
        let &Granted {
            width, height, fps, ..
        } = &self.granted;
        let (Picture::Jpeg(picture, _), Ok(quality)) = (&mut self.picture, u8::try_from(value))
        else {
            return Err(format!("{name} cannot be {value}"));
        };
        **picture = TestPicture::new(width, height, fps as u32, quality)
            .map_err(|e| format!("the test picture: {e}"))?;
        self.quality = quality;
        Ok(())
    }
}

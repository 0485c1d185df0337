//! A message's body as a source lends it: raw pixels encoded, unless raw ones are wanted.
//!
//! Not here: which messages are taken.

use broker::Body;
use worker::DropCause;

use crate::config::{Asked, Form, MAX_FRAME};
use crate::source::Image;

pub(crate) struct Pictures {
    form: Form,
    quality: u8,
    /// Encoded from the pixels of the last body; kept for its memory.
    jpeg: Vec<u8>,
}

impl Pictures {
    pub fn new(asked: &Asked) -> Pictures {
        Pictures {
            form: asked.form(),
            quality: asked.quality,
            jpeg: Vec::new(),
        }
    }

    /// Makes a body ready to be lent, or says why it is dropped.
    pub fn prepare(&mut self, body: &Body) -> Result<(), DropCause> {
        let picture = body.picture();
        let (width, height) = match *body {
            _ if picture.len() > MAX_FRAME => return Err(DropCause::TooLarge),
            Body::Jpeg(_) => return Ok(()),
            Body::Raw { width, height, .. } => (width.into(), height.into()),
        };
        let usable = match self.form {
            Form::Bgr24 => picture::bgr_len(width, height).is_some(),
            Form::Jpeg => {
                picture::encode_bgr(picture, width, height, self.quality, &mut self.jpeg).is_ok()
            }
        };
        usable.then_some(()).ok_or(DropCause::Corrupt)
    }

    /// The body that was prepared last.
    pub fn lend<'a>(&'a self, body: &'a Body) -> Image<'a> {
        match (body, self.form) {
            (Body::Jpeg(jpeg), _) => Image::Jpeg(jpeg),
            (Body::Raw { .. }, Form::Jpeg) => Image::Jpeg(&self.jpeg),
            (&Body::Raw { width, height, .. }, Form::Bgr24) => Image::Bgr {
                pixels: body.picture(),
                width: width.into(),
                height: height.into(),
            },
        }
    }
}

/// What a source of such bodies delivers, by its fourcc.
pub(crate) fn format(body: &Body) -> &'static str {
    match body {
        Body::Jpeg(_) => "MJPG",
        Body::Raw { .. } => "BGR3",
    }
}

//! What becomes of a camera's frames, by the format that it granted.
//!
//! Not here: the encoding (`encoder`), which formats are served and chosen (`formats`).

use picture::encode::{Colours, RawFormat};
use v4l::v4l_sys::v4l2_pix_format;

use super::sys;
use super::unpack::Unpacker;
use crate::config::{Asked, Form};
use crate::encoder::EncoderThread;
use crate::formats::Served;

/// What becomes of a frame.
pub(super) enum Way {
    /// It is a JPEG, and lent as it is.
    AsItCame,
    /// It is copied for the encoder.
    Encoded(Box<EncoderThread>, RawFormat),
    /// It is packed BGR, and wanted so.
    Bgr(Unpacker),
}

impl Way {
    /// Of a granted format.
    ///
    /// # Errors
    /// A sentence: what was granted cannot be, or there is no encoder to be had.
    pub(super) fn of(
        served: Served,
        format: &v4l2_pix_format,
        asked: &Asked,
    ) -> Result<Way, String> {
        let Served::Raw(pixels) = served else {
            return Ok(Way::AsItCame);
        };
        let (width, height) = (format.width, format.height);
        let stride = format.bytesperline as usize;
        let (space, encoding, quantization) = sys::colours(format);
        let colours = Colours::from_v4l2(pixels, space, encoding, quantization);
        let raw = RawFormat::new(pixels, width, height)
            .with_stride(stride)
            .with_colours(colours);
        raw.frame_len()
            .map_err(|e| format!("it grants what cannot be: {e}"))?;
        if served == Served::BGR24 && asked.form() == Form::Bgr24 {
            return Ok(Way::Bgr(Unpacker::new(width, height, raw.stride)));
        }
        let encoder =
            EncoderThread::start(asked.quality).map_err(|e| format!("no encoder starts: {e}"))?;
        Ok(Way::Encoded(Box::new(encoder), raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stride_that_cannot_be_is_no_matter_of_single_frames() {
        let asked = Asked {
            width: 640,
            height: 480,
            fps: 30,
            quality: 80,
            format: None,
            allow_truncated: false,
        };
        let way = |stride| {
            let format = v4l2_pix_format {
                width: 640,
                height: 480,
                bytesperline: stride,
                ..sys::zero()
            };
            Way::of(Served::BGR24, &format, &asked)
        };
        assert!(way(640 * 3).is_ok());
        let said = way(640).err().unwrap();
        assert!(said.contains("640"), "{said}");
    }
}

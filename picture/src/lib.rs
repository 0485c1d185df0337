//! Frames as bytes: check, complete and split JPEG, draw, encode, decode.
//!
//! - [`jpeg`]: is this a whole JPEG, how large is the picture; puts missing Huffman tables in.
//! - [`split`]: finds JPEGs in a byte stream.
//! - [`TestPicture`]: a live picture without a camera, cheap enough for every frame.
//! - [`placeholder`]: the still that is shown when there is no picture.
//! - [`RawTestPicture`]: the same without JPEG, as packed BGR.
//! - [`decode_bgr`], [`encode_bgr`]: JPEG to packed BGR and back; nothing else decodes a picture.
//! - [`encode`]: raw camera frames to JPEG.
//!
//! Nothing here knows of rings, processes, viewers, files or clocks.

mod bgr;
mod canvas;
pub mod encode;
mod font;
mod huffman;
pub mod jpeg;
mod placeholder;
mod raw_test_picture;
pub mod split;
mod test_picture;
#[cfg(test)]
mod testing;
mod tiles;
mod walk;

pub use bgr::{bgr_len, decode_bgr, encode_bgr};
pub use placeholder::placeholder;
pub use raw_test_picture::RawTestPicture;
pub use test_picture::TestPicture;

/// The smallest width that is drawn, in pixels.
pub const MIN_WIDTH: u32 = 64;
/// The smallest height that is drawn, in pixels.
pub const MIN_HEIGHT: u32 = 48;
/// The largest width and height that are drawn or encoded, in pixels (JPEG itself ends at 65535).
pub const MAX_SIDE: u32 = 65_500;
/// The most pixels that are drawn or decoded: 8192x8192. Either takes 3 bytes of memory a pixel.
pub const MAX_PIXELS: u64 = 1 << 26;

/// Why a picture cannot be drawn or encoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Outside [`MIN_WIDTH`], [`MIN_HEIGHT`], [`MAX_SIDE`] or [`MAX_PIXELS`].
    #[error(
        "no picture of {width}x{height} can be drawn: the sides go from {MIN_WIDTH}x{MIN_HEIGHT} to {MAX_SIDE}, with at most {MAX_PIXELS} pixels"
    )]
    Size {
        /// Asked width in pixels.
        width: u32,
        /// Asked height in pixels.
        height: u32,
    },
    /// A frame to encode has no pixels, or a side above [`MAX_SIDE`].
    #[error(
        "a frame of {width}x{height} cannot be encoded: the sides of a JPEG go from 1 to {MAX_SIDE}"
    )]
    FrameSize {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The JPEG quality is not within 1 to 100.
    #[error("the JPEG quality goes from 1 to 100, not {0}")]
    Quality(u8),
    /// The lines of a raw frame overlap.
    #[error("a line of {width} pixels takes {line} bytes, but the stride is {stride}")]
    Stride {
        /// Width in pixels.
        width: u32,
        /// Bytes that a line of pixels takes.
        line: usize,
        /// Bytes from line to line.
        stride: usize,
    },
    /// A raw frame holds fewer bytes than its size needs.
    #[error("a frame of {width}x{height} needs {need} bytes and has {len}")]
    TooShort {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes needed.
        need: usize,
        /// Bytes given.
        len: usize,
    },
    /// The encoder failed.
    #[error("cannot encode the picture: {0}")]
    Encode(#[from] jpeg_encoder::EncodingError),
    /// The decoder failed.
    #[error("cannot decode the picture: {0}")]
    Decode(#[from] zune_jpeg::errors::DecodeErrors),
    /// To be decoded, it has more than [`MAX_PIXELS`].
    #[error("a picture of {width}x{height} is not decoded: {MAX_PIXELS} pixels are the most")]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// libjpeg-turbo failed, and what it says.
    #[cfg(feature = "turbojpeg")]
    #[error("libjpeg-turbo cannot encode the picture: {0}")]
    Turbo(String),
}

/// The size as the encoder takes it, if a picture of it can be drawn.
fn drawable(width: u32, height: u32) -> Result<(u16, u16), Error> {
    let fits = (MIN_WIDTH..=MAX_SIDE).contains(&width)
        && (MIN_HEIGHT..=MAX_SIDE).contains(&height)
        && u64::from(width) * u64::from(height) <= MAX_PIXELS;
    match (u16::try_from(width), u16::try_from(height)) {
        (Ok(w), Ok(h)) if fits => Ok((w, h)),
        _ => Err(Error::Size { width, height }),
    }
}

/// The size as the encoder takes it, if a frame of it can be encoded.
fn encodable(width: u32, height: u32) -> Result<(u16, u16), Error> {
    let sides = (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height);
    match (u16::try_from(width), u16::try_from(height)) {
        (Ok(w), Ok(h)) if sides => Ok((w, h)),
        _ => Err(Error::FrameSize { width, height }),
    }
}

/// `quality`, if it is one.
fn checked_quality(quality: u8) -> Result<u8, Error> {
    if (1..=100).contains(&quality) {
        Ok(quality)
    } else {
        Err(Error::Quality(quality))
    }
}

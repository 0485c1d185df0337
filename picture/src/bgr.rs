//! Packed BGR, 3 bytes a pixel and no padding (V4L2_PIX_FMT_BGR24, linux/videodev2.h): from JPEG,
//! and to JPEG.
//!
//! Not here: what goes before such pixels on a wire, and drawing them (`raw_test_picture`).

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::{Error, MAX_PIXELS, checked_quality, encodable};

/// Bytes a pixel.
const CHANNELS: usize = 3;
/// The largest side, in pixels: what 16 bits hold, in JPEG and in the header of 2017.
const MAX_BGR_SIDE: u32 = u16::MAX as u32;

/// Bytes of a picture of packed BGR; `None` unless its sides go from 1 to 65535 pixels and it has at
/// most [`MAX_PIXELS`].
pub fn bgr_len(width: u32, height: u32) -> Option<usize> {
    let sides = (1..=MAX_BGR_SIDE).contains(&width) && (1..=MAX_BGR_SIDE).contains(&height);
    let pixels = u64::from(width) * u64::from(height);
    (sides && pixels <= MAX_PIXELS).then_some(pixels as usize * CHANNELS)
}

/// Decodes a JPEG to packed BGR in `out`, in place of what was there. Says its width and height, in
/// pixels, of which [`bgr_len`] is the length. Damaged picture data is shown as far as it can be.
///
/// # Errors
/// [`Error::Decode`], [`Error::TooLarge`]; then `out` holds nothing of use.
pub fn decode_bgr(jpeg: &[u8], out: &mut Vec<u8>) -> Result<(u32, u32), Error> {
    // To RGB, which the decoder makes with AVX2 and from every kind of JPEG; it makes BGR without,
    // and from colour alone.
    let options = DecoderOptions::default()
        .set_max_width(MAX_BGR_SIDE as usize)
        .set_max_height(MAX_BGR_SIDE as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    decoder.decode_headers()?;
    let info = decoder.info().unwrap_or_default();
    let (width, height) = (info.width.into(), info.height.into());
    let len = bgr_len(width, height).ok_or(Error::TooLarge { width, height })?;
    out.clear(); // what damage leaves out is black, not the picture before
    out.resize(len, 0);
    decoder.decode_into(out)?;
    for pixel in out.chunks_exact_mut(CHANNELS) {
        pixel.swap(0, 2);
    }
    Ok((width, height))
}

/// Encodes packed BGR as a baseline JPEG 4:2:0 into `out`, which is cleared first. Sides from 1 to
/// [`crate::MAX_SIDE`]; `quality` from 1 to 100.
///
/// # Errors
/// [`Error::FrameSize`], [`Error::Quality`], [`Error::TooShort`], [`Error::Encode`].
pub fn encode_bgr(
    bgr: &[u8],
    width: u32,
    height: u32,
    quality: u8,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let quality = checked_quality(quality)?;
    let (w, h) = encodable(width, height)?;
    let need = usize::from(w) * usize::from(h) * CHANNELS;
    if bgr.len() < need {
        return Err(Error::TooShort {
            width,
            height,
            need,
            len: bgr.len(),
        });
    }
    out.clear();
    let mut encoder = Encoder::new(out, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(bgr, w, h, ColorType::Bgr)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use jpeg_encoder::ColorType;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{decode, recipes};

    fn swapped(mut pixels: Vec<u8>) -> Vec<u8> {
        pixels
            .chunks_exact_mut(3)
            .for_each(|pixel| pixel.swap(0, 2));
        pixels
    }

    #[test]
    fn what_fits_into_a_header() {
        assert_eq!(bgr_len(160, 120), Some(57_600));
        assert_eq!(bgr_len(65_535, 1), Some(196_605));
        for (width, height) in [(0, 1), (1, 0), (65_536, 1), (1, u32::MAX), (8193, 8192)] {
            assert_eq!(bgr_len(width, height), None, "{width}x{height}");
        }
    }

    #[test]
    fn red_is_the_last_of_three() {
        let mut jpeg = Vec::new();
        let blue = [255, 0, 0].repeat(32 * 16);
        encode_bgr(&blue, 32, 16, 95, &mut jpeg).unwrap();
        let (width, height, rgb) = decode(&jpeg);
        assert_eq!((width, height), (32, 16));
        assert!(rgb[0] < 8 && rgb[1] < 8 && rgb[2] > 247, "{:?}", &rgb[..3]);
        let mut back = vec![7; 5];
        assert_eq!(decode_bgr(&jpeg, &mut back).unwrap(), (32, 16));
        assert_eq!(back, swapped(rgb));
    }

    #[test]
    fn grey_is_a_colour() {
        let mut jpeg = Vec::new();
        let grey = vec![99; 40 * 24];
        let encoder = Encoder::new(&mut jpeg, 95);
        encoder.encode(&grey, 40, 24, ColorType::Luma).unwrap();
        let mut out = Vec::new();
        assert_eq!(decode_bgr(&jpeg, &mut out).unwrap(), (40, 24));
        assert_eq!(out.len(), 40 * 24 * 3);
        assert!(out.iter().all(|&sample| sample.abs_diff(99) <= 1));
    }

    #[test]
    fn what_cannot_be_taken_is_refused() {
        let encode = |len: usize, w, h, quality| {
            encode_bgr(&vec![0; len], w, h, quality, &mut Vec::new()).unwrap_err()
        };
        assert!(matches!(encode(0, 0, 8, 80), Error::FrameSize { .. }));
        assert!(matches!(encode(192, 8, 8, 0), Error::Quality(0)));
        let short = encode(191, 8, 8, 80);
        assert!(matches!(short, Error::TooShort { need: 192, .. }));
        let mut out = Vec::new();
        assert!(matches!(
            decode_bgr(b"no JPEG", &mut out),
            Err(Error::Decode(_))
        ));
        // A header that claims what no memory should be taken for.
        let mut jpeg = Vec::new();
        encode_bgr(&[0; 192], 8, 8, 80, &mut jpeg).unwrap();
        let at = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
        jpeg[at + 5..at + 9].fill(0xff);
        let refused = decode_bgr(&jpeg, &mut out).unwrap_err();
        assert!(
            matches!(
                refused,
                Error::TooLarge {
                    width: 65_535,
                    height: 65_535
                }
            ),
            "{refused}"
        );
    }

    proptest! {
        #[test]
        fn as_another_reads_it(recipe in recipes()) {
            let jpeg = recipe.jpeg();
            let mut out = Vec::new();
            let size = decode_bgr(&jpeg, &mut out).unwrap();
            prop_assert_eq!(size, (recipe.width.into(), recipe.height.into()));
            prop_assert_eq!(out, swapped(decode(&jpeg).2));
        }

        /// Damaged or not, it ends with a picture of the right length or an error.
        #[test]
        fn no_damage_panics(
            recipe in recipes(),
            hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut jpeg = recipe.jpeg();
            for (at, value) in hits {
                let at = at.index(jpeg.len());
                jpeg[at] = value;
            }
            let mut out = Vec::new();
            if let Ok((width, height)) = decode_bgr(&jpeg, &mut out) {
                prop_assert_eq!(Some(out.len()), bgr_len(width, height));
            }
        }
    }
}

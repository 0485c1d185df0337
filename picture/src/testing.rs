//! What several tests share: JPEGs of many kinds, and an independent decoder.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// Width, height and RGB, as another library sees them.
pub(crate) fn decode(jpeg: &[u8]) -> (usize, usize, Vec<u8>) {
    let mut decoder = JpegDecoder::new(ZCursor::new(jpeg));
    let pixels = decoder.decode().expect("decodes");
    let (width, height) = decoder.dimensions().expect("was decoded");
    (width, height, pixels)
}

/// The largest difference between two decoded pictures, of any sample.
pub(crate) fn difference(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap_or(0)
}

/// How a JPEG is made.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) sampling: SamplingFactor,
    pub(crate) progressive: bool,
    pub(crate) optimised: bool,
    pub(crate) restart: u16,
    /// A JPEG within an APP1 segment.
    pub(crate) thumbnail: bool,
    pub(crate) seed: u64,
}

impl Recipe {
    pub(crate) fn plain() -> Recipe {
        Recipe {
            width: 40,
            height: 24,
            sampling: SamplingFactor::F_2_2,
            progressive: false,
            optimised: false,
            restart: 0,
            thumbnail: false,
            seed: 7,
        }
    }

    pub(crate) fn jpeg(&self) -> Vec<u8> {
        let mut state = self.seed;
        let noise = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        let len = usize::from(self.width) * usize::from(self.height) * 3;
        let pixels: Vec<u8> = std::iter::repeat_with(noise).take(len).collect();
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, 70);
        encoder.set_sampling_factor(self.sampling);
        encoder.set_progressive(self.progressive);
        encoder.set_optimized_huffman_tables(self.optimised);
        // jpeg-encoder 0.7 makes wrong tables when it both optimises and restarts.
        let restart = if self.optimised { 0 } else { self.restart };
        encoder.set_restart_interval(restart);
        if self.thumbnail {
            let small = Recipe {
                thumbnail: false,
                width: 8,
                height: 8,
                ..self.clone()
            };
            let segment = [b"Exif\0\0".as_slice(), &small.jpeg(), &[0xff]].concat();
            encoder.add_app_segment(1, segment).unwrap();
        }
        encoder
            .encode(&pixels, self.width, self.height, ColorType::Rgb)
            .unwrap();
        out
    }
}

/// JPEGs of all kinds.
pub(crate) fn recipes() -> impl Strategy<Value = Recipe> {
    let sampling = prop::sample::select(vec![
        SamplingFactor::F_1_1,
        SamplingFactor::F_2_1,
        SamplingFactor::F_2_2,
    ]);
    (
        1u16..70,
        1u16..50,
        sampling,
        any::<[bool; 3]>(),
        0u16..4,
        any::<u64>(),
    )
        .prop_map(
            |(width, height, sampling, [progressive, optimised, thumbnail], restart, seed)| {
                Recipe {
                    width,
                    height,
                    sampling,
                    progressive,
                    optimised,
                    restart,
                    thumbnail,
                    seed,
                }
            },
        )
}

/// The segments of the given marker cut out of the headers.
pub(crate) fn without(jpeg: &[u8], marker: u8) -> Vec<u8> {
    let mut out = jpeg[..2].to_vec();
    let mut at = 2;
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != marker {
            out.extend_from_slice(&jpeg[at..end]);
        }
        at = end;
    }
    out.extend_from_slice(&jpeg[at..]);
    out
}

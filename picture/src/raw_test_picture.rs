//! The test picture as packed BGR, with the frame's id and time coded into its first pixels, as the
//! sources of `bench/originals` have it: raw frames carry neither, and loss and latency are measured
//! by them.
//!
//! Not here: what is drawn (`test_picture`).

use crate::canvas::TILE;
use crate::test_picture::Scene;
use crate::{Error, drawable};

/// The first bytes of a frame with the coding; `bench/originals/source.py` defines it.
const MARK: &[u8; 8] = b"seqcast1";

/// [`crate::TestPicture`], raw. Its first 24 bytes are `seqcast1`, the id and the Unix time in
/// nanoseconds, each a little-endian u64.
pub struct RawTestPicture {
    scene: Scene,
    width: usize,
    height: usize,
    /// Tiles that were drawn on; kept for its memory.
    touched: Vec<usize>,
    pixels: Vec<u8>,
}

impl RawTestPicture {
    /// Sizes as for [`crate::TestPicture::new`]; `fps` is only shown.
    ///
    /// # Errors
    /// [`Error::Size`].
    pub fn new(width: u32, height: u32, fps: u32) -> Result<RawTestPicture, Error> {
        let (w, h) = drawable(width, height)?;
        let (width, height) = (usize::from(w), usize::from(h));
        Ok(RawTestPicture {
            scene: Scene::new(w, h, fps),
            width,
            height,
            touched: Vec::new(),
            pixels: vec![0; width * height * 3],
        })
    }

    /// Frame `id`, shown at Unix time `at_unix_ns` (nanoseconds): row by row, 3 bytes a pixel.
    pub fn render(&mut self, id: u64, at_unix_ns: u64) -> &[u8] {
        self.scene.show(id, at_unix_ns);
        self.touched.clear();
        self.scene.canvas.take_touched(&mut self.touched);
        for i in 0..self.touched.len() {
            self.convert(self.touched[i]);
        }
        let numbers = [*MARK, id.to_le_bytes(), at_unix_ns.to_le_bytes()];
        self.pixels[..24].copy_from_slice(numbers.as_flattened());
        &self.pixels
    }

    /// Puts a tile of the canvas, or what of it is on the picture, into the pixels.
    fn convert(&mut self, tile: usize) {
        let canvas = &self.scene.canvas;
        let (left, top) = (
            tile % canvas.columns() * TILE,
            tile / canvas.columns() * TILE,
        );
        for y in 0..TILE.min(self.height - top) {
            let [luma, cb, cr] = canvas.tile_row(tile, y);
            let row = &mut self.pixels[((top + y) * self.width + left) * 3..];
            let row = &mut row[..TILE.min(self.width - left) * 3];
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                pixel.copy_from_slice(&bgr(luma[x], cb[x], cr[x]));
            }
        }
    }
}

/// A colour of JFIF (BT.601, full range), in 16.16 fixed point.
fn bgr(luma: u8, cb: u8, cr: u8) -> [u8; 3] {
    let luma = i32::from(luma) << 16 | 1 << 15;
    let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
    [
        luma + 116_130 * cb,
        luma - 22_554 * cb - 46_802 * cr,
        luma + 91_881 * cr,
    ]
    .map(|sample| (sample >> 16).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TestPicture, decode_bgr};

    const FRAMES: [(u64, u64); 3] = [(7, 0), (998, 33_000_000), (1000, 1_732_270_000_433_000_000)];

    #[test]
    fn what_was_drawn_before_leaves_nothing() {
        for (width, height) in [(640, 480), (160, 120), (64, 48), (102, 54)] {
            let mut many = RawTestPicture::new(width, height, 30).unwrap();
            let mut fresh = RawTestPicture::new(width, height, 30).unwrap();
            let [.., (id, at)] = FRAMES;
            for (id, at) in FRAMES {
                many.render(id, at);
            }
            assert!(
                many.render(id, at) == fresh.render(id, at),
                "{width}x{height}"
            );
        }
    }

    #[test]
    fn is_the_test_picture() {
        for (width, height) in [(640, 480), (160, 120), (102, 54)] {
            let [.., (id, at)] = FRAMES;
            let (mut jpeg, mut decoded) = (Vec::new(), Vec::new());
            let mut drawn = TestPicture::new(width, height, 30, 98).unwrap();
            drawn.render(id, at, &mut jpeg);
            decode_bgr(&jpeg, &mut decoded).unwrap();
            let mut raw = RawTestPicture::new(width, height, 30).unwrap();
            let both = decoded.iter().zip(raw.render(id, at)).skip(24);
            let far = both.filter(|(a, b)| a.abs_diff(**b) > 12).count();
            // A JPEG's chroma has half the resolution: edges between colours differ.
            assert!(far < decoded.len() / 8, "{width}x{height}: {far}");
        }
    }

    #[test]
    fn says_id_and_time_in_its_first_pixels() {
        let mut raw = RawTestPicture::new(64, 48, 30).unwrap();
        raw.render(1, 2);
        let pixels = raw.render(0x0102, 0x0304);
        assert_eq!(pixels.len(), 64 * 48 * 3);
        assert_eq!(
            pixels[..24],
            *b"seqcast1\x02\x01\0\0\0\0\0\0\x04\x03\0\0\0\0\0\0"
        );
    }

    #[test]
    fn colours() {
        for (rgb, name) in [
            (0x000000, "black"),
            (0xffffff, "white"),
            (0x2fd6b5, "accent"),
        ] {
            let [_, r, g, b] = u32::to_be_bytes(rgb);
            let (luma, cb, cr) = jpeg_encoder::rgb_to_ycbcr(r, g, b);
            for (got, want) in bgr(luma, cb, cr).into_iter().zip([b, g, r]) {
                assert!(got.abs_diff(want) <= 2, "{name}");
            }
        }
    }
}

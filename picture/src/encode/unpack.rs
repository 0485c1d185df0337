//! Reading the lines of a raw frame: a line of Y, and one of Cb and Cr for two of them.
//!
//! Plain loops over arrays of fixed length, which compilers make vectors of. Limited or full,
//! samples come out as they are; only RGB is converted, by JPEG's own matrix.
//!
//! Not here: whether the frame is long enough (`format`), and what the samples mean (`colour`).

use crate::encode::PixelFormat;
use crate::encode::format::Layout;

/// A frame as it lies in the driver's buffer, long enough for its layout.
pub(super) struct Frame<'a> {
    pub pixels: PixelFormat,
    pub bytes: &'a [u8],
    pub layout: Layout,
}

impl<'a> Frame<'a> {
    /// Line `y` of Y, as wide as the frame.
    pub(super) fn luma(&self, y: usize, luma: &mut [u8]) {
        let line = self.line(y);
        match self.pixels {
            PixelFormat::Yuyv | PixelFormat::Yvyu => every_other::<0>(line, luma),
            PixelFormat::Uyvy => every_other::<1>(line, luma),
            PixelFormat::Nv12 | PixelFormat::Yu12 | PixelFormat::Grey => {
                let width = luma.len();
                luma.copy_from_slice(&line[..width]);
            }
            PixelFormat::Rgb24 => rgb_luma::<0, 2>(line, luma),
            PixelFormat::Bgr24 => rgb_luma::<2, 0>(line, luma),
        }
    }

    /// Cb and Cr of the lines `2 * pair` and `2 * pair + 1`, half as wide as the frame, rounded up.
    pub(super) fn chroma(&self, pair: usize, cb: &mut [u8], cr: &mut [u8]) {
        let y = 2 * pair;
        let lines = [self.line(y), self.line((y + 1).min(self.layout.height - 1))];
        match self.pixels {
            PixelFormat::Yuyv => packed_chroma::<1, 3>(lines, cb, cr),
            PixelFormat::Yvyu => packed_chroma::<3, 1>(lines, cb, cr),
            PixelFormat::Uyvy => packed_chroma::<0, 2>(lines, cb, cr),
            PixelFormat::Nv12 => {
                let both = self.line(self.layout.height + pair);
                every_other::<0>(both, cb);
                every_other::<1>(both, cr);
            }
            PixelFormat::Yu12 => {
                let planes = &self.bytes[self.layout.height * self.layout.stride..];
                let stride = self.layout.stride / 2;
                let below = self.layout.height.div_ceil(2);
                let width = cb.len();
                cb.copy_from_slice(&planes[pair * stride..][..width]);
                cr.copy_from_slice(&planes[(below + pair) * stride..][..width]);
            }
            PixelFormat::Rgb24 => rgb_chroma::<0, 2>(lines, cb, cr),
            PixelFormat::Bgr24 => rgb_chroma::<2, 0>(lines, cb, cr),
            PixelFormat::Grey => {}
        }
    }

    fn line(&self, y: usize) -> &'a [u8] {
        &self.bytes[y * self.layout.stride..][..self.layout.line]
    }
}

// Whole words are read and their bytes shifted out: so the loops become vectors without shuffles,
// which the oldest of the 64-bit processors do not have.

fn every_other<const AT: usize>(from: &[u8], to: &mut [u8]) {
    for (to, pair) in to.iter_mut().zip(from.as_chunks::<2>().0) {
        *to = (u16::from_le_bytes(*pair) >> (8 * AT)) as u8;
    }
}

/// The means of two lines of packed 4:2:2.
fn packed_chroma<const CB: usize, const CR: usize>(
    [above, below]: [&[u8]; 2],
    cb: &mut [u8],
    cr: &mut [u8],
) {
    let pixels = above
        .as_chunks::<4>()
        .0
        .iter()
        .zip(below.as_chunks::<4>().0)
        .map(|(a, b)| (u32::from_le_bytes(*a), u32::from_le_bytes(*b)));
    let mean = |at: usize, (a, b): (u32, u32)| {
        let byte = |word: u32| word >> (8 * at) & 0xff;
        ((byte(a) + byte(b) + 1) >> 1) as u8
    };
    for ((cb, cr), pixels) in cb.iter_mut().zip(cr).zip(pixels) {
        *cb = mean(CB, pixels);
        *cr = mean(CR, pixels);
    }
}

/// JFIF 1.02, page 3: Y = 0.299 R + 0.587 G + 0.114 B, in 16 bits behind the point.
fn rgb_luma<const R: usize, const B: usize>(line: &[u8], luma: &mut [u8]) {
    for (luma, p) in luma.iter_mut().zip(line.as_chunks::<3>().0) {
        let [r, g, b] = [p[R], p[1], p[B]].map(u32::from);
        *luma = ((19_595 * r + 38_470 * g + 7_471 * b + (1 << 15)) >> 16) as u8;
    }
}

/// Cb and Cr of the mean of four pixels, two at the right edge of an odd width.
fn rgb_chroma<const R: usize, const B: usize>(
    [above, below]: [&[u8]; 2],
    cb: &mut [u8],
    cr: &mut [u8],
) {
    let (above, last_above) = above.as_chunks::<6>();
    let (below, last_below) = below.as_chunks::<6>();
    let sum = |at: usize, a: &[u8; 6], b: &[u8; 6]| {
        [a[at], a[at + 3], b[at], b[at + 3]]
            .map(i32::from)
            .iter()
            .sum::<i32>()
    };
    let squares = above.iter().zip(below);
    for ((cb, cr), (a, b)) in cb.iter_mut().zip(cr.iter_mut()).zip(squares) {
        [*cb, *cr] = rgb_tint([sum(R, a, b), sum(1, a, b), sum(B, a, b)]);
    }
    if let (&[a0, a1, a2], &[b0, b1, b2]) = (last_above, last_below)
        && let (Some(cb), Some(cr)) = (cb.last_mut(), cr.last_mut())
    {
        let (a, b) = ([a0, a1, a2, a0, a1, a2], [b0, b1, b2, b0, b1, b2]);
        [*cb, *cr] = rgb_tint([sum(R, &a, &b), sum(1, &a, &b), sum(B, &a, &b)]);
    }
}

/// JFIF 1.02, page 3, of the sums of four pixels: Cb = −0.1687 R − 0.3313 G + 0.5 B + 128,
/// Cr = 0.5 R − 0.4187 G − 0.0813 B + 128.
fn rgb_tint([r, g, b]: [i32; 3]) -> [u8; 2] {
    // A little less than a half is added, so that 255.5 stays within a byte.
    let round = (128 << 18) + (1 << 17) - 1;
    let cb = (-11_059 * r - 21_709 * g + 32_768 * b + round) >> 18;
    let cr = (32_768 * r - 27_439 * g - 5_329 * b + round) >> 18;
    [cb as u8, cr as u8]
}

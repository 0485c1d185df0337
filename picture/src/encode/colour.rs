//! From the colours of a device to those of a JPEG.
//!
//! A JPEG (JFIF 1.02, page 2) holds Y'CbCr by the matrix of BT.601 in the full range, black 0 and white 255. A
//! device has a matrix and a range of its own and names them in `v4l2_pix_format`; what it leaves open is
//! taken as the V4L2_MAP_*_DEFAULT macros of linux/videodev2.h have it, which for a common camera is
//! BT.601 in the limited range, black 16 and white 235. Primaries and transfer function are left as
//! they are: near enough to sRGB for all but wide-gamut sources.
//!
//! Not here: where the samples lie (`unpack`).

use crate::encode::PixelFormat;

/// What Y'CbCr was made of R'G'B' with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601, that of JPEG.
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
    /// SMPTE 240M.
    Smpte240m,
}

/// Which values of a sample are black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Y and R, G, B 16 to 235, Cb and Cr 16 to 240.
    Limited,
    /// 0 to 255.
    Full,
}

/// What the samples of a raw frame mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colours {
    /// Of no meaning for RGB.
    pub matrix: Matrix,
    /// See [`Range`].
    pub range: Range,
}

/// V4L2_COLORSPACE_* (linux/videodev2.h).
const SMPTE240M: u32 = 2;
const REC709: u32 = 3;
const JPEG: u32 = 7;
const BT2020: u32 = 10;
const RAW: u32 = 11;
const DCI_P3: u32 = 12;

impl Colours {
    /// What the fields `colorspace`, `ycbcr_enc` and `quantization` of `v4l2_pix_format` say; 0 in
    /// any of them stands for V4L2's default.
    ///
    /// One departure: V4L2_COLORSPACE_RAW, as sensors without a converter have it, is the full range
    /// by default.
    #[must_use]
    pub fn from_v4l2(
        pixels: PixelFormat,
        colorspace: u32,
        ycbcr_enc: u32,
        quantization: u32,
    ) -> Colours {
        // V4L2_YCBCR_ENC_*, and V4L2_MAP_YCBCR_ENC_DEFAULT. The extended gamuts (xvYCC) are the same
        // matrix; the constant luminance of BT.2020 is no matrix and taken for the other.
        let matrix = match (ycbcr_enc, colorspace) {
            (2 | 4, _) | (0, REC709 | DCI_P3) => Matrix::Bt709,
            (6 | 7, _) | (0, BT2020) => Matrix::Bt2020,
            (8, _) | (0, SMPTE240M) => Matrix::Smpte240m,
            _ => Matrix::Bt601,
        };
        // V4L2_QUANTIZATION_*, and V4L2_MAP_QUANTIZATION_DEFAULT.
        let range = match (quantization, colorspace) {
            (1, _) => Range::Full,
            (2, _) => Range::Limited,
            (_, JPEG | RAW) => Range::Full,
            _ if pixels.is_rgb() => Range::Full,
            _ => Range::Limited,
        };
        Colours { matrix, range }
    }
}

/// The way from a device's Y'CbCr to that of JPEG. Factors are what is added to a sample, in fixed point, so
/// that all fits 16 bits and compilers make vectors of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Adjust {
    black: u8,
    /// Y' = Y + luma·(Y, Cb, Cr), with [`LUMA`] bits behind the point.
    luma: [i16; 3],
    /// Cb' = Cb + cb·(Cb, Cr), with [`CHROMA`] bits behind the point.
    cb: [i16; 2],
    /// Cr' = Cr + cr·(Cr, Cb).
    cr: [i16; 2],
}

/// Bits behind the point of a factor for Y: the sum of three products stays within 16.
const LUMA: i32 = 8;
/// The same for Cb and Cr, with two products.
const CHROMA: i32 = 9;

impl Adjust {
    /// `None` where there is nothing to do. RGB is taken for what `unpack` made of it with JPEG's matrix.
    pub(super) fn new(pixels: PixelFormat, colours: Colours) -> Option<Adjust> {
        let matrix = if pixels.is_rgb() {
            Matrix::Bt601
        } else {
            colours.matrix
        };
        if (matrix, colours.range) == (Matrix::Bt601, Range::Full) {
            return None;
        }
        let (black, y, c) = match colours.range {
            Range::Full => (0, 1.0, 1.0),
            Range::Limited if pixels.is_rgb() => (16, 255.0 / 219.0, 255.0 / 219.0),
            Range::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
        };
        let (kr, kb) = weights(matrix);
        let (to_kr, to_kb) = weights(Matrix::Bt601);
        let (kg, to_kg) = (1.0 - kr - kb, 1.0 - to_kr - to_kb);
        // What one unit of Cb, and one of Cr, adds to red, green and blue.
        let of_cb = [0.0, -2.0 * kb * (1.0 - kb) / kg, 2.0 * (1.0 - kb)];
        let of_cr = [2.0 * (1.0 - kr), -2.0 * kr * (1.0 - kr) / kg, 0.0];
        let jpeg = |[r, g, b]: [f64; 3]| {
            let luma = to_kr * r + to_kg * g + to_kb * b;
            [
                luma,
                (b - luma) / (2.0 * (1.0 - to_kb)),
                (r - luma) / (2.0 * (1.0 - to_kr)),
            ]
        };
        let (cb, cr) = (jpeg(of_cb), jpeg(of_cr));
        // Within ±0.25 for all matrices there are (see the tests), so no sum leaves 16 bits.
        let fixed = |x: f64, bits: i32| (x * f64::from(1 << bits)).round() as i16;
        Some(Adjust {
            black,
            luma: [y - 1.0, cb[0] * c, cr[0] * c].map(|x| fixed(x, LUMA)),
            cb: [cb[1] * c - 1.0, cr[1] * c].map(|x| fixed(x, CHROMA)),
            cr: [cr[2] * c - 1.0, cb[2] * c].map(|x| fixed(x, CHROMA)),
        })
    }

    /// A line of Y with the Cb and Cr of its pairs of pixels, which are not adjusted yet.
    pub(super) fn luma(&self, luma: &mut [u8], cb: &[u8], cr: &[u8]) {
        let [of_y, of_cb, of_cr] = self.luma;
        let adjusted = |y: u8, tint: i16| {
            let y = i16::from(y.saturating_sub(self.black));
            byte(y + ((y * of_y + tint) >> LUMA))
        };
        let half = 1 << (LUMA - 1);
        if (of_cb, of_cr) == (0, 0) || cb.is_empty() {
            for y in luma {
                *y = adjusted(*y, half);
            }
            return;
        }
        for ((pair, cb), cr) in luma.chunks_mut(2).zip(cb).zip(cr) {
            let tint = centred(*cb) * of_cb + centred(*cr) * of_cr + half;
            for y in pair {
                *y = adjusted(*y, tint);
            }
        }
    }

    /// A line of Cb and Cr.
    pub(super) fn chroma(&self, cb: &mut [u8], cr: &mut [u8]) {
        let adjusted = |c: i16, other: i16, [of_c, of_other]: [i16; 2]| {
            let half = 1 << (CHROMA - 1);
            byte(c + ((c * of_c + other * of_other + half) >> CHROMA) + 128)
        };
        for (cb, cr) in cb.iter_mut().zip(cr) {
            let (u, v) = (centred(*cb), centred(*cr));
            *cb = adjusted(u, v, self.cb);
            *cr = adjusted(v, u, self.cr);
        }
    }
}

/// The parts of red and blue in Y.
fn weights(matrix: Matrix) -> (f64, f64) {
    match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
        Matrix::Smpte240m => (0.212, 0.087),
    }
}

/// Cb or Cr about 0.
fn centred(c: u8) -> i16 {
    i16::from(c) - 128
}

/// The nearest that a sample can be.
fn byte(value: i16) -> u8 {
    value.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: [Matrix; 4] = [
        Matrix::Bt601,
        Matrix::Bt709,
        Matrix::Bt2020,
        Matrix::Smpte240m,
    ];

    /// R'G'B' (0 to 1) as a device with those colours codes it.
    fn coded(rgb: [f64; 3], Colours { matrix, range }: Colours) -> [f64; 3] {
        let (kr, kb) = weights(matrix);
        let [r, g, b] = rgb;
        let y = kr * r + (1.0 - kr - kb) * g + kb * b;
        let (cb, cr) = ((b - y) / (2.0 * (1.0 - kb)), (r - y) / (2.0 * (1.0 - kr)));
        match range {
            Range::Full => [255.0 * y, 128.0 + 255.0 * cb, 128.0 + 255.0 * cr],
            Range::Limited => [16.0 + 219.0 * y, 128.0 + 224.0 * cb, 128.0 + 224.0 * cr],
        }
    }

    #[test]
    fn every_colour_of_every_device_becomes_that_of_jpeg() {
        let jpeg = Colours {
            matrix: Matrix::Bt601,
            range: Range::Full,
        };
        for matrix in DEVICE {
            for range in [Range::Limited, Range::Full] {
                let colours = Colours { matrix, range };
                let adjust = Adjust::new(PixelFormat::Yuyv, colours);
                for i in 0..6 * 6 * 6 {
                    let rgb = [i % 6, i / 6 % 6, i / 36].map(|part| f64::from(part) / 5.0);
                    let want = coded(rgb, jpeg);
                    let [y, cb, cr] = coded(rgb, colours).map(|s| s.round() as u8);
                    let (mut line, mut us, mut vs) = ([y; 2], [cb], [cr]);
                    if let Some(adjust) = adjust {
                        adjust.luma(&mut line, &us, &vs);
                        adjust.chroma(&mut us, &mut vs);
                    }
                    for (got, want) in [line[0], us[0], vs[0]].into_iter().zip(want) {
                        let off = (f64::from(got) - want.min(255.0)).abs();
                        // Half a step on the way in, stretched, and half on the way out.
                        assert!(off < 1.5, "{colours:?} {rgb:?}: {got}, not {want}");
                    }
                    assert_eq!(line[0], line[1]);
                }
            }
        }
    }

    #[test]
    fn limited_range_is_stretched_to_the_nearest_step() {
        let limited = Colours::from_v4l2(PixelFormat::Yuyv, 0, 0, 2);
        let adjust = Adjust::new(PixelFormat::Yuyv, limited).unwrap();
        for sample in 0..=255u8 {
            let (mut y, mut cb, mut cr) = ([sample], [sample], [128]);
            adjust.luma(&mut y, &cb, &cr);
            adjust.chroma(&mut cb, &mut cr);
            let exact = f64::from(sample);
            for (got, want) in [
                (y[0], (exact - 16.0) * 255.0 / 219.0),
                (cb[0], (exact - 128.0) * 255.0 / 224.0 + 128.0),
            ] {
                // Half a step, and what the factors are rounded by: at most 0.08 at the far end.
                let off = (f64::from(got) - want.clamp(0.0, 255.0)).abs();
                assert!(off < 0.58, "{sample}: {got} and not {want}");
            }
            assert_eq!(cr, [128]);
        }
    }

    /// Also such as no colour has: this panics where sums leave their 16 bits.
    #[test]
    fn no_samples_overflow() {
        for matrix in DEVICE {
            for (pixels, range) in [
                (PixelFormat::Yuyv, Range::Limited),
                (PixelFormat::Yuyv, Range::Full),
                (PixelFormat::Rgb24, Range::Limited),
            ] {
                let Some(adjust) = Adjust::new(pixels, Colours { matrix, range }) else {
                    continue;
                };
                for i in 0..27 {
                    let [y, cb, cr] = [i % 3, i / 3 % 3, i / 9].map(|k| [0, 128, 255][k]);
                    adjust.luma(&mut [y; 3], &[cb; 2], &[cr; 2]);
                    adjust.chroma(&mut [cb], &mut [cr]);
                }
            }
        }
    }

    #[test]
    fn what_is_as_jpeg_has_it_is_left_alone() {
        for (pixels, quantization) in [(PixelFormat::Yuyv, 1), (PixelFormat::Rgb24, 0)] {
            let colours = Colours::from_v4l2(pixels, 0, 0, quantization);
            assert_eq!(Adjust::new(pixels, colours), None);
        }
    }

    #[test]
    fn what_a_driver_leaves_open_is_as_v4l2_has_it() {
        use Matrix::*;
        use Range::*;
        for (pixels, colorspace, ycbcr_enc, quantization, matrix, range) in [
            // uvcvideo: sRGB; a driver that sets nothing.
            (PixelFormat::Yuyv, 8, 0, 0, Bt601, Limited),
            (PixelFormat::Yuyv, 0, 0, 0, Bt601, Limited),
            // ov5640: sRGB, 601, full.
            (PixelFormat::Uyvy, 8, 1, 1, Bt601, Full),
            // HDMI at 1080p, and at 576p.
            (PixelFormat::Uyvy, REC709, 0, 0, Bt709, Limited),
            (PixelFormat::Uyvy, 1, 0, 0, Bt601, Limited),
            // What the encoding says goes before the colour space.
            (PixelFormat::Nv12, REC709, 1, 0, Bt601, Limited),
            (PixelFormat::Nv12, BT2020, 0, 0, Bt2020, Limited),
            (PixelFormat::Nv12, SMPTE240M, 0, 2, Smpte240m, Limited),
            (PixelFormat::Yu12, JPEG, 0, 0, Bt601, Full),
            (PixelFormat::Grey, RAW, 0, 0, Bt601, Full),
            (PixelFormat::Rgb24, 8, 0, 0, Bt601, Full),
            (PixelFormat::Bgr24, 8, 0, 2, Bt601, Limited),
        ] {
            let got = Colours::from_v4l2(pixels, colorspace, ycbcr_enc, quantization);
            assert_eq!(got, Colours { matrix, range }, "{pixels} {colorspace}");
        }
    }
}

//! Raw camera frames to JPEG.
//!
//! Packed YUYV 4:2:2 only (V4L2_PIX_FMT_YUYV, linux/videodev2.h), without a detour over RGB.

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use crate::{Error, checked_quality, encodable};

/// Encodes a frame of packed YUYV 4:2:2 as a baseline JPEG 4:2:0 into `out`, which is cleared first.
///
/// `stride` is in bytes from line to line; the last line may be short of it. Sides from 1 to
/// [`crate::MAX_SIDE`]; an odd width ends in half a pair of pixels. `quality` goes from 1 to 100.
///
/// The samples are taken as limited range (black 16, white 235, colours 16 to 240), which is V4L2's
/// default for Y'CbCr (`V4L2_MAP_QUANTIZATION_DEFAULT`), and stretched to the full range of JPEG.
pub fn encode_yuyv(
    yuyv: &[u8],
    width: u32,
    height: u32,
    stride: usize,
    quality: u8,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let quality = checked_quality(quality)?;
    let (w, h) = encodable(width, height)?;
    let line = usize::from(w).div_ceil(2) * 4;
    if stride < line {
        return Err(Error::Stride {
            width,
            line,
            stride,
        });
    }
    let need = stride
        .saturating_mul(usize::from(h) - 1)
        .saturating_add(line);
    if yuyv.len() < need {
        return Err(Error::TooShort {
            width,
            height,
            need,
            len: yuyv.len(),
        });
    }
    out.clear();
    let mut encoder = Encoder::new(out, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let frame = Yuyv {
        bytes: yuyv,
        width: w,
        height: h,
        line,
        stride,
    };
    encoder.encode_image(frame)?;
    Ok(())
}

struct Yuyv<'a> {
    bytes: &'a [u8],
    width: u16,
    height: u16,
    /// Bytes of a line's pixels.
    line: usize,
    stride: usize,
}

impl<'a> Yuyv<'a> {
    fn line(&self, y: u16) -> &'a [u8] {
        &self.bytes[usize::from(y) * self.stride..][..self.line]
    }
}

impl ImageBuffer for Yuyv<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, [luma, cb, cr, _]: &mut [Vec<u8>; 4]) {
        let width = usize::from(self.width);
        let line = self.line(y);
        let whole = luma.len() + width;
        luma.extend(line.chunks_exact(2).map(|pair| LUMA[usize::from(pair[0])]));
        luma.truncate(whole);
        // The encoder takes the colour of the even rows and columns; give it there the mean of two lines.
        let below = if y + 1 < self.height {
            self.line(y + 1)
        } else {
            line
        };
        for (buffer, offset) in [(cb, 1), (cr, 3)] {
            let whole = buffer.len() + width;
            if y.is_multiple_of(2) || y + 1 == self.height {
                buffer.extend(line.chunks_exact(4).zip(below.chunks_exact(4)).flat_map(
                    |(a, b)| {
                        let mean = (u16::from(a[offset]) + u16::from(b[offset])).div_ceil(2);
                        [CHROMA[usize::from(mean)]; 2]
                    },
                ));
            }
            buffer.resize(whole, 128);
        }
    }
}

/// Luma 16 to 235 stretched to 0 to 255.
const LUMA: [u8; 256] = stretched(16, 219, 0);
/// Colour 16 to 240, about 128, stretched to 1 to 255.
const CHROMA: [u8; 256] = stretched(128, 224, 128);

/// (i - zero) * 255 / span + to, rounded and cut to a byte.
const fn stretched(zero: i32, span: i32, to: i32) -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let scaled = (i as i32 - zero) * 255;
        let rounded = if scaled < 0 {
            (scaled - span / 2) / span
        } else {
            (scaled + span / 2) / span
        };
        let value = rounded + to;
        table[i] = if value < 0 {
            0
        } else if value > 255 {
            255
        } else {
            value as u8
        };
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::MAX_SIDE;
    use crate::testing::decode;

    /// A frame of one colour, with `pad` bytes of noise behind each line but the last.
    fn flat([y, u, v]: [u8; 3], width: usize, height: usize, pad: usize) -> (Vec<u8>, usize) {
        let line = [y, u, y, v].repeat(width.div_ceil(2));
        let stride = line.len() + pad;
        let mut frame = [line, vec![0xa5; pad]].concat().repeat(height);
        frame.truncate(frame.len() - pad);
        (frame, stride)
    }

    fn encoded(yuyv: &[u8], width: u32, height: u32, stride: usize) -> (usize, usize, Vec<u8>) {
        let mut out = vec![9; 9];
        encode_yuyv(yuyv, width, height, stride, 95, &mut out).unwrap();
        decode(&out)
    }

    #[test]
    fn limited_range_is_stretched() {
        // BT.601 limited range, as `ffmpeg -f lavfi -i color` makes them.
        for (yuv, rgb) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            ([126, 128, 128], [128, 128, 128]),
            ([81, 90, 240], [255, 0, 0]),
            ([145, 54, 34], [0, 255, 0]),
            ([41, 240, 110], [0, 0, 255]),
        ] {
            let (frame, stride) = flat(yuv, 32, 16, 0);
            let (_, _, pixels) = encoded(&frame, 32, 16, stride);
            for (got, want) in pixels.iter().zip(rgb.iter().cycle()) {
                assert!(got.abs_diff(*want) <= 4, "{yuv:?}: {:?}", &pixels[..3]);
            }
        }
    }

    #[test]
    fn each_pixel_is_in_its_place() {
        // The left half dark, the right half bright; the upper half red, the lower blue.
        let (w, h) = (64, 48);
        let frame: Vec<u8> = (0..w * h * 2)
            .map(|i| {
                let (x, y) = (i / 2 % w, i / 2 / w);
                match i % 4 {
                    1 => {
                        if y < h / 2 {
                            100
                        } else {
                            200
                        }
                    }
                    3 => {
                        if y < h / 2 {
                            200
                        } else {
                            100
                        }
                    }
                    _ => {
                        if x < w / 2 {
                            60
                        } else {
                            160
                        }
                    }
                }
            })
            .collect();
        let (_, _, pixels) = encoded(&frame, w as u32, h as u32, w * 2);
        let at = |x: usize, y: usize| &pixels[(y * w + x) * 3..][..3];
        assert!(at(10, 10)[0] > at(10, 10)[2] && at(10, 40)[0] < at(10, 40)[2]);
        assert!(at(50, 10)[0] > at(10, 10)[0] && at(50, 40)[2] > at(10, 40)[2]);
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let encode = |len: usize, w, h, stride, quality| {
            encode_yuyv(&vec![0; len], w, h, stride, quality, &mut Vec::new()).unwrap_err()
        };
        assert!(matches!(encode(0, 0, 8, 0, 80), Error::FrameSize { .. }));
        assert!(matches!(
            encode(0, 8, MAX_SIDE + 1, 16, 80),
            Error::FrameSize { .. }
        ));
        assert!(matches!(
            encode(256, 8, 8, 15, 80),
            Error::Stride { line: 16, .. }
        ));
        assert!(matches!(
            encode(127, 8, 8, 16, 80),
            Error::TooShort { need: 128, .. }
        ));
        assert!(matches!(
            encode(127, 8, 8, usize::MAX, 80),
            Error::TooShort { .. }
        ));
        assert!(matches!(encode(128, 8, 8, 16, 0), Error::Quality(0)));
    }

    proptest! {
        #[test]
        fn any_size_and_stride(w in 1usize..80, h in 1usize..60, pad in 0usize..9) {
            let (frame, stride) = flat([126, 90, 160], w, h, pad);
            let (dw, dh, pixels) = encoded(&frame, w as u32, h as u32, stride);
            prop_assert_eq!((dw, dh), (w, h));
            for (p, want) in pixels.iter().zip([179, 116, 51].iter().cycle()) {
                prop_assert!(p.abs_diff(*want) <= 4, "{:?}", &pixels[..3]);
            }
        }
    }
}

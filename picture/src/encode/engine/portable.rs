//! Planes as `jpeg-encoder` takes pictures: line by line, at full width.

use jpeg_encoder::{Encoder, EncodingError, ImageBuffer, JpegColorType, SamplingFactor};

use crate::encode::Planes;

/// Appends a JPEG to `out`.
pub(super) fn encode(planes: &Planes, quality: u8, out: &mut Vec<u8>) -> Result<(), EncodingError> {
    let mut encoder = Encoder::new(out, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode_image(planes)
}

impl ImageBuffer for &Planes {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        if self.is_grey() {
            JpegColorType::Luma
        } else {
            JpegColorType::Ycbcr
        }
    }

    // The sides were checked against MAX_SIDE when the planes were loaded.
    fn width(&self) -> u16 {
        Planes::width(self) as u16
    }

    fn height(&self) -> u16 {
        Planes::height(self) as u16
    }

    fn fill_buffers(&self, y: u16, [luma, cb, cr, _]: &mut [Vec<u8>; 4]) {
        let (y, width) = (usize::from(y), Planes::width(self) as usize);
        let [whole, halves @ ..] = self.planes();
        luma.extend_from_slice(&whole[y * self.stride()..][..width]);
        if self.is_grey() {
            return;
        }
        for (line, half) in [cb, cr].into_iter().zip(halves) {
            let begin = line.len();
            line.resize(begin + width, 0);
            // Of the colours the encoder reads only the even lines and columns; below the picture it
            // asks for the last line again.
            if y.is_multiple_of(2) || y + 1 == Planes::height(self) as usize {
                let half = &half[y / 2 * self.half_stride()..][..self.half_stride()];
                let (pairs, last) = line[begin..].as_chunks_mut::<2>();
                for (pair, &c) in pairs.iter_mut().zip(half) {
                    *pair = [c; 2];
                }
                if let ([last], Some(&c)) = (last, half.last()) {
                    *last = c;
                }
            }
        }
    }
}

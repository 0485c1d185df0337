//! Packed BGR out of a driver's buffer, whose lines may be longer than the picture's.
//!
//! Not here: other formats, which go through the encoder.

use crate::source::Image;

/// Takes frames of one size out of buffers.
pub(super) struct Unpacker {
    width: u32,
    height: u32,
    /// Bytes from line to line.
    stride: usize,
    pixels: Vec<u8>,
}

impl Unpacker {
    /// A stride of 0, which some drivers leave there, or one shorter than a line is none.
    pub(super) fn new(width: u32, height: u32, stride: usize) -> Unpacker {
        Unpacker {
            width,
            height,
            stride: stride.max(width as usize * 3),
            pixels: Vec::new(),
        }
    }

    /// Nothing for a frame that is not whole. Copies only where lines have a gap between them.
    pub(super) fn unpack<'a>(&'a mut self, bytes: &'a [u8]) -> Option<Image<'a>> {
        let line = self.width as usize * 3;
        let lines = self.height as usize;
        let pixels = if self.stride == line {
            bytes.get(..line * lines)?
        } else {
            let end = self.stride * lines.checked_sub(1)? + line;
            self.pixels.clear();
            for row in bytes.get(..end)?.chunks(self.stride) {
                self.pixels.extend_from_slice(&row[..line]);
            }
            &self.pixels
        };
        Some(Image::Bgr {
            pixels,
            width: self.width,
            height: self.height,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(stride: usize, bytes: &[u8]) -> Option<Vec<u8>> {
        match Unpacker::new(2, 2, stride).unpack(bytes)? {
            Image::Bgr { pixels, .. } => Some(pixels.to_vec()),
            Image::Jpeg(_) => None,
        }
    }

    #[test]
    fn lines_come_one_behind_the_other() {
        let packed: Vec<u8> = (0..12).collect();
        for stride in [0, 6] {
            assert_eq!(
                pixels(stride, &[&packed[..], &[9; 4]].concat()),
                Some(packed.clone())
            );
            assert_eq!(pixels(stride, &packed[..11]), None);
        }
        let gaps = [&packed[..6], &[0, 0], &packed[6..]].concat();
        assert_eq!(pixels(8, &gaps), Some(packed.clone()));
        assert_eq!(pixels(8, &gaps[..13]), None);
    }
}

//! A frame in the planes and the colours of a JPEG.
//!
//! Not here: how each format is read (`unpack`) and what its samples mean (`colour`).

use crate::Error;
use crate::encode::PixelFormat;
use crate::encode::colour::Adjust;
use crate::encode::format::RawFormat;
use crate::encode::unpack::Frame;

/// Planes of Y, Cb and Cr, 4:2:0, full range BT.601 as JFIF has it; of a grey frame, of Y alone.
///
/// The plane of Y has an even number of lines and columns, those of Cb and Cr half as many: at odd sizes
/// the last ones are there twice. Takes 1.5 bytes a pixel (grey: 1).
#[derive(Debug, Clone, Default)]
pub struct Planes {
    width: usize,
    height: usize,
    grey: bool,
    /// Y, Cb and Cr, one behind the other.
    bytes: Vec<u8>,
}

impl Planes {
    /// Takes in a frame. What `raw` holds beyond it is left alone. After an error the planes hold
    /// what they held. Allocates only where a frame is larger than all before.
    ///
    /// # Errors
    /// A size that no JPEG has, lines that overlap, a buffer that is shorter than size and stride say.
    pub fn load(&mut self, raw: &[u8], format: &RawFormat) -> Result<(), Error> {
        let layout = format.layout_in(raw.len())?;
        let frame = Frame {
            pixels: format.pixels,
            bytes: raw,
            layout,
        };
        let adjust = Adjust::new(format.pixels, format.colours);
        self.width = layout.width;
        self.height = layout.height;
        self.grey = format.pixels == PixelFormat::Grey;
        let (stride, half) = (self.stride(), self.half_stride());
        let luma_len = stride * self.height.next_multiple_of(2);
        let chroma_len = if self.grey { 0 } else { luma_len / 4 };
        self.bytes.resize(luma_len + 2 * chroma_len, 0);
        let (luma, chroma) = self.bytes.split_at_mut(luma_len);
        let (cb, cr) = chroma.split_at_mut(chroma_len);
        for (pair, lines) in luma.chunks_exact_mut(2 * stride).enumerate() {
            let (cb, cr) = match chroma_len {
                0 => (&mut [][..], &mut [][..]),
                _ => (
                    &mut cb[pair * half..][..half],
                    &mut cr[pair * half..][..half],
                ),
            };
            frame.chroma(pair, cb, cr);
            for (i, line) in lines.chunks_exact_mut(stride).enumerate() {
                let y = (2 * pair + i).min(layout.height - 1);
                frame.luma(y, &mut line[..layout.width]);
                if let Some(adjust) = &adjust {
                    adjust.luma(&mut line[..layout.width], cb, cr);
                }
                // The last column once more, where there is one too many.
                line[stride - 1] = line[layout.width - 1];
            }
            if let Some(adjust) = &adjust {
                adjust.chroma(cb, cr);
            }
        }
        Ok(())
    }

    /// Pixels; 0 before the first frame.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width as u32
    }

    /// Pixels; 0 before the first frame.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height as u32
    }

    pub(super) fn is_grey(&self) -> bool {
        self.grey
    }

    /// Bytes of a line of Y.
    pub(super) fn stride(&self) -> usize {
        self.width.next_multiple_of(2)
    }

    /// Bytes of a line of Cb or Cr.
    pub(super) fn half_stride(&self) -> usize {
        self.width.div_ceil(2)
    }

    /// Y, Cb and Cr; the last two empty where it is grey.
    pub(super) fn planes(&self) -> [&[u8]; 3] {
        let (luma, chroma) = self
            .bytes
            .split_at(self.stride() * self.height.next_multiple_of(2));
        let (cb, cr) = chroma.split_at(chroma.len() / 2);
        [luma, cb, cr]
    }
}

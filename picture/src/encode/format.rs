//! Where the samples of a raw frame lie in its buffer.
//!
//! Not here: reading them (`unpack`), and what they mean as colours (`colour`).

use std::fmt;

use crate::encode::Colours;
use crate::{Error, encodable};

/// The raw formats that are encoded: V4L2_PIX_FMT_* of linux/videodev2.h, by the names that people
/// use. Their layouts are those of the kernel's documentation ("Image Formats").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Packed 4:2:2: Y Cb Y Cr.
    Yuyv,
    /// Packed 4:2:2: Y Cr Y Cb.
    Yvyu,
    /// Packed 4:2:2: Cb Y Cr Y.
    Uyvy,
    /// 4:2:0: a plane of Y, then one of Cb and Cr in turn.
    Nv12,
    /// 4:2:0: planes of Y, Cb and Cr (V4L2_PIX_FMT_YUV420).
    Yu12,
    /// Packed R G B (V4L2_PIX_FMT_RGB24, fourcc `RGB3`).
    Rgb24,
    /// Packed B G R (V4L2_PIX_FMT_BGR24, fourcc `BGR3`).
    Bgr24,
    /// Y alone.
    Grey,
}

impl PixelFormat {
    /// All, the cheapest to carry and to take in first; last GREY, which has no colours.
    pub const ALL: [PixelFormat; 8] = [
        PixelFormat::Yu12,
        PixelFormat::Nv12,
        PixelFormat::Yuyv,
        PixelFormat::Yvyu,
        PixelFormat::Uyvy,
        PixelFormat::Rgb24,
        PixelFormat::Bgr24,
        PixelFormat::Grey,
    ];

    /// The format with that V4L2 fourcc, if it is encoded here.
    #[must_use]
    pub fn from_fourcc(fourcc: [u8; 4]) -> Option<PixelFormat> {
        PixelFormat::ALL
            .into_iter()
            .find(|format| format.fourcc() == fourcc)
    }

    /// The V4L2 fourcc (linux/videodev2.h).
    #[must_use]
    pub fn fourcc(self) -> [u8; 4] {
        *match self {
            PixelFormat::Yuyv => b"YUYV",
            PixelFormat::Yvyu => b"YVYU",
            PixelFormat::Uyvy => b"UYVY",
            PixelFormat::Nv12 => b"NV12",
            PixelFormat::Yu12 => b"YU12",
            PixelFormat::Rgb24 => b"RGB3",
            PixelFormat::Bgr24 => b"BGR3",
            PixelFormat::Grey => b"GREY",
        }
    }

    /// Whether its samples are red, green and blue.
    #[must_use]
    pub fn is_rgb(self) -> bool {
        matches!(self, PixelFormat::Rgb24 | PixelFormat::Bgr24)
    }

    /// Bytes that `width` pixels of the first plane take, at least. Where pixels share their colour, an
    /// odd width ends in half a pair.
    fn line(self, width: usize) -> usize {
        match self {
            PixelFormat::Yuyv | PixelFormat::Yvyu | PixelFormat::Uyvy => width.div_ceil(2) * 4,
            PixelFormat::Nv12 | PixelFormat::Yu12 => width.next_multiple_of(2),
            PixelFormat::Rgb24 | PixelFormat::Bgr24 => width * 3,
            PixelFormat::Grey => width,
        }
    }
}

/// As `--format` and logs name it.
impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PixelFormat::Yuyv => "YUYV",
            PixelFormat::Yvyu => "YVYU",
            PixelFormat::Uyvy => "UYVY",
            PixelFormat::Nv12 => "NV12",
            PixelFormat::Yu12 => "YU12",
            PixelFormat::Rgb24 => "RGB24",
            PixelFormat::Bgr24 => "BGR24",
            PixelFormat::Grey => "GREY",
        })
    }
}

/// What a driver says of the frames in its buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFormat {
    /// How the samples lie.
    pub pixels: PixelFormat,
    /// Pixels, 1 to [`crate::MAX_SIDE`].
    pub width: u32,
    /// Pixels, 1 to [`crate::MAX_SIDE`].
    pub height: u32,
    /// Bytes from line to line of the first plane (`bytesperline`); the planes lie one behind the other. The
    /// line of NV12's second plane is as long, those of YU12's second and third half as long.
    pub stride: usize,
    /// What the samples mean.
    pub colours: Colours,
}

/// Where the lines of a frame begin, all of them inside the buffer it was made for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Bytes of a line in the first plane, and from line to line.
    pub line: usize,
    pub stride: usize,
}

impl RawFormat {
    /// Lines without a gap, colours as V4L2 has them by default.
    #[must_use]
    pub fn new(pixels: PixelFormat, width: u32, height: u32) -> RawFormat {
        RawFormat {
            pixels,
            width,
            height,
            stride: pixels.line(width as usize),
            colours: Colours::from_v4l2(pixels, 0, 0, 0),
        }
    }

    /// The same with so many bytes from line to line; 0, which some drivers leave there, for no gap.
    #[must_use]
    pub fn with_stride(self, stride: usize) -> RawFormat {
        let stride = match stride {
            0 => self.pixels.line(self.width as usize),
            given => given,
        };
        RawFormat { stride, ..self }
    }

    /// The same with other colours.
    #[must_use]
    pub fn with_colours(self, colours: Colours) -> RawFormat {
        RawFormat { colours, ..self }
    }

    /// Bytes of a whole frame; its last line may be short of the stride.
    ///
    /// # Errors
    /// A size that no JPEG has, lines that overlap.
    pub fn frame_len(&self) -> Result<usize, Error> {
        let Layout {
            width,
            height,
            line,
            stride,
        } = self.layout()?;
        let half_height = height.div_ceil(2);
        // The plane of Y apart, where what follows has lines of another length.
        let (luma, step, lines, line) = match self.pixels {
            PixelFormat::Yu12 => (height, stride / 2, 2 * half_height, width.div_ceil(2)),
            PixelFormat::Nv12 => (0, stride, height + half_height, line),
            _ => (0, stride, height, line),
        };
        Ok(stride
            .saturating_mul(luma)
            .saturating_add(step.saturating_mul(lines - 1))
            .saturating_add(line))
    }

    /// Where the lines of a frame lie in a buffer of `len` bytes.
    pub(super) fn layout_in(&self, len: usize) -> Result<Layout, Error> {
        let need = self.frame_len()?;
        if len < need {
            return Err(Error::TooShort {
                width: self.width,
                height: self.height,
                need,
                len,
            });
        }
        self.layout()
    }

    fn layout(&self) -> Result<Layout, Error> {
        let (width, height) = encodable(self.width, self.height)?;
        let (width, height) = (usize::from(width), usize::from(height));
        let line = self.pixels.line(width);
        if self.stride < line {
            return Err(Error::Stride {
                width: self.width,
                line,
                stride: self.stride,
            });
        }
        Ok(Layout {
            width,
            height,
            line,
            stride: self.stride,
        })
    }
}

/// For people: `YUYV 1280x720`.
impl fmt::Display for RawFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}", self.pixels, self.width, self.height)
    }
}

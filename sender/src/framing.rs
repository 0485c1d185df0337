//! What a stream's protocol makes of frames: what goes before, between and behind them, and in what
//! form they are. All that tells one protocol's stream from another's.
//!
//! Not here: which frame is next, and how its bytes get to the socket (`stream`).

use shm_ring::FrameInfo;
use worker::{Wants, unix_ns};

use crate::http::multipart::{self, Part};
use crate::http::reply;
use crate::raw;

/// The streams that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// JPEGs as the parts of an HTTP reply, in one of the forms that µStreamer has for them.
    Multipart(Wants),
    /// Packed BGR behind a header of 8 bytes.
    Raw,
}

/// What a picture's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JPEG.
    Jpeg,
    /// Packed BGR, 3 bytes a pixel.
    Bgr,
}

/// A picture's width and height, pixels.
pub(crate) type Size = (u16, u16);

impl Framing {
    /// The name in status and logs.
    pub fn name(self) -> &'static str {
        match self {
            Framing::Multipart(_) => "http-stream",
            Framing::Raw => "raw",
        }
    }

    /// How its viewer wants it.
    pub fn wants(self) -> Wants {
        match self {
            Framing::Multipart(wants) => wants,
            Framing::Raw => Wants::default(),
        }
    }

    /// What its pictures are to be.
    pub fn form(self) -> Form {
        match self {
            Framing::Multipart(_) => Form::Jpeg,
            Framing::Raw => Form::Bgr,
        }
    }

    /// Whether nothing in the stream says how long a picture is. Then nothing of a torn one may go
    /// out: who takes the connection's end for the picture's would show it.
    pub fn is_unbounded(self) -> bool {
        self.wants().advance_headers
    }

    /// Appends what goes before everything to `out`, with further lines for an HTTP head.
    pub fn open(self, headers: &str, out: &mut Vec<u8>) {
        if let Framing::Multipart(wants) = self {
            out.extend_from_slice(&reply::stream_head(headers));
            out.extend_from_slice(multipart::OPENING);
            if wants.advance_headers {
                multipart::advance(unix_ns(), out);
            }
        }
    }

    /// Writes what goes before a picture into `out`, which is cleared first.
    pub fn header(self, part: &Part, (width, height): Size, out: &mut Vec<u8>) {
        match self {
            Framing::Multipart(wants) if wants.advance_headers => out.clear(),
            Framing::Multipart(_) => multipart::header(part, out),
            Framing::Raw => raw::header(width, height, out),
        }
    }

    /// Appends what follows each picture.
    pub fn end_picture(self, out: &mut Vec<u8>) {
        if let Framing::Multipart(wants) = self {
            out.extend_from_slice(multipart::TRAILER);
            if wants.advance_headers {
                multipart::advance(unix_ns(), out);
            }
        }
    }

    /// Behind that, what ends the stream.
    pub fn closing(self) -> &'static [u8] {
        match self {
            Framing::Multipart(_) => multipart::CLOSING,
            Framing::Raw => b"",
        }
    }
}

impl Form {
    /// Form and size of a frame, as the ring's fourcc says; none where it is neither, or its length
    /// is not that of its pixels. Nothing is known of what a JPEG has inside.
    pub fn of(info: &FrameInfo) -> Option<(Form, Size)> {
        let meta = &info.meta;
        let size = (meta.width.try_into().ok()?, meta.height.try_into().ok()?);
        match &meta.format {
            b"MJPG" => Some((Form::Jpeg, size)),
            b"BGR3" if picture::bgr_len(meta.width, meta.height) == Some(info.len) => {
                Some((Form::Bgr, size))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use shm_ring::FrameMeta;

    use super::*;

    fn form(format: &[u8; 4], width: u32, height: u32, len: usize) -> Option<(Form, Size)> {
        Form::of(&FrameInfo {
            id: 1,
            len,
            epoch: 1,
            published_ns: 0,
            meta: FrameMeta {
                format: *format,
                width,
                height,
                ..FrameMeta::default()
            },
        })
    }

    #[test]
    fn only_what_can_be_sent() {
        assert_eq!(form(b"MJPG", 64, 48, 7), Some((Form::Jpeg, (64, 48))));
        assert_eq!(form(b"BGR3", 4, 2, 24), Some((Form::Bgr, (4, 2))));
        for (format, width, height, len) in [
            (b"BGR3", 4, 2, 23),
            (b"BGR3", 4, 2, 25),
            (b"BGR3", 0, 2, 0),
            (b"BGR3", 65_536, 1, 196_608),
            (b"MJPG", 65_536, 1, 7),
            (b"YUYV", 4, 2, 16),
            (b"\0\0\0\0", 4, 2, 24),
        ] {
            assert_eq!(form(format, width, height, len), None, "{format:?} {len}");
        }
    }
}

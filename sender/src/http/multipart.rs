//! The parts of a stream: `multipart/x-mixed-replace` as browsers have shown it since 1995
//! (syntax: RFC 2046 section 5.1).
//!
//! The boundary goes out behind each picture and not before the next, so that a browser knows at
//! once that the picture is whole. Not here: when a part is sent, and its picture's bytes.

use std::io::Write as _;

/// The boundary's name; the one that mjpg-streamer and µStreamer use.
pub const BOUNDARY: &str = "boundarydonotcross";
/// Opens the first part, behind the stream's head.
pub const OPENING: &[u8] = b"--boundarydonotcross\r\n";
/// Follows each picture.
pub const TRAILER: &[u8] = b"\r\n--boundarydonotcross\r\n";
/// Behind a trailer, ends the stream: the part that the trailer announced is empty, without even
/// headers, and the last one.
pub const CLOSING: &[u8] = b"\r\n--boundarydonotcross--\r\n";

/// What a part's headers say of its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Bytes of the JPEG.
    pub len: usize,
    /// Unix time of capture, nanoseconds.
    pub captured_ns: u64,
    /// The frame and how many before it were skipped; a placeholder has none.
    pub frame: Option<FrameNumber>,
}

/// A frame's place in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameNumber {
    /// The ring's id.
    pub id: u64,
    /// Frames that this viewer did not get, between the one sent before and this.
    pub skipped: u64,
}

/// A Unix time in nanoseconds, as the `seconds.microseconds` of an `X-Timestamp`.
#[derive(Debug, Clone, Copy)]
pub struct Stamp(pub u64);

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = self.0 / 1_000;
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// Writes the part's header into `out`, which is cleared first.
pub fn header(part: &Part, out: &mut Vec<u8>) {
    out.clear();
    // Writing to a Vec never fails.
    let _ = write!(
        out,
        "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}\r\n",
        part.len,
        Stamp(part.captured_ns),
    );
    let _ = match part.frame {
        Some(FrameNumber { id, skipped }) => write!(
            out,
            "X-Seqcast-Frame: {id}\r\nX-Seqcast-Skipped: {skipped}\r\n\r\n"
        ),
        // For another seqcast, whose viewers are to be told and not shown a picture of it.
        None => write!(out, "X-Seqcast-Signal: none\r\n\r\n"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame() {
        let mut out = b"old".to_vec();
        let part = Part {
            len: 102_400,
            captured_ns: 1_732_270_000_001_002_999,
            frame: Some(FrameNumber { id: 7, skipped: 2 }),
        };
        header(&part, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Content-Type: image/jpeg\r\nContent-Length: 102400\r\n\
             X-Timestamp: 1732270000.001002\r\n\
             X-Seqcast-Frame: 7\r\nX-Seqcast-Skipped: 2\r\n\r\n"
        );
    }

    #[test]
    fn a_placeholder_has_no_id_and_says_what_it_is() {
        let mut out = Vec::new();
        header(
            &Part {
                len: 1,
                captured_ns: 0,
                frame: None,
            },
            &mut out,
        );
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("X-Timestamp: 0.000000\r\n") && !text.contains("Seqcast-Frame"));
        assert!(
            text.ends_with("\r\nX-Seqcast-Signal: none\r\n\r\n"),
            "{text}"
        );
    }

    #[test]
    fn delimiters_carry_the_boundary() {
        assert_eq!(OPENING, format!("--{BOUNDARY}\r\n").as_bytes());
        assert_eq!(TRAILER, format!("\r\n--{BOUNDARY}\r\n").as_bytes());
        assert_eq!(CLOSING, format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    }
}

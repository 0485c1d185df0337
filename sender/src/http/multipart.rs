//! The parts of a stream: `multipart/x-mixed-replace` as browsers have shown it since 1995
//! (syntax: RFC 2046 section 5.1).
//!
//! The boundary goes out behind each picture and not before the next, so that a browser knows at
//! once that the picture is whole. µStreamer's further headers and its other forms of a part are as
//! its version 6 sends them (src/ustreamer/http/server.c, `_http_callback_stream_write`).
//!
//! Not here: when a part is sent, and its picture's bytes.

use std::io::Write as _;

use worker::{monotonic_ns, unix_ns};

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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Bytes of the JPEG; 0 where it is left out.
    pub len: usize,
    /// Unix time of capture, nanoseconds.
    pub captured_ns: u64,
    /// The frame's place in the stream; a placeholder has none.
    pub frame: Option<FrameNumber>,
    /// What µStreamer says of it, too, for who asked for it.
    pub extra: Option<Extra>,
}

/// A frame's place in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameNumber {
    /// The ring's id.
    pub id: u64,
    /// Frames that this viewer was to have and did not get, between the one sent before and this.
    /// Those that it asked not to have are not among them.
    pub skipped: u64,
    /// Those; none where it asked for all.
    pub asked: Option<u64>,
    /// It was sent before, and is sent once more (`dual_final_frames`).
    pub again: bool,
}

/// What the `X-UStreamer-*` headers say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extra {
    /// Pixels.
    pub size: (u16, u16),
    /// Frames that went to the viewer lately, a second.
    pub fps: f64,
    /// Unix time of publication, nanoseconds.
    pub published_ns: u64,
    /// When the part is sent.
    pub sent: Clocks,
}

/// One moment on both clocks, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// Unix time.
    pub unix_ns: u64,
    /// `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
}

impl Clocks {
    /// This moment.
    pub fn now() -> Self {
        Clocks {
            unix_ns: unix_ns(),
            monotonic_ns: monotonic_ns(),
        }
    }

    /// A Unix time of the past on the other clock.
    pub fn monotonic(self, unix_ns: u64) -> u64 {
        let age = self.unix_ns.saturating_sub(unix_ns);
        self.monotonic_ns.saturating_sub(age)
    }
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
    if let Some(extra) = &part.extra {
        write_extra(part, extra, out);
    }
    let _ = match part.frame {
        Some(FrameNumber { id, skipped, .. }) => write!(
            out,
            "X-Seqcast-Frame: {id}\r\nX-Seqcast-Skipped: {skipped}\r\n"
        ),
        // For another seqcast, whose viewers are to be told and not shown a picture of it.
        None => write!(out, "X-Seqcast-Signal: none\r\n"),
    };
    if let Some(asked) = part.frame.and_then(|frame| frame.asked) {
        let _ = write!(out, "X-Seqcast-Asked: {asked}\r\n");
    }
    if part.frame.is_some_and(|frame| frame.again) {
        out.extend_from_slice(b"X-Seqcast-Again: 1\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// The headers of µStreamer, whose times are those of `CLOCK_MONOTONIC`. A frame is taken in one
/// moment, encoded until it was published, and shown then.
fn write_extra(part: &Part, extra: &Extra, out: &mut Vec<u8>) {
    let (width, height) = extra.size;
    let _ = write!(
        out,
        "X-UStreamer-Online: {}\r\n\
         X-UStreamer-Dropped: {}\r\n\
         X-UStreamer-Width: {width}\r\n\
         X-UStreamer-Height: {height}\r\n\
         X-UStreamer-Client-FPS: {:.0}\r\n",
        part.frame.is_some(),
        part.frame.map_or(0, |frame| frame.skipped),
        extra.fps,
    );
    let captured = extra.sent.monotonic(part.captured_ns);
    let published = extra.sent.monotonic(extra.published_ns);
    for (name, at) in [
        ("Grab-Begin-Time", captured),
        ("Grab-End-Time", captured),
        ("Encode-Begin-Time", captured),
        ("Encode-End-Time", published),
        ("Expose-Begin-Time", published),
        ("Expose-Cmp-Time", published),
        ("Expose-End-Time", published),
        ("Send-Time", extra.sent.monotonic_ns),
        (
            "Latency",
            extra.sent.unix_ns.saturating_sub(part.captured_ns),
        ),
    ] {
        let _ = write!(out, "X-UStreamer-{name}: {}\r\n", Stamp(at));
    }
}

/// Appends the headers of a part that is still to come (`advance_headers`): nobody knows its length,
/// and its time is that of its announcement.
pub fn advance(unix_ns: u64, out: &mut Vec<u8>) {
    let stamp = Stamp(unix_ns);
    let _ = write!(
        out,
        "Content-Type: image/jpeg\r\nX-Timestamp: {stamp}\r\n\r\n"
    );
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
            frame: Some(FrameNumber {
                id: 7,
                skipped: 2,
                asked: None,
                again: false,
            }),
            extra: None,
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
                extra: None,
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
    fn a_frame_for_who_wants_to_know_all() {
        let mut out = Vec::new();
        let part = Part {
            len: 0,
            captured_ns: 1_732_270_000_001_002_999,
            frame: Some(FrameNumber {
                id: 7,
                skipped: 2,
                asked: Some(5),
                again: true,
            }),
            extra: Some(Extra {
                size: (640, 480),
                fps: 29.6,
                published_ns: 1_732_270_000_011_002_999,
                sent: Clocks {
                    unix_ns: 1_732_270_000_021_002_999,
                    monotonic_ns: 100_000_000_000,
                },
            }),
        };
        header(&part, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Content-Type: image/jpeg\r\nContent-Length: 0\r\n\
             X-Timestamp: 1732270000.001002\r\n\
             X-UStreamer-Online: true\r\nX-UStreamer-Dropped: 2\r\n\
             X-UStreamer-Width: 640\r\nX-UStreamer-Height: 480\r\n\
             X-UStreamer-Client-FPS: 30\r\n\
             X-UStreamer-Grab-Begin-Time: 99.980000\r\nX-UStreamer-Grab-End-Time: 99.980000\r\n\
             X-UStreamer-Encode-Begin-Time: 99.980000\r\nX-UStreamer-Encode-End-Time: 99.990000\r\n\
             X-UStreamer-Expose-Begin-Time: 99.990000\r\nX-UStreamer-Expose-Cmp-Time: 99.990000\r\n\
             X-UStreamer-Expose-End-Time: 99.990000\r\nX-UStreamer-Send-Time: 100.000000\r\n\
             X-UStreamer-Latency: 0.020000\r\n\
             X-Seqcast-Frame: 7\r\nX-Seqcast-Skipped: 2\r\n\
             X-Seqcast-Asked: 5\r\nX-Seqcast-Again: 1\r\n\r\n"
        );
    }

    #[test]
    fn delimiters_carry_the_boundary() {
        assert_eq!(OPENING, format!("--{BOUNDARY}\r\n").as_bytes());
        assert_eq!(TRAILER, format!("\r\n--{BOUNDARY}\r\n").as_bytes());
        assert_eq!(CLOSING, format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    }
}

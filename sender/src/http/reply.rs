//! Heads of replies, and the short replies as a whole (RFC 9110, RFC 9112).
//!
//! Every reply but a stream says `Connection: close`: one connection, one request, one process.
//! Not here: the parts of a stream (`multipart`), and writing any of it to a socket.

use shm_ring::FrameInfo;

use super::clip::file_name;
use super::multipart::{BOUNDARY, Stamp};
use super::request::Reject;

/// The status codes in use (RFC 9110 section 15; 431: RFC 6585).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
#[allow(missing_docs)] // the names say it
pub enum Code {
    Ok = 200,
    BadRequest = 400,
    Forbidden = 403,
    NotFound = 404,
    MethodNotAllowed = 405,
    RequestTimeout = 408,
    Conflict = 409,
    LengthRequired = 411,
    ContentTooLarge = 413,
    UnsupportedMedia = 415,
    Misdirected = 421,
    Unprocessable = 422,
    HeadTooLarge = 431,
    InternalError = 500,
    NotImplemented = 501,
    Unavailable = 503,
}

impl Code {
    fn reason(self) -> &'static str {
        match self {
            Code::Ok => "OK",
            Code::BadRequest => "Bad Request",
            Code::Forbidden => "Forbidden",
            Code::NotFound => "Not Found",
            Code::MethodNotAllowed => "Method Not Allowed",
            Code::RequestTimeout => "Request Timeout",
            Code::Conflict => "Conflict",
            Code::LengthRequired => "Length Required",
            Code::ContentTooLarge => "Content Too Large",
            Code::UnsupportedMedia => "Unsupported Media Type",
            Code::Misdirected => "Misdirected Request",
            Code::Unprocessable => "Unprocessable Content",
            Code::HeadTooLarge => "Request Header Fields Too Large",
            Code::InternalError => "Internal Server Error",
            Code::NotImplemented => "Not Implemented",
            Code::Unavailable => "Service Unavailable",
        }
    }

    /// Headers that belong to the code itself.
    fn headers(self) -> &'static str {
        match self {
            Code::Unavailable => "Retry-After: 5\r\n",
            _ => "",
        }
    }
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
    /// A Unix time of the past on the other clock.
    fn monotonic(self, unix_ns: u64) -> u64 {
        let age = self.unix_ns.saturating_sub(unix_ns);
        self.monotonic_ns.saturating_sub(age)
    }
}

/// A whole reply but a stream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub code: Code,
    /// The body's media type.
    pub content_type: &'static str,
    /// Further header lines, each with its CRLF.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// 200 with that body.
    pub fn ok(content_type: &'static str, body: Vec<u8>) -> Self {
        Reply {
            code: Code::Ok,
            content_type,
            headers: String::new(),
            body,
        }
    }

    /// An error with a sentence for the person who reads it.
    pub fn error(code: Code, why: &str) -> Self {
        Reply {
            code,
            content_type: "text/plain; charset=utf-8",
            headers: String::new(),
            body: format!("{why}\n").into_bytes(),
        }
    }

    /// A snapshot, with the stream's part headers and those of µStreamer, whose times are
    /// `CLOCK_MONOTONIC`'s. A file that it is saved to is named after the instance and its time.
    pub fn snapshot(name: &str, info: &FrameInfo, jpeg: Vec<u8>, clocks: Clocks) -> Self {
        let meta = &info.meta;
        let captured = Stamp(clocks.monotonic(meta.captured_ns));
        let published = Stamp(clocks.monotonic(info.published_ns));
        let sent = Stamp(clocks.monotonic_ns);
        let file = file_name(name, meta.captured_ns, "jpg");
        Reply {
            headers: format!(
                "Content-Disposition: inline; filename=\"{file}\"\r\n\
                 X-Timestamp: {}\r\n\
                 X-Seqcast-Frame: {}\r\n\
                 X-UStreamer-Online: true\r\n\
                 X-UStreamer-Width: {}\r\n\
                 X-UStreamer-Height: {}\r\n\
                 X-UStreamer-Grab-Begin-Timestamp: {captured}\r\n\
                 X-UStreamer-Grab-End-Timestamp: {captured}\r\n\
                 X-UStreamer-Encode-Begin-Timestamp: {captured}\r\n\
                 X-UStreamer-Encode-End-Timestamp: {published}\r\n\
                 X-UStreamer-Send-Timestamp: {sent}\r\n",
                Stamp(meta.captured_ns),
                info.id,
                meta.width,
                meta.height,
            ),
            ..Reply::ok("image/jpeg", jpeg)
        }
    }

    /// All but the body, of which so many bytes are to follow; none: until the connection's end.
    pub fn head(&self, len: Option<u64>) -> Vec<u8> {
        let len = len.map(|len| format!("Content-Length: {len}\r\n"));
        format!(
            "HTTP/1.1 {} {}\r\n\
             Content-Type: {}\r\n\
             {}\
             Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\n\
             {}{}\
             Connection: close\r\n\r\n",
            self.code as u16,
            self.code.reason(),
            self.content_type,
            len.unwrap_or_default(),
            self.code.headers(),
            self.headers,
        )
        .into_bytes()
    }

    /// The bytes to send: with `head_only` all but the body, whose length is given all the same.
    pub fn into_bytes(self, head_only: bool) -> Vec<u8> {
        let mut bytes = self.head(Some(self.body.len() as u64));
        if !head_only {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

impl From<Reject> for Reply {
    fn from(reject: Reject) -> Self {
        Reply {
            headers: reject.headers.into(),
            ..Reply::error(reject.code, reject.why)
        }
    }
}

/// A stream's head, in the form that µStreamer's clients are used to. HTTP/1.0, since the
/// body has no length and ends with the connection.
pub fn stream_head() -> Vec<u8> {
    format!(
        "HTTP/1.0 200 OK\r\n\
         Cache-Control: no-store, no-cache, must-revalidate, proxy-revalidate, pre-check=0, \
         post-check=0, max-age=0\r\n\
         Pragma: no-cache\r\n\
         Expires: Mon, 3 Jan 2000 12:34:56 GMT\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Content-Type: multipart/x-mixed-replace;boundary={BOUNDARY}\r\n\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_gives_its_length_and_closes() {
        let bytes = Reply::ok("image/jpeg", b"abc".to_vec()).into_bytes(false);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(head.contains("\r\nContent-Length: 3\r\n"));
        assert!(head.ends_with("\r\nConnection: close"));
        assert_eq!(body, "abc");
    }

    #[test]
    fn codes_bring_their_headers() {
        let text = |code| String::from_utf8(Reply::error(code, "No.").into_bytes(true)).unwrap();
        assert!(text(Code::Unavailable).contains("\r\nRetry-After: 5\r\n"));
        let head_only = text(Code::NotFound);
        assert!(head_only.contains("\r\nContent-Length: 4\r\n") && head_only.ends_with("\r\n\r\n"));
    }

    #[test]
    fn heads_parse() {
        for head in [
            stream_head(),
            Reply::error(Code::Unavailable, "Full.").into_bytes(true),
        ] {
            let mut headers = [httparse::EMPTY_HEADER; 16];
            let parsed = httparse::Response::new(&mut headers).parse(&head).unwrap();
            assert_eq!(parsed, httparse::Status::Complete(head.len()));
        }
    }
}

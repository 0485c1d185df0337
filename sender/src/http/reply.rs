//! Heads of replies, and the short replies as a whole (RFC 9110, RFC 9112).
//!
//! Every reply but a stream says `Connection: close`: one connection, one request, one process.
//! Not here: the parts of a stream (`multipart`), and writing any of it to a socket.

use shm_ring::{Clamped, FrameInfo};

use super::clip::file_name;
use super::multipart::{BOUNDARY, Clocks, Stamp};
use super::request::Reject;

/// The status codes in use (RFC 9110 section 15; 431: RFC 6585).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
#[allow(missing_docs)] // the names say it
pub enum Code {
    Ok = 200,
    NoContent = 204,
    BadRequest = 400,
    Unauthorized = 401,
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
            Code::NoContent => "No Content",
            Code::BadRequest => "Bad Request",
            Code::Unauthorized => "Unauthorized",
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
            // RFC 7617 section 2; the realm is µStreamer's.
            Code::Unauthorized => {
                "WWW-Authenticate: Basic realm=\"Restricted area\", charset=\"UTF-8\"\r\n"
            }
            Code::Unavailable => "Retry-After: 5\r\n",
            _ => "",
        }
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
        let body = match (self.code, len) {
            // RFC 9110 section 8.6: not even a length.
            (Code::NoContent, _) => String::new(),
            (_, None) => format!("Content-Type: {}\r\n", self.content_type),
            (_, Some(len)) => format!(
                "Content-Type: {}\r\nContent-Length: {len}\r\n",
                self.content_type
            ),
        };
        format!(
            "HTTP/1.1 {} {}\r\n\
             {body}\
             Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\n\
             {}{}\
             Connection: close\r\n\r\n",
            self.code as u16,
            self.code.reason(),
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

/// A stream's head, in the form that µStreamer's clients are used to, with further header lines,
/// each with its CRLF. HTTP/1.0, since the body has no length and ends with the connection. A proxy
/// is asked to pass it on as it comes (nginx and others: `X-Accel-Buffering`).
pub fn stream_head(headers: &str) -> Vec<u8> {
    format!(
        "HTTP/1.0 200 OK\r\n\
         Cache-Control: no-store, no-cache, must-revalidate, proxy-revalidate, pre-check=0, \
         post-check=0, max-age=0\r\n\
         Pragma: no-cache\r\n\
         Expires: Mon, 3 Jan 2000 12:34:56 GMT\r\n\
         X-Content-Type-Options: nosniff\r\n\
         X-Accel-Buffering: no\r\n\
         {headers}\
         Content-Type: multipart/x-mixed-replace;boundary={BOUNDARY}\r\n\r\n"
    )
    .into_bytes()
}

/// The header line by which a page finds its own stream in `/state`, as µStreamer sets it: the key
/// that the viewer gave itself, or 0, and its number.
pub fn cookie(key: Option<&str>, viewer: u64) -> String {
    let mut encoded = String::new();
    for byte in key.unwrap_or("0").bytes() {
        // The unreserved of RFC 3986 section 2.3.
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    format!("Set-Cookie: stream_client={encoded}/{viewer:016x}; path=/; max-age=30\r\n")
}

/// Header lines that say where a stream begins, and why that is not where it was to.
pub fn begins(id: u64, clamped: Option<Clamped>) -> String {
    let why = match clamped {
        None => "",
        Some(Clamped::Overwritten) => "X-Seqcast-Clamped: overwritten\r\n",
        Some(Clamped::NotYet) => "X-Seqcast-Clamped: not-yet\r\n",
    };
    format!("X-Seqcast-From: {id}\r\n{why}")
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
        assert!(text(Code::Unauthorized).contains("Basic realm=\"Restricted area\""));
        let head_only = text(Code::NotFound);
        assert!(head_only.contains("\r\nContent-Length: 4\r\n") && head_only.ends_with("\r\n\r\n"));
    }

    #[test]
    fn heads_parse() {
        for head in [
            stream_head(&(cookie(Some("a"), 1) + &begins(7, Some(Clamped::NotYet)))),
            Reply::error(Code::Unavailable, "Full.").into_bytes(true),
        ] {
            let mut headers = [httparse::EMPTY_HEADER; 16];
            let parsed = httparse::Response::new(&mut headers).parse(&head).unwrap();
            assert_eq!(parsed, httparse::Status::Complete(head.len()));
        }
    }

    #[test]
    fn a_cookie_holds_any_key() {
        let head = "Set-Cookie: stream_client=";
        let tail = "; path=/; max-age=30\r\n";
        let id = "0123456789abcdef";
        for (key, value) in [
            (None, "0"),
            (Some("tab-1_a.b~"), "tab-1_a.b~"),
            (Some("a b;/é"), "a%20b%3B%2F%C3%A9"),
        ] {
            let want = format!("{head}{value}/{id}{tail}");
            assert_eq!(cookie(key, 0x0123_4567_89ab_cdef), want);
        }
        assert_eq!(begins(7, None), "X-Seqcast-From: 7\r\n");
    }
}

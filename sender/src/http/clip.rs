//! What `/clip` is asked for, and the head of its answer.
//!
//! Not here: the file itself (`avi`), and which frames are in it.

use super::reply::Reply;
use super::route::parameter;
use worker::when::{NotAMoment, Utc, When};

/// A clip's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClipAsk {
    /// `from`; without it the oldest frame.
    pub from: When,
    /// `to`; without it the newest.
    pub to: When,
    /// `format`; without it AVI.
    pub format: Format,
}

/// A clip's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A file that keeps time, of a length known beforehand.
    Avi,
    /// JPEGs one behind the other.
    Mjpeg,
}

/// A query that asks for no clip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAClip {
    /// `from` or `to`.
    #[error(transparent)]
    Moment(#[from] NotAMoment),
    /// `format`.
    #[error("{0:?} is no format of a clip: use avi or mjpeg.")]
    Format(String),
}

impl ClipAsk {
    /// Reads a query.
    ///
    /// # Errors
    /// A parameter that is none of its forms.
    pub fn parse(query: &str) -> Result<ClipAsk, NotAClip> {
        let moment = |name, or| match parameter(query, name) {
            Some(text) => text.parse(),
            None => Ok(or),
        };
        Ok(ClipAsk {
            from: moment("from", When::First)?,
            to: moment("to", When::Last)?,
            format: match parameter(query, "format").as_deref() {
                None | Some("avi") => Format::Avi,
                Some("mjpeg") => Format::Mjpeg,
                Some(other) => return Err(NotAClip::Format(other.chars().take(40).collect())),
            },
        })
    }
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Format::Avi => "video/x-msvideo",
            Format::Mjpeg => "video/x-motion-jpeg",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Format::Avi => "avi",
            Format::Mjpeg => "mjpeg",
        }
    }

    /// A clip's head: `len` bytes, if that is known, with further header lines. The file is named
    /// after the instance and its first frame's capture.
    pub fn head(self, name: &str, captured_ns: u64, len: Option<u64>, headers: &str) -> Vec<u8> {
        let file = file_name(name, captured_ns, self.extension());
        let disposition = format!("Content-Disposition: attachment; filename=\"{file}\"\r\n");
        Reply {
            headers: disposition + headers,
            ..Reply::ok(self.content_type(), Vec::new())
        }
        .head(len)
    }
}

/// `NAME-2026-11-23T01-02-03Z.avi`: no colons, which some file systems do not take.
pub(super) fn file_name(name: &str, captured_ns: u64, extension: &str) -> String {
    let time = Utc(captured_ns / 1_000_000_000).to_string();
    format!("{name}-{}.{extension}", time.replace(':', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let all = ClipAsk {
            from: When::First,
            to: When::Last,
            format: Format::Avi,
        };
        assert_eq!(ClipAsk::parse(""), Ok(all));
        assert_eq!(ClipAsk::parse("x=y&format=avi&to=now"), Ok(all));
        let some = ClipAsk {
            from: When::Ago(10_000_000_000),
            to: When::Id(7),
            format: Format::Mjpeg,
        };
        assert_eq!(ClipAsk::parse("from=-10s&to=7&format=mjpeg"), Ok(some));
        for (query, sentence) in [
            ("from=then", "\"then\" is no moment"),
            ("to=", "\"\" is no moment"),
            ("format=mp4", "\"mp4\" is no format of a clip"),
        ] {
            let error = ClipAsk::parse(query).unwrap_err().to_string();
            assert!(error.starts_with(sentence), "{error}");
        }
    }

    #[test]
    fn heads() {
        let captured_ns = 1_795_395_723_999_999_999;
        let head = |len| {
            let head = Format::Avi.head("cam", captured_ns, len, "X-A: b\r\n");
            String::from_utf8(head).unwrap()
        };
        let known = head(Some(5));
        assert!(known.contains("\r\nContent-Length: 5\r\n") && known.contains("\r\nX-A: b\r\n"));
        assert!(known.contains("attachment; filename=\"cam-2026-11-23T01-02-03Z.avi\"\r\n"));
        assert!(known.ends_with("\r\nConnection: close\r\n\r\n"));
        assert!(!head(None).contains("Content-Length"));
    }
}

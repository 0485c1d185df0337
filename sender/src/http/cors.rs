//! `--allow-origin`: the header lines by which a browser lets pages of another origin read what is
//! answered here (Fetch standard, section "CORS protocol").
//!
//! Not here: whether such a page may set anything (`controls`).

use std::str::FromStr;

use super::reply::{Code, Reply};
use super::request::allow;

/// For how long a browser need not ask again, seconds.
const MAX_AGE: u32 = 600;

/// Whose pages may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowOrigin {
    /// Everybody's, without credentials.
    All,
    /// Those of one origin, as a browser names it.
    One(String),
}

impl FromStr for AllowOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(AllowOrigin::All);
        }
        let bad =
            || format!("{text:?} is no origin: use http://HOST, http://HOST:PORT, https://… or *");
        // Browsers write it in lower case.
        let origin = text.to_ascii_lowercase();
        let (scheme, host) = origin.split_once("://").ok_or_else(bad)?;
        let scheme_ok = !scheme.is_empty()
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let host_ok = !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"/?#@,;\"'*\\".contains(&byte));
        if !scheme_ok || !host_ok {
            return Err(bad());
        }
        // ... and without the port that goes without saying.
        let usual = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => "",
        };
        let origin = origin.strip_suffix(usual).unwrap_or(&origin);
        Ok(AllowOrigin::One(origin.into()))
    }
}

impl AllowOrigin {
    /// Whether this very origin was named.
    pub fn names(&self, origin: &str) -> bool {
        matches!(self, AllowOrigin::One(named) if named == origin)
    }

    /// Puts its lines into the head of a reply; into what has no head, none.
    pub fn mark(&self, head: &mut Vec<u8>) {
        let line_end = head.windows(2).position(|two| two == b"\r\n");
        let Some(end) = line_end else {
            return;
        };
        let lines = match self {
            AllowOrigin::All => "Access-Control-Allow-Origin: *\r\n".to_owned(),
            AllowOrigin::One(origin) => format!(
                "Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Credentials: true\r\n"
            ),
        };
        head.splice(end + 2..end + 2, lines.into_bytes());
    }
}

/// What is answered to OPTIONS, a browser's question before a page's request included. The answer
/// itself says nothing of whose pages may ([`AllowOrigin::mark`]).
pub fn options(takes_post: bool, allow_origin: Option<&AllowOrigin>) -> Reply {
    let methods = allow(takes_post);
    let preflight = allow_origin.map(|_| {
        let methods = methods.trim_start_matches("Allow: ");
        format!(
            "Access-Control-Allow-Methods: {methods}\
             Access-Control-Allow-Headers: Authorization, Content-Type\r\n\
             Access-Control-Max-Age: {MAX_AGE}\r\n"
        )
    });
    Reply {
        code: Code::NoContent,
        content_type: "",
        headers: format!("{methods}{}", preflight.unwrap_or_default()),
        body: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reply: Reply) -> String {
        String::from_utf8(reply.into_bytes(false)).unwrap()
    }

    #[test]
    fn origins_as_browsers_name_them() {
        for (text, want) in [
            ("http://mainsail.local", "http://mainsail.local"),
            ("HTTPS://Example.org:8443", "https://example.org:8443"),
            ("http://a:80", "http://a"),
            ("https://a:443", "https://a"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(text.parse(), Ok(AllowOrigin::One(want.into())));
        }
        assert_eq!("*".parse(), Ok(AllowOrigin::All));
        for bad in [
            "",
            "null",
            "a",
            "http://",
            "://a",
            "http://a/",
            "http://*.a",
            "http://a,http://b",
            "http://a b",
            "http://a\r\nX: y",
            "http://user@a",
            "http://\u{e9}",
        ] {
            assert!(bad.parse::<AllowOrigin>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_a_named_one_is_named() {
        let one: AllowOrigin = "http://a".parse().unwrap();
        assert!(one.names("http://a"));
        assert!(!one.names("http://a.evil.example") && !one.names("null"));
        assert!(!AllowOrigin::All.names("*") && !AllowOrigin::All.names("http://a"));
    }

    #[test]
    fn heads_are_marked_and_nothing_else() {
        let one: AllowOrigin = "http://a".parse().unwrap();
        let mut head = b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nx\r\n".to_vec();
        one.mark(&mut head);
        let want = "HTTP/1.0 200 OK\r\nAccess-Control-Allow-Origin: http://a\r\n\
                    Access-Control-Allow-Credentials: true\r\nA: b\r\n\r\nx\r\n";
        assert_eq!(head, want.as_bytes());
        let mut head = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
        AllowOrigin::All.mark(&mut head);
        let want = "HTTP/1.0 200 OK\r\nAccess-Control-Allow-Origin: *\r\n\r\n";
        assert_eq!(head, want.as_bytes());
        let mut raw = Vec::new();
        one.mark(&mut raw);
        assert!(raw.is_empty());
    }

    #[test]
    fn options_have_no_body() {
        let plain = text(options(false, None));
        assert!(plain.starts_with("HTTP/1.1 204 No Content\r\n"), "{plain}");
        assert!(plain.contains("\r\nAllow: GET, HEAD, OPTIONS\r\n") && plain.ends_with("\r\n\r\n"));
        assert!(!plain.contains("\r\nContent-") && !plain.contains("Access-"));
        let asked = text(options(true, Some(&AllowOrigin::All)));
        let methods = "\r\nAccess-Control-Allow-Methods: GET, HEAD, OPTIONS, POST\r\n";
        assert!(asked.contains(methods), "{asked}");
    }
}

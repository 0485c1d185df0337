//! The address of a camera, taken apart: `http://[user:password@]host[:port][/path][?query]`
//! (RFC 3986), and how it is shown: without user, password and query, of which cheap cameras make
//! a password, too (`?user=admin&pwd=…`).
//!
//! Not here: connecting, and what is asked.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use ureq_proto::http::Uri;

/// Longest address taken, bytes: the request must fit a fresh socket's send buffer.
const MAX_URL: usize = 2048;

/// What is asked for where the address has no path: what seqcast and µStreamer call it.
const DEFAULT_PATH: &str = "/stream";

/// Where pictures come from over HTTP.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// Without user and password.
    uri: Uri,
    login: Option<Login>,
}

/// `user:password`.
#[derive(Clone, PartialEq, Eq)]
struct Login(String);

/// What is wrong with an address, and what to do.
pub type Reason = &'static str;

impl Url {
    /// Reads an address. `login` (`user:password`, as it is) is taken where the address has none of
    /// its own, in which what is not plain is written `%XX`.
    ///
    /// # Errors
    /// A sentence for a person.
    pub fn parse(text: &str, login: Option<&str>) -> Result<Url, Reason> {
        if text.len() > MAX_URL {
            return Err("it is longer than 2048 bytes");
        }
        let text = text.split('#').next().unwrap_or_default();
        let (scheme, rest) = text.split_once("://").ok_or("it must begin with http://")?;
        if scheme.eq_ignore_ascii_case("https") {
            return Err("https is not supported: give the camera's http:// address");
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err("only http is read here; for the rest: \
                        ffmpeg -i ADDRESS -an -c:v mjpeg -q:v 5 -f mjpeg - | seqcast --source -");
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (own, host) = match authority.rsplit_once('@') {
            Some((own, host)) => (Some(own), host),
            None => (None, authority),
        };
        let path = match path.as_bytes().first() {
            None => DEFAULT_PATH.to_owned(),
            Some(b'?') => format!("/{path}"),
            Some(_) => path.to_owned(),
        };
        let login = match (own, login) {
            (Some(own), _) => Some(decoded(own)?),
            (None, Some(login)) => Some(Login::new(login)?),
            (None, None) => None,
        };
        let uri = format!("http://{host}{path}");
        let uri = uri.parse().map_err(
            |_| "it must be http://HOST[:PORT]/PATH, with what is not plain ASCII as %XX",
        )?;
        Url { uri, login }.checked()
    }

    fn checked(self) -> Result<Url, Reason> {
        let authority = self.uri.authority().ok_or("it names no host")?;
        if self.host().is_empty() {
            return Err("it names no host");
        }
        // What `Uri` takes for no port at all: none, or not 1 to 65535.
        let digits = authority.as_str().rsplit_once(']');
        let digits = digits.map_or(authority.as_str(), |(_, port)| port);
        match (digits.split_once(':'), authority.port_u16()) {
            (None, _) | (Some(_), Some(1..)) => Ok(self),
            _ => Err("its port is not 1 to 65535"),
        }
    }

    /// Where a redirect leads: `location` is absolute, or relative to this (RFC 3986 section 5).
    /// The login goes along to the same host and port only.
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub(super) fn join(&self, location: &str) -> Result<Url, Reason> {
        let authority = self.uri.authority().ok_or("it names no host")?;
        let (path, query) = (self.uri.path(), self.uri.query());
        // Not one within a path or query.
        let scheme = location.split_once("://").map(|(scheme, _)| scheme);
        let is_absolute = scheme.is_some_and(|scheme| !scheme.contains(['/', '?', '#']));
        let absolute = if is_absolute {
            location.to_owned()
        } else if let Some(other) = location.strip_prefix("//") {
            format!("http://{other}")
        } else if location.starts_with('/') {
            format!("http://{authority}{location}")
        } else if location.starts_with('?') {
            format!("http://{authority}{path}{location}")
        } else if location.is_empty() || location.starts_with('#') {
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            format!("http://{authority}{path}{query}")
        } else {
            let directory = &path[..path.rfind('/').map_or(0, |at| at + 1)];
            format!("http://{authority}{directory}{location}")
        };
        let mut url = Url::parse(&absolute, None)?;
        if url.login.is_none() && (url.host(), url.port()) == (self.host(), self.port()) {
            url.login.clone_from(&self.login);
        }
        Ok(url)
    }

    /// For the resolver: an IPv6 address without its brackets.
    pub(super) fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        inner.unwrap_or(host)
    }

    /// 1 to 65535.
    pub(super) fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(80)
    }

    /// What to ask for.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The value of an `Authorization` header (RFC 7617).
    pub(super) fn authorization(&self) -> Option<String> {
        let login = self.login.as_ref()?;
        Some(format!("Basic {}", BASE64_STANDARD.encode(&login.0)))
    }

    /// Whether the address as it was given is nobody else's business.
    pub(crate) fn is_secret(&self) -> bool {
        self.login.is_some() || self.uri.query().is_some()
    }
}

impl Login {
    fn new(text: &str) -> Result<Login, Reason> {
        // RFC 7617 section 2.
        if !text.contains(':') || text.contains(char::is_control) {
            return Err("the login must be USER:PASSWORD");
        }
        Ok(Login(text.to_owned()))
    }
}

fn decoded(own: &str) -> Result<Login, Reason> {
    let (user, password) = own.split_once(':').unwrap_or((own, ""));
    let decode = |text| percent_decode_str(text).decode_utf8();
    match (decode(user), decode(password)) {
        (Ok(user), Ok(password)) if !user.contains(':') => {
            Login::new(&format!("{user}:{password}"))
        }
        _ => Err("its user and password must be UTF-8, written as %XX where not plain"),
    }
}

/// For everybody: log, status, process list.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", |a| a.as_str());
        write!(f, "http://{authority}{}", self.uri.path())?;
        if self.uri.query().is_some() {
            f.write_str("?…")?;
        }
        Ok(())
    }
}

/// As [`Display`](fmt::Display): what is secret is shown nowhere.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// An address that cannot be taken, without what may be a login or a query, and not too long.
pub(crate) fn redacted(text: &str) -> String {
    let (scheme, rest) = match text.find("://") {
        Some(at) => text.split_at(at + 3),
        None => ("", text),
    };
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let rest = match rest.split_once('?') {
        Some((path, _)) => format!("{path}?…"),
        None => rest.to_owned(),
    };
    let plain = scheme.chars().chain(rest.chars());
    plain.filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text, None).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn takes_what_people_write() {
        for (text, host, port, target) in [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080, "/stream"),
            ("HTTP://cam", "cam", 80, "/stream"),
            ("http://cam/", "cam", 80, "/"),
            ("http://cam?action=stream", "cam", 80, "/?action=stream"),
            ("http://[::1]:81/a?b=c#d", "::1", 81, "/a?b=c"),
            ("http://u:p@cam:81/x@y", "cam", 81, "/x@y"),
        ] {
            let url = url(text);
            let asked = url.uri().path_and_query().unwrap().as_str();
            assert_eq!((url.host(), url.port(), asked), (host, port, target));
        }
    }

    #[test]
    fn refuses_the_rest_with_a_reason() {
        for (text, reason) in [
            ("cam/stream", "http://"),
            ("https://u:p@cam/", "https is not supported"),
            ("rtsp://cam/", "ffmpeg"),
            ("http://", "HOST"),
            ("http:///stream", "HOST"),
            ("http://u:p@/x", "HOST"),
            ("http://cam:0/", "port"),
            ("http://cam:/", "port"),
            ("http://cam:65536/", "port"),
            ("http://cam:x/", "port"),
            ("http://[::1/", "HOST"),
            ("http://cam/a b", "HOST"),
            ("http://cam/\r\nX: y", "HOST"),
            ("http://u%FF:p@cam/", "UTF-8"),
            ("http://u%3Av:p@cam/", "UTF-8"),
            ("http://u:%0D%0Ap@cam/", "USER:PASSWORD"),
        ] {
            let said = Url::parse(text, None).unwrap_err();
            assert!(said.contains(reason), "{text}: {said}");
        }
        let long = format!("http://cam/{}", "x".repeat(MAX_URL));
        assert!(Url::parse(&long, None).is_err());
    }

    #[test]
    fn the_login_goes_out_and_is_never_shown() {
        let url = url("http://al%40ice:se%3Acr:et@cam/x?pwd=hidden");
        let sent = url.authorization().unwrap();
        let sent = BASE64_STANDARD.decode(&sent["Basic ".len()..]).unwrap();
        assert_eq!(sent, b"al@ice:se:cr:et");
        assert_eq!(url.to_string(), "http://cam/x?…");
        assert!(url.is_secret());
        assert_eq!(format!("{url:?}"), "Url(http://cam/x?…)");
        assert_eq!(redacted("http://u:p@x@cam:y/a?pwd=p"), "http://cam:y/a?…");
        assert_eq!(redacted("/a\n?pwd=p"), "/a?…");
    }

    #[test]
    fn a_login_from_elsewhere_is_taken_where_there_is_none() {
        let with = |text| Url::parse(text, Some("u:p%41")).unwrap();
        let sent = with("http://cam/").authorization();
        let plain = format!("Basic {}", BASE64_STANDARD.encode("u:p%41"));
        assert_eq!(sent, Some(plain));
        assert_eq!(
            with("http://a:b@cam/").authorization(),
            url("http://a:b@cam/").authorization()
        );
        assert!(Url::parse("http://cam/", Some("nobody")).is_err());
        assert_eq!(url("http://cam/").authorization(), None);
    }

    #[test]
    fn a_redirect_is_joined() {
        let base = url("http://u:p@cam:81/a/b?c");
        for (location, target, with_login) in [
            ("/x", "http://cam:81/x", true),
            ("x?y", "http://cam:81/a/x?y", true),
            ("http://cam:81/z", "http://cam:81/z", true),
            ("http://cam/z", "http://cam/z", false),
            ("//other/z", "http://other/z", false),
            ("?d=e", "http://cam:81/a/b?d=e", true),
            (
                "?to=http://other/",
                "http://cam:81/a/b?to=http://other/",
                true,
            ),
            (
                "/x?to=http://other/",
                "http://cam:81/x?to=http://other/",
                true,
            ),
            ("x/http://other/", "http://cam:81/a/x/http://other/", true),
            ("#top", "http://cam:81/a/b?c", true),
            ("", "http://cam:81/a/b?c", true),
        ] {
            let joined = base.join(location).unwrap();
            assert_eq!(joined.uri().to_string(), target);
            assert_eq!(joined.login.is_some(), with_login, "{location}");
        }
        assert!(base.join("https://cam/").unwrap_err().contains("https"));
    }
}

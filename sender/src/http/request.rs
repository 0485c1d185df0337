//! A request's head, read from whatever bytes have come so far (RFC 9112).
//!
//! Only what a viewer needs: GET and HEAD, whose bodies are ignored. What the target means is
//! [`route`](super::route)'s to say; how long to wait for the rest is the connection's.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::reply::Code;

/// The most bytes of a request's head; what is longer is answered 431.
pub const MAX_HEAD: usize = 8 * 1024;
/// The most header lines; more are answered 431.
pub const MAX_HEADERS: usize = 64;

/// What the bytes so far amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// No verdict yet: read on, up to [`MAX_HEAD`] bytes.
    NeedMore,
    /// A whole head that is in order.
    Request(Request),
    /// To be answered with an error, and the connection closed.
    Reject(Reject),
}

/// A request that may be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// HEAD: the same reply without its body.
    pub head_only: bool,
    /// The path, still percent-encoded; begins with a slash.
    pub path: String,
    /// What follows the question mark, still percent-encoded; empty without one.
    pub query: String,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reject {
    /// The status code.
    pub code: Code,
    /// One sentence for the person at the other end.
    pub why: &'static str,
}

/// What there is of the request came too slowly.
pub const TOO_LATE: Reject = Reject {
    code: Code::RequestTimeout,
    why: "The request did not arrive in time.",
};

const fn reject(code: Code, why: &'static str) -> Parsed {
    Parsed::Reject(Reject { code, why })
}

/// Judges the bytes of a connection from its first one on. Pure: the same bytes, the same answer,
/// however they arrived. With `loopback_only`, a host that is neither localhost nor an address is
/// refused: no web page can then reach this server through a name of its own (DNS rebinding).
pub fn parse(bytes: &[u8], loopback_only: bool) -> Parsed {
    let within = &bytes[..bytes.len().min(MAX_HEAD)];
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    match head.parse(within) {
        Ok(httparse::Status::Complete(_)) => judge(&head, loopback_only),
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => Parsed::NeedMore,
        Ok(httparse::Status::Partial) => {
            reject(Code::HeadTooLarge, "The request's head is over 8 KiB.")
        }
        Err(httparse::Error::TooManyHeaders) => reject(
            Code::HeadTooLarge,
            "The request has more than 64 header lines.",
        ),
        Err(_) => reject(Code::BadRequest, "This is not an HTTP/1 request."),
    }
}

fn judge(head: &httparse::Request<'_, '_>, loopback_only: bool) -> Parsed {
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return reject(Code::BadRequest, "This is not an HTTP/1 request.");
    };
    if !matches!(method, "GET" | "HEAD") {
        return reject(Code::MethodNotAllowed, "Only GET and HEAD are served here.");
    }

    let mut hosts = head
        .headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("host"))
        .map(|header| header.value.trim_ascii());
    let host = hosts.next();
    if hosts.next().is_some() {
        return reject(Code::BadRequest, "The request names more than one Host.");
    }
    // RFC 9112 section 3.2: required of HTTP/1.1; `httparse` gives the minor version.
    if host.is_none() && version == 1 {
        return reject(Code::BadRequest, "An HTTP/1.1 request must name its Host.");
    }

    let Some((authority, path_and_query)) = split_target(target) else {
        return reject(Code::BadRequest, "The request's target is not a path.");
    };
    let named = [host, authority.map(str::as_bytes)];
    if loopback_only && !named.iter().flatten().all(|name| is_local(name)) {
        return reject(
            Code::Misdirected,
            "This server answers only to localhost or an address, to keep web pages out.",
        );
    }

    let (path, query) = path_and_query
        .split_once('?')
        .unwrap_or((path_and_query, ""));
    Parsed::Request(Request {
        head_only: method == "HEAD",
        path: if path.is_empty() { "/" } else { path }.to_owned(),
        query: query.to_owned(),
    })
}

/// Splits origin-form (`/path?query`) and absolute-form (`http://host/path?query`) targets into
/// the authority, if there is one, and the rest (RFC 9112 section 3.2).
fn split_target(target: &str) -> Option<(Option<&str>, &str)> {
    if target.starts_with('/') {
        return Some((None, target));
    }
    let scheme = target.get(..7)?;
    if !scheme.eq_ignore_ascii_case("http://") {
        return None;
    }
    let rest = &target[7..];
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    (!authority.is_empty()).then_some((Some(authority), path))
}

/// Whether a Host (`name`, `name:port`, `[v6]:port`) is localhost or an address. Names under
/// `.localhost` never leave the machine (RFC 6761 section 6.3).
fn is_local(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let (name, after) = if let Some(rest) = host.strip_prefix('[') {
        let Some((name, after)) = rest.split_once(']') else {
            return false;
        };
        if name.parse::<Ipv6Addr>().is_err() {
            return false;
        }
        (None, after)
    } else {
        let end = host.find(':').unwrap_or(host.len());
        let (name, after) = host.split_at(end);
        (Some(name), after)
    };
    let port_ok = after.is_empty()
        || after
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|digit| digit.is_ascii_digit()));
    port_ok
        && name.is_none_or(|name| {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost") || name.parse::<Ipv4Addr>().is_ok()
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(bytes: &[u8]) -> Option<Code> {
        match parse(bytes, true) {
            Parsed::Reject(reject) => Some(reject.code),
            _ => None,
        }
    }

    fn request(bytes: &[u8]) -> Request {
        match parse(bytes, true) {
            Parsed::Request(request) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_viewers_send() {
        let got =
            request(b"GET /?action=stream&1732270000 HTTP/1.1\r\nHost: localhost:8080\r\n\r\n");
        assert_eq!(
            (got.path.as_str(), got.query.as_str()),
            ("/", "action=stream&1732270000")
        );
        assert!(!got.head_only);
        assert!(request(b"HEAD /stream HTTP/1.0\r\n\r\n").head_only);
        let got = request(
            b"GET http://127.0.0.1:8080/stream?key=a HTTP/1.1\r\nHost: x.localhost\r\n\r\n",
        );
        assert_eq!(
            (got.path.as_str(), got.query.as_str()),
            ("/stream", "key=a")
        );
        assert_eq!(request(b"GET http://[::1] HTTP/1.0\r\n\r\n").path, "/");
        assert_eq!(request(b"GET / HTTP/1.1\nHost: [::1]:80\n\n").path, "/");
    }

    #[test]
    fn refusals() {
        assert_eq!(
            code(b"\x16\x03\x01\x02\x00\x01\x00"),
            Some(Code::BadRequest)
        );
        assert_eq!(code(b"GET / HTTP/2.0\r\n\r\n"), Some(Code::BadRequest));
        assert_eq!(code(b"GET stream HTTP/1.0\r\n\r\n"), Some(Code::BadRequest));
        assert_eq!(code(b"GET * HTTP/1.0\r\n\r\n"), Some(Code::BadRequest));
        assert_eq!(
            code(b"GET https://127.0.0.1/ HTTP/1.0\r\n\r\n"),
            Some(Code::BadRequest)
        );
        assert_eq!(code(b"GET / HTTP/1.1\r\n\r\n"), Some(Code::BadRequest));
        assert_eq!(
            code(b"GET / HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\n\r\n"),
            Some(Code::BadRequest)
        );
        assert_eq!(
            code(b"POST /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            Some(Code::MethodNotAllowed)
        );
        let many = format!(
            "GET / HTTP/1.0\r\n{}\r\n",
            "a: b\r\n".repeat(MAX_HEADERS + 1)
        );
        assert_eq!(code(many.as_bytes()), Some(Code::HeadTooLarge));
        let most = format!("GET / HTTP/1.0\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS));
        assert_eq!(code(most.as_bytes()), None);
    }

    #[test]
    fn a_head_that_never_ends() {
        let mut bytes = b"GET / HTTP/1.0\r\nX: ".to_vec();
        bytes.resize(MAX_HEAD - 1, b'x');
        assert_eq!(parse(&bytes, true), Parsed::NeedMore);
        bytes.push(b'x');
        assert_eq!(code(&bytes), Some(Code::HeadTooLarge));
        bytes.extend_from_slice(b"\r\n\r\n");
        assert_eq!(code(&bytes), Some(Code::HeadTooLarge));
    }

    #[test]
    fn dns_rebinding_is_refused_on_loopback_only() {
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "[::1",
            "[x]",
            "127.0.0.1:80x",
            "localhost:80:80",
            "",
            "::1",
            "notlocalhost",
            "\u{e9}",
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(code(head.as_bytes()), Some(Code::Misdirected), "{host:?}");
            assert!(
                matches!(parse(head.as_bytes(), false), Parsed::Request(_)),
                "{host:?}"
            );
        }
        for host in [
            "localhost",
            "LocalHost:1",
            "localhost.",
            "a.b.localhost",
            "127.0.0.1:8080",
            "192.168.1.7",
            "[::1]",
            "[fe80::1]:80",
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert!(
                matches!(parse(head.as_bytes(), true), Parsed::Request(_)),
                "{host:?}"
            );
        }
        let absolute = b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
        assert_eq!(code(absolute), Some(Code::Misdirected));
    }

    proptest! {
        /// Whatever comes, in whatever pieces: no panic, and a verdict once given stands.
        #[test]
        fn verdicts_stand(bytes in hostile(), loopback in any::<bool>()) {
            let mut verdict = None;
            for end in 0..=bytes.len() {
                match (&verdict, parse(&bytes[..end], loopback)) {
                    (None, Parsed::NeedMore) => prop_assert!(end < MAX_HEAD),
                    (None, given) => verdict = Some(given),
                    (Some(given), now) => prop_assert_eq!(given, &now),
                }
            }
        }
    }

    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let token = prop_oneof![
            Just(b"GET ".to_vec()),
            Just(b"HEAD ".to_vec()),
            Just(b"/stream?key=%41".to_vec()),
            Just(b" HTTP/1.1\r\n".to_vec()),
            Just(b" HTTP/1.0\r\n".to_vec()),
            Just(b"Host: localhost\r\n".to_vec()),
            Just(b"Host: evil.example\r\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n".to_vec()),
            prop::collection::vec(any::<u8>(), 0..20),
        ];
        prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
    }
}

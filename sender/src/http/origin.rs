//! Where a request comes from, as far as it says: whether a browser sent it for a page of another
//! origin, and whether a proxy passed it on. What no browser says of, scripts sent, which may do what
//! their user may.
//!
//! Not here: what depends on it.

use std::net::{IpAddr, SocketAddr};

use super::request::values;

/// What a request says of where it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// A browser says that a page of another origin sent it.
    pub is_foreign: bool,
    /// A browser may have sent it for any page: it does not say for which.
    pub is_unproven: bool,
    /// The one that a browser names, where it names one.
    pub named: Option<String>,
    /// It came through a proxy that says so.
    pub is_forwarded: bool,
}

impl Origin {
    pub(super) fn new(headers: &[httparse::Header<'_>], host: Option<&[u8]>) -> Self {
        Origin {
            is_foreign: is_foreign(headers, host),
            is_unproven: is_unproven(headers),
            named: named(headers),
            is_forwarded: is_forwarded(headers),
        }
    }
}

fn named(headers: &[httparse::Header<'_>]) -> Option<String> {
    let mut origins = values(headers, "origin");
    let first = origins.next().filter(|_| origins.next().is_none())?;
    std::str::from_utf8(first).map(str::to_owned).ok()
}

/// By `Sec-Fetch-Site` (W3C Fetch Metadata), `Origin` (RFC 6454) and `Referer` (RFC 9110 section
/// 10.1.3), against the `Host`: each that is there must agree.
pub(super) fn is_foreign(headers: &[httparse::Header<'_>], host: Option<&[u8]>) -> bool {
    let mut sites = values(headers, "sec-fetch-site");
    if !sites.all(|site| matches!(site, b"same-origin" | b"none")) {
        return true;
    }
    let is_here = |url: &[u8]| match (authority(url), host) {
        (Some(found), Some(host)) => found.eq_ignore_ascii_case(host),
        _ => false,
    };
    let mut named = values(headers, "origin").chain(values(headers, "referer"));
    !named.all(is_here)
}

/// Whether it may be a browser's that does not say for which page. With a POST they all do; but a GET, such as a
/// picture's in another's page, says so only where this server is on this machine or behind TLS, or by the `Referer`
/// that the page may withhold; and a link in a mail is no page's (`Sec-Fetch-Site: none`). That every browser's
/// `User-Agent` begins with Mozilla is as old as they are.
pub(super) fn is_unproven(headers: &[httparse::Header<'_>]) -> bool {
    if values(headers, "sec-fetch-site").any(|site| site != b"same-origin") {
        return true;
    }
    let is_browser = values(headers, "user-agent").any(|agent| agent.starts_with(b"Mozilla/"));
    let mut proofs = ["sec-fetch-site", "origin", "referer"].iter();
    is_browser && !proofs.any(|name| values(headers, name).next().is_some())
}

/// By `Forwarded` (RFC 7239), its elder `X-Forwarded-For`, and `Via` (RFC 9110 section 7.6.3): whoever
/// sent it to the proxy may be anywhere.
pub(super) fn is_forwarded(headers: &[httparse::Header<'_>]) -> bool {
    let mut names = ["forwarded", "x-forwarded-for", "via"].iter();
    names.any(|name| values(headers, name).next().is_some())
}

/// Whom the proxy next to us speaks for: the last address of `X-Forwarded-For`, which is the one
/// that it saw itself; without that header the last `for` of `Forwarded` (RFC 7239 section 5.2). In
/// this order, since proxies add the first, and pass the second on from whoever wrote it.
pub(super) fn forwarded_for(headers: &[httparse::Header<'_>]) -> Option<IpAddr> {
    // By bytes: what the proxy itself wrote stands behind the last comma, whatever is before it.
    let last = |name| {
        let value = values(headers, name).last()?;
        value.rsplit(|&byte| byte == b',').next()
    };
    let text = |bytes| std::str::from_utf8(bytes).ok();
    if let Some(node) = last("x-forwarded-for") {
        return text(node).and_then(address);
    }
    let mut pairs = text(last("forwarded")?)?.split(';');
    pairs.find_map(|pair| {
        let (name, node) = pair.split_once('=')?;
        let is_for = name.trim().eq_ignore_ascii_case("for");
        is_for.then(|| address(node.trim().trim_matches('"')))?
    })
}

/// An address, of IPv6 also in brackets, with or without a port.
fn address(node: &str) -> Option<IpAddr> {
    let node = node.trim();
    let bare = node
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let whole = bare.unwrap_or(node).parse().ok();
    let found = whole.or_else(|| node.parse::<SocketAddr>().ok().map(|at| at.ip()));
    found.map(|ip| ip.to_canonical())
}

/// `host:port` of an http(s) URL. A proxy may have taken the s off.
fn authority(url: &[u8]) -> Option<&[u8]> {
    let rest = [&b"http://"[..], b"https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(*scheme))?;
    let end = rest.iter().position(|&byte| b"/?#".contains(&byte));
    Some(&rest[..end.unwrap_or(rest.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(host: Option<&str>, lines: &[(&str, &str)]) -> bool {
        let header = |&(name, value): &(&'static str, &'static str)| httparse::Header {
            name,
            value: value.as_bytes(),
        };
        let lines: Vec<(&'static str, &'static str)> = lines
            .iter()
            .map(|&(name, value)| (&*name.to_owned().leak(), &*value.to_owned().leak()))
            .collect();
        let headers: Vec<_> = lines.iter().map(header).collect();
        is_foreign(&headers, host.map(str::as_bytes))
    }

    #[test]
    fn a_proxy_that_says_so() {
        for (name, wanted) in [
            ("X-Forwarded-For", true),
            ("forwarded", true),
            ("VIA", true),
            ("X-Forwarded", false),
        ] {
            let value = b"";
            assert_eq!(is_forwarded(&[httparse::Header { name, value }]), wanted);
        }
        assert!(!is_forwarded(&[]));
    }

    #[test]
    fn a_browser_must_say_for_whom() {
        let unproven = |lines: &[(&'static str, &'static str)]| {
            let header = |&(name, value): &(&'static str, &'static str)| httparse::Header {
                name,
                value: value.as_bytes(),
            };
            is_unproven(&lines.iter().map(header).collect::<Vec<_>>())
        };
        let browser = ("User-Agent", "Mozilla/5.0 (X11)");
        assert!(unproven(&[browser]));
        assert!(!unproven(&[browser, ("Sec-Fetch-Site", "same-origin")]));
        assert!(!unproven(&[browser, ("Referer", "http://127.0.0.1/")]));
        assert!(unproven(&[browser, ("Sec-Fetch-Site", "none")]));
        assert!(!unproven(&[("User-Agent", "curl/8.0")]));
        assert!(!unproven(&[]));
    }

    #[test]
    fn the_last_address_named() {
        for (name, value, wanted) in [
            ("X-Forwarded-For", "192.0.2.7", Some("192.0.2.7")),
            (
                "x-forwarded-for",
                "6.6.6.6, 192.0.2.7:4711",
                Some("192.0.2.7"),
            ),
            ("X-Forwarded-For", "2001:db8::7", Some("2001:db8::7")),
            ("X-Forwarded-For", "[2001:db8::7]:80", Some("2001:db8::7")),
            ("X-Forwarded-For", "::ffff:192.0.2.7", Some("192.0.2.7")),
            ("X-Forwarded-For", "192.0.2.7, unknown", None),
            ("X-Forwarded-For", "", None),
            (
                "Forwarded",
                "for=6.6.6.6, proto=http; For=\"[2001:db8::7]:4711\"",
                Some("2001:db8::7"),
            ),
            ("Forwarded", "for=192.0.2.7;by=1.1.1.1", Some("192.0.2.7")),
            ("Forwarded", "for=_hidden", None),
            ("Via", "1.1 192.0.2.7", None),
        ] {
            let value = value.as_bytes();
            let found = forwarded_for(&[httparse::Header { name, value }]);
            assert_eq!(found, wanted.map(|ip| ip.parse().unwrap()), "{name}");
        }
        let lines = [("Forwarded", "for=6.6.6.6"), ("X-Forwarded-For", "::1")];
        let headers = lines.map(|(name, value)| httparse::Header {
            name,
            value: value.as_bytes(),
        });
        assert_eq!(forwarded_for(&headers), "::1".parse().ok());
        let forged = |value| {
            let (line, name) = (lines[0].1.as_bytes(), "X-Forwarded-For");
            let forwarded = httparse::Header {
                name: "Forwarded",
                value: line,
            };
            forwarded_for(&[forwarded, httparse::Header { name, value }])
        };
        assert_eq!(forged(b"\xff, 192.0.2.7"), "192.0.2.7".parse().ok());
        assert_eq!(forged(b"\xff"), None);
    }

    #[test]
    fn one_that_disagrees_is_enough() {
        let host = Some("127.0.0.1:8080");
        for (lines, wanted) in [
            (&[][..], false),
            (&[("Origin", "http://127.0.0.1:8080")], false),
            (
                &[
                    ("origin", "https://127.0.0.1:8080"),
                    ("Sec-Fetch-Site", "same-origin"),
                ],
                false,
            ),
            (&[("Referer", "http://127.0.0.1:8080/page?x")], false),
            (&[("Sec-Fetch-Site", "none")], false),
            (&[("Sec-Fetch-Site", "same-site")], true),
            (
                &[
                    ("Sec-Fetch-Site", "cross-site"),
                    ("Origin", "http://127.0.0.1:8080"),
                ],
                true,
            ),
            (&[("Origin", "null")], true),
            (&[("Origin", "")], true),
            (&[("Origin", "http://127.0.0.1")], true),
            (&[("Origin", "http://127.0.0.1:8080.evil.example")], true),
            (&[("Origin", "http://evil.example/127.0.0.1:8080")], true),
            (&[("Origin", "ftp://127.0.0.1:8080")], true),
            (&[("Referer", "http://evil.example/")], true),
            (&[("Referer", "http://user@127.0.0.1:8080/")], true),
            (
                &[
                    ("Origin", "http://127.0.0.1:8080"),
                    ("Origin", "http://evil.example"),
                ],
                true,
            ),
        ] {
            assert_eq!(foreign(host, lines), wanted, "{lines:?}");
        }
        assert!(foreign(None, &[("Origin", "http://127.0.0.1")]));
        assert!(!foreign(None, &[]));
    }
}

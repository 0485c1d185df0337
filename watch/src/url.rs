//! The address of a stream, taken apart: only as much of RFC 3986 as a plain `http://` URL needs.
//!
//! Not here: other schemes, user names, percent-decoding (the path goes out as it was written).

use crate::Error;

/// Longest URL taken, bytes: the request must fit a fresh socket's send buffer.
const MAX_URL: usize = 2048;

/// Where to connect and what to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// For the resolver: without the brackets of an IPv6 literal.
    pub host: String,
    pub port: u16,
    /// As written, for the `Host` header.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

impl Target {
    pub fn parse(url: &str) -> Result<Self, Error> {
        parse(url).map_err(|reason| Error::Url {
            url: url.to_owned(),
            reason,
        })
    }

    /// HTTP/1.0, so that nobody answers with chunks.
    pub fn request(&self) -> String {
        format!(
            "GET {} HTTP/1.0\r\nHost: {}\r\nUser-Agent: seqcast-watch/{}\r\nAccept: multipart/x-mixed-replace\r\n\r\n",
            self.path,
            self.authority,
            env!("CARGO_PKG_VERSION"),
        )
    }
}

fn parse(url: &str) -> Result<Target, &'static str> {
    if url.len() > MAX_URL {
        return Err("it is longer than 2048 bytes");
    }
    if !url.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("write what is not plain ASCII as %XX");
    }
    let scheme = url.get(..7).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("http://") {
        return Err("it must begin with http://");
    }
    let rest = &url[7..];
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("user names in an address are not supported");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(literal) => {
            let (host, port) = literal
                .split_once(']')
                .ok_or("the ] of the IPv6 address is missing")?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err("between [ and ] belongs an IPv6 address");
            }
            (host, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err("it names no host");
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => 80,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => match digits.parse::<u16>() {
            Ok(port) if port > 0 => port,
            _ => return Err("its port is not 1 to 65535"),
        },
        _ => return Err("its port is not a number"),
    };
    let path = match path.as_bytes().first() {
        None => "/stream".to_owned(),
        Some(b'?') => format!("/{path}"),
        Some(_) => path.to_owned(),
    };
    Ok(Target {
        host: host.to_owned(),
        port,
        authority: authority.to_owned(),
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(url: &str) -> (String, u16, String) {
        let target = Target::parse(url).unwrap();
        (target.host, target.port, target.path)
    }

    #[test]
    fn takes_what_people_write() {
        for (url, host, port, path) in [
            ("http://127.0.0.1:8080", "127.0.0.1", 8080, "/stream"),
            ("HTTP://cam", "cam", 80, "/stream"),
            ("http://cam/", "cam", 80, "/"),
            ("http://cam?action=stream", "cam", 80, "/?action=stream"),
            ("http://[::1]:81/a?b=c#d", "::1", 81, "/a?b=c"),
            ("http://[::1]/x:y", "::1", 80, "/x:y"),
        ] {
            assert_eq!(
                taken(url),
                (host.to_owned(), port, path.to_owned()),
                "{url}"
            );
        }
    }

    #[test]
    fn keeps_the_brackets_in_the_host_header() {
        let request = Target::parse("http://[::1]:81/x").unwrap().request();
        assert!(
            request.starts_with("GET /x HTTP/1.0\r\nHost: [::1]:81\r\n"),
            "{request}"
        );
        assert!(request.ends_with("\r\n\r\n"));
    }

    #[test]
    fn refuses_the_rest_with_a_reason() {
        for url in [
            "",
            "127.0.0.1:8080",
            "https://cam/",
            "http://",
            "http:///stream",
            "http://user@cam/",
            "http://cam:0/",
            "http://cam:/",
            "http://cam:+80/",
            "http://cam:65536/",
            "http://[::1/",
            "http://[cam]/",
            "http://[::1]80/",
            "http://cam/a b",
            "http://cam/\r\nX: y",
            "http://camé/",
        ] {
            let error = Target::parse(url).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{url}");
        }
    }
}

//! The address of a stream, taken apart: only as much of RFC 3986 as a plain `http://` URL needs,
//! and `HOST:PORT` for the protocols without a request.
//!
//! Not here: other schemes, user names, percent-decoding (the path goes out as it was written).

use crate::{Error, Stream};

/// Longest URL taken, bytes: the request must fit a fresh socket's send buffer.
const MAX_URL: usize = 2048;

/// Where to connect and what to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// For the resolver: without the brackets of an IPv6 literal.
    pub host: String,
    pub port: u16,
    /// Sent once connected; none where the server speaks first.
    pub request: Option<String>,
}

impl Target {
    pub fn parse(stream: &Stream) -> Result<Self, Error> {
        let (address, parsed) = match stream {
            Stream::Http(url) => (url, parse_url(url)),
            Stream::Raw(address) | Stream::Multipart(address) => (address, parse_address(address)),
        };
        parsed.map_err(|reason| Error::Address {
            address: address.clone(),
            reason,
        })
    }
}

fn parse_url(url: &str) -> Result<Target, &'static str> {
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
    let (host, port) = host_and_port(authority)?;
    let path = match path.as_bytes().first() {
        None => "/stream".to_owned(),
        Some(b'?') => format!("/{path}"),
        Some(_) => path.to_owned(),
    };
    Ok(Target {
        host: host.to_owned(),
        port: port.unwrap_or(80),
        request: Some(request(authority, &path)),
    })
}

/// HTTP/1.0, so that nobody answers with chunks.
fn request(authority: &str, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.0\r\nHost: {authority}\r\nUser-Agent: seqcast-watch/{}\r\nAccept: multipart/x-mixed-replace\r\n\r\n",
        env!("CARGO_PKG_VERSION"),
    )
}

fn parse_address(address: &str) -> Result<Target, &'static str> {
    let (host, port) = host_and_port(address)?;
    Ok(Target {
        host: host.to_owned(),
        port: port.ok_or("it must be HOST:PORT")?,
        request: None,
    })
}

/// Takes `HOST[:PORT]` apart, without the brackets of an IPv6 literal.
fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
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
        None if port.is_empty() => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => match digits.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err("its port is not 1 to 65535"),
        },
        _ => return Err("its port is not a number"),
    };
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(url: &str) -> Result<Target, Error> {
        Target::parse(&Stream::Http(url.to_owned()))
    }

    fn raw(address: &str) -> Result<Target, Error> {
        Target::parse(&Stream::Raw(address.to_owned()))
    }

    fn taken(url: &str) -> (String, u16, String) {
        let target = http(url).unwrap();
        let request = target.request.unwrap();
        let path = request.split(' ').nth(1).unwrap().to_owned();
        (target.host, target.port, path)
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
        let request = http("http://[::1]:81/x").unwrap().request.unwrap();
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
            let error = http(url).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{url}");
        }
    }

    #[test]
    fn a_raw_address_is_a_host_and_a_port_and_asks_for_nothing() {
        for (address, host, port) in [("cam:8080", "cam", 8080), ("[::1]:81", "::1", 81)] {
            let target = raw(address).unwrap();
            assert_eq!((&*target.host, target.port), (host, port));
            assert_eq!(target.request, None);
        }
        for address in [
            "",
            "cam",
            "8080",
            ":8080",
            "cam:0",
            "::1:8080",
            "http://cam:80",
            "cam:80/",
        ] {
            assert_eq!(raw(address).unwrap_err().exit_code(), 2, "{address}");
        }
    }
}

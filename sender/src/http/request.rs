//! A request, read from whatever bytes have come so far (RFC 9112).
//!
//! Only what a viewer needs: GET, HEAD and OPTIONS, whose bodies are ignored, and POST with a short body of a
//! length that was said before, to where something takes one. What the target means is
//! [`route`](super::route)'s to say; how long to wait for the rest is the connection's.

use std::net::IpAddr;

use super::host::Hosts;
use super::origin::{self, Origin};
use super::reply::Code;
use super::route::{Posted, posted};
use crate::auth::Authorization;

/// The most bytes of a request's head; what is longer is answered 431.
pub const MAX_HEAD: usize = 8 * 1024;
/// The most header lines; more are answered 431.
pub const MAX_HEADERS: usize = 64;

/// The most bytes of a POST's body; more are answered 413.
pub const MAX_BODY: usize = 4 * 1024;
/// The most bytes of a request: at so many there is a verdict.
pub const MAX_REQUEST: usize = MAX_HEAD + MAX_BODY;

/// What the bytes so far amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// No verdict yet: read on, up to [`MAX_REQUEST`] bytes.
    NeedMore,
    /// A whole request that is in order.
    Request(Request),
    /// OPTIONS: what can be asked for there.
    Options {
        /// A POST, too.
        takes_post: bool,
    },
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
    /// Of a POST what it brings, where that matters; none of every other.
    pub post: Option<Post>,
    /// Who sends it.
    pub authorization: Option<Authorization>,
    /// Where it comes from.
    pub origin: Origin,
    /// Whom a proxy says that it speaks for: worth no more than who says it.
    pub forwarded_for: Option<IpAddr>,
}

/// What a POST brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Its body's media type, in lower case and without parameters; empty where none is said.
    pub content_type: String,
    /// At most [`MAX_BODY`] bytes.
    pub body: Vec<u8>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reject {
    /// The status code.
    pub code: Code,
    /// One sentence for the person at the other end.
    pub why: &'static str,
    /// What the code wants beside it: header lines, each with its CRLF.
    pub headers: &'static str,
}

/// What there is of the request came too slowly.
pub const TOO_LATE: Reject = Reject {
    code: Code::RequestTimeout,
    why: "The request did not arrive in time.",
    headers: "",
};

const fn reject(code: Code, why: &'static str) -> Parsed {
    Parsed::Reject(Reject {
        code,
        why,
        headers: "",
    })
}

/// Judges the bytes of a connection from its first one on. Pure: the same bytes, the same answer,
/// however they arrived. What is asked under a name that is none of `hosts` is refused.
pub fn parse(bytes: &[u8], hosts: Hosts<'_>) -> Parsed {
    let within = &bytes[..bytes.len().min(MAX_HEAD)];
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    match head.parse(within) {
        Ok(httparse::Status::Complete(len)) => judge(&head, &bytes[len..], hosts),
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

fn judge(head: &httparse::Request<'_, '_>, rest: &[u8], hosts: Hosts<'_>) -> Parsed {
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return reject(Code::BadRequest, "This is not an HTTP/1 request.");
    };
    let path = split_target(target).map(|(_, rest)| split_query(rest).0);
    let posted = path.map_or(Posted::Refused, posted);
    let takes_post = posted != Posted::Refused;
    let is_post = method == "POST" && takes_post;
    let is_options = method == "OPTIONS";
    if !is_post && !is_options && !matches!(method, "GET" | "HEAD") {
        let why = match takes_post {
            true => "Only GET, HEAD, OPTIONS and POST are served here.",
            false => "Only GET, HEAD and OPTIONS are served here.",
        };
        let headers = allow(takes_post);
        return Parsed::Reject(Reject {
            code: Code::MethodNotAllowed,
            why,
            headers,
        });
    }

    let mut lines = values(head.headers, "host");
    let host = lines.next();
    if lines.next().is_some() {
        return reject(Code::BadRequest, "The request names more than one Host.");
    }
    // RFC 9112 section 3.2: required of HTTP/1.1; `httparse` gives the minor version.
    if host.is_none() && version == 1 {
        return reject(Code::BadRequest, "An HTTP/1.1 request must name its Host.");
    }

    // RFC 9112 section 3.2.4: of the server as a whole.
    let target = if is_options && target == "*" {
        "/"
    } else {
        target
    };
    let Some((authority, path_and_query)) = split_target(target) else {
        return reject(Code::BadRequest, "The request's target is not a path.");
    };
    let named = [host, authority.map(str::as_bytes)];
    if !named.iter().flatten().all(|name| hosts.has(name)) {
        return reject(
            Code::Misdirected,
            "This server is not known by that name: use localhost or an address, or start it with --allow-host NAME.",
        );
    }

    if is_options {
        return Parsed::Options { takes_post };
    }
    let mut authorizations = values(head.headers, "authorization");
    let authorization = authorizations.next().map(Authorization::new);
    if authorizations.next().is_some() {
        return reject(
            Code::BadRequest,
            "The request has more than one Authorization.",
        );
    }
    let post = match is_post && posted == Posted::Settings {
        true => match body(head, rest) {
            Ok(Some(body)) => Some(Post {
                content_type: content_type(head),
                body: body.to_owned(),
            }),
            Ok(None) => return Parsed::NeedMore,
            Err(why) => return Parsed::Reject(why),
        },
        false => None,
    };
    let (path, query) = split_query(path_and_query);
    let path = if path.is_empty() { "/" } else { path };
    Parsed::Request(Request {
        head_only: method == "HEAD",
        path: path.to_owned(),
        query: query.to_owned(),
        post,
        authorization,
        origin: Origin::new(head.headers, host),
        forwarded_for: origin::forwarded_for(head.headers),
    })
}

/// The header line that says what can be asked for (RFC 9110 section 10.2.1).
pub(super) fn allow(takes_post: bool) -> &'static str {
    match takes_post {
        true => "Allow: GET, HEAD, OPTIONS, POST\r\n",
        false => "Allow: GET, HEAD, OPTIONS\r\n",
    }
}

/// The values of all header lines of that name, given in lower case.
pub(super) fn values<'a>(
    headers: &'a [httparse::Header<'_>],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    let of_name = move |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name);
    let lines = headers.iter().filter(of_name);
    lines.map(|header| header.value.trim_ascii())
}

/// A POST's body, of the one length that was said (RFC 9112 section 6): whatever could be read in
/// two ways is refused. None: not all of it is there yet.
fn body<'a>(head: &httparse::Request<'_, '_>, rest: &'a [u8]) -> Result<Option<&'a [u8]>, Reject> {
    let reject = |code, why| {
        Err(Reject {
            code,
            why,
            headers: "",
        })
    };
    if values(head.headers, "transfer-encoding").next().is_some() {
        return reject(
            Code::BadRequest,
            "A body is taken with Content-Length alone.",
        );
    }
    let mut lengths = values(head.headers, "content-length");
    let Some(length) = lengths.next() else {
        return reject(
            Code::LengthRequired,
            "The body's Content-Length is missing.",
        );
    };
    let is_number = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
    if !is_number || lengths.next().is_some() {
        return reject(Code::BadRequest, "The Content-Length is not one number.");
    }
    let length = std::str::from_utf8(length)
        .ok()
        .and_then(|n| n.parse().ok());
    // What does not fit into a number is too much, too.
    match length.filter(|&length| length <= MAX_BODY) {
        Some(length) => Ok(rest.get(..length)),
        None => reject(Code::ContentTooLarge, "The body is over 4 KiB."),
    }
}

fn content_type(head: &httparse::Request<'_, '_>) -> String {
    let value = values(head.headers, "content-type").next().unwrap_or(b"");
    let value = String::from_utf8_lossy(value).to_ascii_lowercase();
    value.split(';').next().unwrap_or("").trim().to_owned()
}

fn split_query(path_and_query: &str) -> (&str, &str) {
    path_and_query
        .split_once('?')
        .unwrap_or((path_and_query, ""))
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

#[cfg(test)]
mod tests;

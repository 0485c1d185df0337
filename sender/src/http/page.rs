//! The page for people. It is one file, loads nothing from elsewhere, and asks for everything by
//! relative addresses, so that it works behind any prefix.

use super::reply::Reply;

const PAGE: &str = include_str!("page.html");

/// Scripts and styles are the page's own, inline; pictures and status come from this server alone.
const POLICY: &str = "Content-Security-Policy: default-src 'none'; img-src 'self' data:; \
    connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; \
    form-action 'none'\r\nReferrer-Policy: no-referrer\r\n";

/// The page as a reply.
pub fn page() -> Reply {
    Reply {
        headers: POLICY.to_owned(),
        ..Reply::ok("text/html; charset=utf-8", PAGE.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_self_contained() {
        assert!(PAGE.len() < 60_000, "{} bytes", PAGE.len());
        assert!(PAGE.is_ascii());
        for elsewhere in ["http:", "https:", "src=\"/", "href=\"/"] {
            assert!(!PAGE.contains(elsewhere), "{elsewhere}");
        }
        assert_eq!(page().body.len(), PAGE.len());
    }
}

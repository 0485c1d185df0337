//! What a path and its query ask for: the table of addresses, old aliases included.
//!
//! Not here: whether it can be had now.

/// The most characters of a viewer's key; the rest is cut.
pub const MAX_KEY: usize = 64;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Live video.
    Stream {
        /// The name that the viewer gave itself, made harmless for logs and status.
        key: Option<String>,
    },
    /// One fresh frame.
    Snapshot,
    /// The status as JSON.
    Status,
    /// The source's controls, to look at or to set.
    Controls,
    /// The page for people.
    Page,
    /// Nothing that is here.
    NotFound,
}

/// Finds the route. Unknown query parameters are ignored: OctoPrint and Mainsail append
/// `&<timestamp>`, and whatever they add next must not break a picture.
pub fn route(path: &str, query: &str) -> Route {
    match path {
        "/" => match parameter(query, "action").as_deref().map(without_input) {
            Some("stream") => stream(query),
            Some("snapshot") => Route::Snapshot,
            Some(_) => Route::NotFound,
            None => Route::Page,
        },
        "/stream" => stream(query),
        "/snapshot" => Route::Snapshot,
        "/status" => Route::Status,
        "/controls" => Route::Controls,
        _ => Route::NotFound,
    }
}

/// Whether something is there that takes a POST.
pub(super) fn takes_post(path: &str) -> bool {
    route(path, "") == Route::Controls
}

fn stream(query: &str) -> Route {
    let key = parameter(query, "key").map(|key| {
        key.chars()
            .filter(|c| !c.is_control())
            .take(MAX_KEY)
            .collect::<String>()
    });
    Route::Stream {
        key: key.filter(|key| !key.is_empty()),
    }
}

/// mjpg-streamer names its input plugin behind the action: `stream_0`. Here is only the first.
fn without_input(action: &str) -> &str {
    action.strip_suffix("_0").unwrap_or(action)
}

/// The first parameter of that name, decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        (found == name).then(|| decode(value))
    })
}

/// Percent-decoding (RFC 3986 section 2.1) and `+` for a space, as HTML forms write it. What is
/// not a valid escape stays as it is; what is not UTF-8 becomes U+FFFD.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| {
        bytes
            .get(at)
            .and_then(|&byte| char::from(byte).to_digit(16))
    };
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                at += 3;
                continue;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keyed(key: &str) -> Route {
        Route::Stream {
            key: Some(key.to_owned()),
        }
    }

    #[test]
    fn addresses_and_aliases() {
        let unnamed = Route::Stream { key: None };
        for (path, query, want) in [
            ("/", "", Route::Page),
            ("/", "1732270000", Route::Page),
            ("/stream", "", unnamed.clone()),
            ("/stream", "key=tab-1&x=y", keyed("tab-1")),
            (
                "/stream",
                "extra_headers=1&key=a%20b%2Fc+d",
                keyed("a b/c d"),
            ),
            ("/stream", "key=", unnamed.clone()),
            ("/stream", "key=%0A%1b%00", unnamed.clone()),
            ("/stream", "key=%zz%4", keyed("%zz%4")),
            ("/", "action=stream", unnamed.clone()),
            ("/", "action=stream_0&1732270000", unnamed),
            ("/", "action=stream_1", Route::NotFound),
            ("/", "action=snapshot&1732270000", Route::Snapshot),
            ("/", "x&action=snapshot_0", Route::Snapshot),
            ("/", "action=command&dest=0&id=1", Route::NotFound),
            ("/snapshot", "x", Route::Snapshot),
            ("/status", "", Route::Status),
            ("/controls", "", Route::Controls),
            ("/favicon.ico", "", Route::NotFound),
            ("/stream/", "", Route::NotFound),
            ("/../etc/passwd", "", Route::NotFound),
        ] {
            assert_eq!(route(path, query), want, "{path} {query}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_bounded(path in "/?(stream|)", query in ".{0,200}") {
            if let Route::Stream { key: Some(key) } = route(&path, &query) {
                prop_assert!(key.chars().count() <= MAX_KEY && !key.chars().any(char::is_control));
            }
        }

        #[test]
        fn keys_survive_encoding(key in "[^\\p{C}]{1,64}") {
            let encoded: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(route("/stream", &format!("key={encoded}")), keyed(&key));
        }
    }
}

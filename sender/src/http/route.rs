//! What a path and its query ask for: the table of addresses, old aliases included.
//!
//! Not here: whether it can be had now.

use super::clip::ClipAsk;
use super::when::When;

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
    /// One frame.
    Snapshot {
        /// Of that moment; none: a fresh one.
        at: Option<When>,
    },
    /// What the ring holds of a stretch of time.
    Clip(ClipAsk),
    /// A parameter makes no sense: why, as a sentence.
    Invalid(String),
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
            Some("snapshot") => snapshot(query),
            Some(_) => Route::NotFound,
            None => Route::Page,
        },
        "/stream" => stream(query),
        "/snapshot" => snapshot(query),
        "/clip" => match ClipAsk::parse(query) {
            Ok(ask) => Route::Clip(ask),
            Err(error) => Route::Invalid(error.to_string()),
        },
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

fn snapshot(query: &str) -> Route {
    match parameter(query, "at").map(|text| text.parse::<When>()) {
        None => Route::Snapshot { at: None },
        Some(Ok(at)) => Route::Snapshot { at: Some(at) },
        Some(Err(error)) => Route::Invalid(error.to_string()),
    }
}

/// mjpg-streamer names its input plugin behind the action: `stream_0`. Here is only the first.
fn without_input(action: &str) -> &str {
    action.strip_suffix("_0").unwrap_or(action)
}

/// The first parameter of that name, decoded.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
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
        let fresh = Route::Snapshot { at: None };
        let at = Some(When::Ago(2_000_000_000));
        let then = Route::Snapshot { at };
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
            ("/", "action=snapshot&1732270000", fresh.clone()),
            ("/", "x&action=snapshot_0", fresh.clone()),
            ("/", "action=command&dest=0&id=1", Route::NotFound),
            ("/snapshot", "x", fresh),
            ("/snapshot", "at=-2s", then.clone()),
            ("/", "action=snapshot&at=-2s", then),
            ("/clip", "", Route::Clip(ClipAsk::parse("").unwrap())),
            ("/status", "", Route::Status),
            ("/controls", "", Route::Controls),
            ("/favicon.ico", "", Route::NotFound),
            ("/stream/", "", Route::NotFound),
            ("/../etc/passwd", "", Route::NotFound),
        ] {
            assert_eq!(route(path, query), want, "{path} {query}");
        }
    }

    #[test]
    fn parameters_without_sense() {
        for (path, query) in [
            ("/snapshot", "at=then"),
            ("/snapshot", "at"),
            ("/clip", "from=-5"),
            ("/clip", "format=gif"),
        ] {
            let got = route(path, query);
            assert!(
                matches!(&got, Route::Invalid(why) if why.ends_with('.')),
                "{got:?}"
            );
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

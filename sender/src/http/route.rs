//! What a path and its query ask for: the table of addresses, old aliases included.
//!
//! Not here: whether it can be had now.

use std::time::Duration;

use super::ask::StreamAsk;
use super::clip::ClipAsk;
use super::health;
use worker::when::When;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Route {
    /// Video.
    Stream(Box<StreamAsk>),
    /// One frame.
    Snapshot {
        /// Of that moment; none: a fresh one.
        at: Option<When>,
    },
    /// What the ring holds of a stretch of time.
    Clip(ClipAsk),
    /// The status as JSON.
    Status,
    /// The same in µStreamer's shape.
    State,
    /// The same in Prometheus' text format.
    Metrics,
    /// Whether frames come.
    Health {
        /// How old the newest may be.
        within: Duration,
    },
    /// The last minutes, second by second.
    History,
    /// The source's controls and format in mjpg-streamer's shape.
    InputJson,
    /// What there is of inputs and outputs, in mjpg-streamer's shape.
    ProgramJson,
    /// A control to set, in mjpg-streamer's words: the query.
    Command(String),
    /// The source's controls, to look at or to set.
    Controls,
    /// The page for people.
    Page,
    /// Something, but not so: what is wrong, as a sentence.
    Invalid(String),
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
            Some("command") => Route::Command(query.to_owned()),
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
        "/state" => Route::State,
        "/metrics" => Route::Metrics,
        "/healthz" => health(query),
        "/history" => Route::History,
        "/input.json" | "/input_0.json" => Route::InputJson,
        "/program.json" => Route::ProgramJson,
        "/controls" => Route::Controls,
        _ => Route::NotFound,
    }
}

/// What a POST to this path brings.
pub(super) fn posted(path: &str) -> Posted {
    match route(path, "") {
        Route::Controls => Posted::Settings,
        // mjpg-streamer takes it so, too, and some of its clients send it.
        Route::Stream(_) | Route::Snapshot { .. } => Posted::Nothing,
        _ => Posted::Refused,
    }
}

/// What a POST may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posted {
    /// None is taken.
    Refused,
    /// It is answered as a GET.
    Nothing,
    /// A body to be read.
    Settings,
}

fn health(query: &str) -> Route {
    let within = match parameter(query, "within") {
        Some(text) => health::within(&text),
        None => Ok(health::WITHIN),
    };
    within.map_or_else(Route::Invalid, |within| Route::Health { within })
}

fn stream(query: &str) -> Route {
    match StreamAsk::parse(query) {
        Ok(ask) => Route::Stream(Box::new(ask)),
        Err(why) => Route::Invalid(why),
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
    use crate::http::ask::MAX_KEY;

    fn keyed(key: &str) -> Route {
        Route::Stream(Box::new(StreamAsk {
            key: Some(key.to_owned()),
            ..StreamAsk::default()
        }))
    }

    #[test]
    fn addresses_and_aliases() {
        let unnamed = Route::Stream(Box::default());
        let fresh = Route::Snapshot { at: None };
        let at = Some(When::Ago(2_000_000_000));
        let then = Route::Snapshot { at };
        for (path, query, want) in [
            ("/", "", Route::Page),
            ("/", "1732270000", Route::Page),
            ("/stream", "", unnamed.clone()),
            ("/stream", "key=tab-1&x=y", keyed("tab-1")),
            ("/stream", "extra=1&key=a%20b%2Fc+d", keyed("a b/c d")),
            (
                "/stream",
                "fps=x",
                Route::Invalid("fps is a number from 0.01 to 1000.".into()),
            ),
            ("/stream", "key=", unnamed.clone()),
            ("/stream", "key=%0A%1b%00", unnamed.clone()),
            ("/stream", "key=%zz%4", keyed("%zz%4")),
            ("/", "action=stream", unnamed.clone()),
            ("/", "action=stream_0&1732270000", unnamed),
            ("/", "action=stream_1", Route::NotFound),
            ("/", "action=snapshot&1732270000", fresh.clone()),
            ("/", "x&action=snapshot_0", fresh.clone()),
            (
                "/",
                "action=command&dest=0&id=1",
                Route::Command("action=command&dest=0&id=1".into()),
            ),
            ("/", "action=take", Route::NotFound),
            ("/state", "", Route::State),
            ("/metrics", "", Route::Metrics),
            ("/history", "x", Route::History),
            ("/input.json", "", Route::InputJson),
            ("/input_0.json", "", Route::InputJson),
            ("/input_1.json", "", Route::NotFound),
            ("/program.json", "", Route::ProgramJson),
            (
                "/healthz",
                "",
                Route::Health {
                    within: health::WITHIN,
                },
            ),
            (
                "/healthz",
                "within=0.5",
                Route::Health {
                    within: Duration::from_millis(500),
                },
            ),
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
            ("/healthz", "within=soon"),
        ] {
            let got = route(path, query);
            assert!(
                matches!(&got, Route::Invalid(why) if why.ends_with('.')),
                "{got:?}"
            );
        }
    }

    #[test]
    fn who_takes_a_post() {
        assert_eq!(posted("/controls"), Posted::Settings);
        assert_eq!(posted("/stream"), Posted::Nothing);
        assert_eq!(posted("/snapshot"), Posted::Nothing);
        assert_eq!(posted("/"), Posted::Refused);
    }

    proptest! {
        #[test]
        fn any_query_is_bounded(path in "/?(stream|)", query in ".{0,200}") {
            if let Route::Stream(ask) = route(&path, &query)
                && let Some(key) = ask.key
            {
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

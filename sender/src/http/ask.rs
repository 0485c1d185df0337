//! How a viewer wants its stream: the query of `/stream`, in the words of µStreamer and in ours.
//!
//! Not here: whether the past that it asks for is still there (`beginning`).

use worker::Wants;
use worker::timeshift::SPEEDS;

use super::route::parameter;
use worker::when::When;

/// The most characters of a viewer's key; the rest is cut.
pub const MAX_KEY: usize = 64;

/// A stream as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamAsk {
    /// The name that the viewer gave itself, made harmless for logs and status.
    pub key: Option<String>,
    /// In the words of µStreamer.
    pub wants: Wants,
    /// At most so many frames a second, 0.01 to 1000.
    pub fps: Option<f64>,
    /// Where to begin; none: with what there is.
    pub from: Option<When>,
    /// Of the past, captured seconds for each second, 0.1 to 16.
    pub speed: f64,
    /// Frames that it may fall behind before it is put on the newest, 1 to 1,000,000.
    pub lag: Option<u64>,
}

impl Default for StreamAsk {
    fn default() -> Self {
        StreamAsk {
            key: None,
            wants: Wants::default(),
            fps: None,
            from: None,
            speed: 1.0,
            lag: None,
        }
    }
}

impl StreamAsk {
    /// Reads a query. Parameters that are not known are ignored.
    ///
    /// # Errors
    /// What is wrong with one of ours, as a sentence.
    pub fn parse(query: &str) -> Result<Self, String> {
        let is_true = |name| parameter(query, name).is_some_and(|value| is_true(&value));
        let from = parameter(query, "from")
            .map(|text| text.parse().map_err(|error| format!("from: {error}")));
        Ok(StreamAsk {
            key: parameter(query, "key").and_then(|key| harmless(&key)),
            wants: Wants {
                extra_headers: is_true("extra_headers"),
                advance_headers: is_true("advance_headers"),
                dual_final_frames: is_true("dual_final_frames"),
                zero_data: is_true("zero_data"),
            },
            fps: number(query, "fps", 0.01, 1000.0)?,
            from: from.transpose()?,
            speed: number(query, "speed", *SPEEDS.start(), *SPEEDS.end())?.unwrap_or(1.0),
            lag: match parameter(query, "lag").map(|text| text.parse()) {
                None => None,
                Some(Ok(lag)) if (1..=1_000_000).contains(&lag) => Some(lag),
                Some(_) => return Err("lag is a number of frames from 1 to 1000000.".into()),
            },
        })
    }
}

/// As µStreamer reads it (src/ustreamer/http/tools.c, `us_evkeyvalq_get_true`).
fn is_true(value: &str) -> bool {
    let is = |word| value.eq_ignore_ascii_case(word);
    value.starts_with('1') || is("true") || is("yes")
}

fn number(query: &str, name: &str, least: f64, most: f64) -> Result<Option<f64>, String> {
    match parameter(query, name).map(|text| text.parse::<f64>()) {
        None => Ok(None),
        Some(Ok(value)) if (least..=most).contains(&value) => Ok(Some(value)),
        Some(_) => Err(format!("{name} is a number from {least} to {most}.")),
    }
}

fn harmless(key: &str) -> Option<String> {
    let key: String = key
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_KEY)
        .collect();
    Some(key).filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(query: &str) -> StreamAsk {
        StreamAsk::parse(query).unwrap()
    }

    #[test]
    fn the_words_of_ustreamer() {
        for (query, want) in [
            ("", [false; 4]),
            ("extra_headers=1", [true, false, false, false]),
            (
                "extra_headers=TRUE&advance_headers=Yes&dual_final_frames=1x&zero_data=10",
                [true; 4],
            ),
            (
                "extra_headers&advance_headers=&dual_final_frames=on&zero_data=0",
                [false; 4],
            ),
        ] {
            let wants = ask(query).wants;
            let found = [
                wants.extra_headers,
                wants.advance_headers,
                wants.dual_final_frames,
                wants.zero_data,
            ];
            assert_eq!(found, want, "{query}");
        }
    }

    #[test]
    fn ours() {
        assert_eq!(ask("x=1&fpss=x&1732270000"), StreamAsk::default());
        let all = ask("fps=7.5&from=-5s&speed=4&lag=30");
        let want = StreamAsk {
            fps: Some(7.5),
            from: Some(When::Ago(5_000_000_000)),
            speed: 4.0,
            lag: Some(30),
            ..StreamAsk::default()
        };
        assert_eq!(all, want);
        for query in [
            "fps=0.01",
            "fps=1000",
            "speed=0.1",
            "speed=16",
            "lag=1",
            "lag=1000000",
        ] {
            assert!(StreamAsk::parse(query).is_ok(), "{query}");
        }
    }

    #[test]
    fn a_bad_value_is_one_sentence() {
        for (query, why) in [
            ("fps=0", "fps is a number from 0.01 to 1000."),
            ("fps=", "fps is a number from 0.01 to 1000."),
            ("fps=nan", "fps is a number from 0.01 to 1000."),
            ("fps=inf", "fps is a number from 0.01 to 1000."),
            ("fps=-5", "fps is a number from 0.01 to 1000."),
            ("speed=17", "speed is a number from 0.1 to 16."),
            ("speed=fast", "speed is a number from 0.1 to 16."),
            ("lag=0", "lag is a number of frames from 1 to 1000000."),
            ("lag=1.5", "lag is a number of frames from 1 to 1000000."),
            (
                "lag=1000001",
                "lag is a number of frames from 1 to 1000000.",
            ),
        ] {
            assert_eq!(StreamAsk::parse(query).unwrap_err(), why, "{query}");
        }
        let why = StreamAsk::parse("from=%0Ax%22").unwrap_err();
        assert!(why.starts_with("from: \"\\nx\\\"\" is no moment"), "{why}");
    }
}

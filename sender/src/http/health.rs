//! `/healthz`: whether pictures come, for whoever restarts or routes around what is broken. Pure.
//!
//! Not here: what is known of it (`worker::status::liveness`).

use std::time::Duration;

use shm_ring::Signal;
use worker::status::Liveness;

use super::reply::{Code, Reply};

/// How fresh the newest frame must be where nothing is said.
pub const WITHIN: Duration = Duration::from_secs(5);

/// Seconds as a request writes them, from 0.1 to a day.
///
/// # Errors
/// A sentence.
pub fn within(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|s| (0.1..=86_400.0).contains(s));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("within={text:?}: give seconds from 0.1 to 86400, as within=5."))
}

/// 200 where frames come, or would if somebody watched (`--on-demand`); else 503 and why.
pub fn health(found: &Liveness, within: Duration) -> Reply {
    let signal = match found.signal {
        Signal::Resting => return fine("ok, resting until somebody watches"),
        signal => signal,
    };
    let within_s = within.as_secs_f64();
    let why = match (signal, found.newest_age) {
        (Signal::Live, Some(age)) if age <= within => return fine("ok"),
        (Signal::Live, Some(age)) => {
            let age = age.as_secs_f64();
            format!("No frame for {age:.1} s; {within_s} s are allowed.")
        }
        (_, None) => "There has been no frame yet, or none since the clock was set back.".into(),
        (signal, Some(_)) => format!("The source is not live: {}.", signal.name()),
    };
    let why = match found.reason.trim_end_matches('.') {
        "" => why,
        reason => format!("{why} The reason given: {reason}."),
    };
    Reply::error(Code::Unavailable, &why)
}

fn fine(what: &str) -> Reply {
    Reply::ok("text/plain; charset=utf-8", format!("{what}\n").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(signal: Signal, age: Option<f64>, reason: &str) -> (Code, String) {
        let found = Liveness {
            signal,
            reason: reason.into(),
            newest_age: age.map(Duration::from_secs_f64),
        };
        let Reply { code, body, .. } = health(&found, WITHIN);
        (code, String::from_utf8(body).unwrap())
    }

    #[test]
    fn frames_or_a_sentence() {
        use Signal::{Live, NoSignal, Resting, Starting};
        let fine = |text: &str| (Code::Ok, format!("{text}\n"));
        assert_eq!(said(Live, Some(0.03), ""), fine("ok"));
        assert_eq!(said(Live, Some(5.0), ""), fine("ok"));
        let resting = fine("ok, resting until somebody watches");
        assert_eq!(said(Resting, Some(900.0), ""), resting);
        assert_eq!(said(Resting, None, ""), resting);
        for (signal, age, reason, part) in [
            (
                Live,
                Some(5.1),
                "",
                "No frame for 5.1 s; 5 s are allowed.\n",
            ),
            (Starting, None, "", "no frame yet"),
            (
                NoSignal,
                Some(0.1),
                "it is gone.",
                "no-signal. The reason given: it is gone.\n",
            ),
            (Starting, Some(0.1), "", "not live: starting."),
        ] {
            let (code, text) = said(signal, age, reason);
            assert_eq!(code, Code::Unavailable, "{text}");
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn seconds_within_reason() {
        assert_eq!(within("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "0", "-1", "1e9", "nan", "inf", "5s"] {
            assert!(within(bad).is_err(), "{bad}");
        }
    }
}

//! What seqcast is to reach, and whether it does.
//!
//! Pure. Not here: how verdicts are shown.

use serde::Serialize;

use super::label;
use super::summary::{Metric, Spread, Summary};
use crate::record::{Design, Frames};

/// Clients at which costs are judged.
const JUDGED: [u16; 2] = [20, 100];
/// CPU a frame: ours, the reference, and the ratio that may be.
const REFERENCES: [(Design, Design, f64); 2] = [
    (Design::Process, Design::Forked, 1.15),
    (Design::Multiplex, Design::Epoll, 1.25),
];
/// What CPU a frame must lie below.
const PEERS: [(Frames, Design); 5] = [
    (Frames::Jpeg720, Design::Gstreamer),
    (Frames::Jpeg720, Design::MjpgStreamer),
    (Frames::Jpeg720, Design::Ustreamer),
    (Frames::Jpeg720, Design::Ffmpeg),
    (Frames::Raw160, Design::Rabbitmq2019),
];
/// The models that are to hold the full rate.
const MODELS: [Design; 3] = [Design::Process, Design::Thread, Design::Multiplex];
/// What they are to hold it with: the grid's frames that every machine carries.
const RATED: [Frames; 2] = [Frames::Jpeg720, Frames::Raw160];
/// Frames a second: 30 within 1 %.
const FULL_RATE: f64 = 29.7;
/// ms, of the 99th percentile, to be below at 20 clients.
const SKEW: f64 = 10.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    Pass,
    Fail,
    NotMeasured,
}

/// Whether one thing is reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Of whom, with how many clients and which frames.
    pub of: String,
    /// What is asked for.
    pub bound: String,
    /// Median over runs and from where to where; or why there is none.
    pub seen: String,
    pub judgement: Judgement,
}

/// All that is to be reached, whether it was measured or not.
pub fn verdicts(summary: Summary<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for clients in JUDGED {
        for (ours, reference, bound) in REFERENCES {
            let asked = format!("CPU a frame ≤ {bound} × {}", label::design(reference));
            let fits = |ratio: f64| ratio <= bound;
            let case = (Frames::Jpeg720, ours, clients);
            verdicts.push(against(summary, case, reference, asked, fits));
        }
    }
    for clients in JUDGED {
        for ours in [Design::Process, Design::Multiplex] {
            for (frames, peer) in PEERS {
                let asked = format!("CPU a frame < {}", label::design(peer));
                let case = (frames, ours, clients);
                verdicts.push(against(summary, case, peer, asked, |ratio| ratio < 1.0));
            }
        }
    }
    for clients in [20, 200] {
        for (frames, ours) in RATED
            .into_iter()
            .flat_map(|f| MODELS.map(|model| (f, model)))
        {
            let case = (frames, ours, clients);
            let asked = format!("slowest viewer ≥ {FULL_RATE} fps");
            let fits = |fps: f64| fps >= FULL_RATE;
            verdicts.push(figure(summary, case, Metric::FpsMin, "fps", asked, fits));
            if clients == 20 {
                let asked = format!("skew p99 < {SKEW} ms");
                let fits = |skew: f64| skew < SKEW;
                verdicts.push(figure(summary, case, Metric::SkewP99, "ms", asked, fits));
            }
        }
    }
    verdicts
}

type Case = (Frames, Design, u16);

/// Judges the ratio to another design.
fn against(
    summary: Summary<'_>,
    case: Case,
    other: Design,
    asked: String,
    fits: impl Fn(f64) -> bool,
) -> Verdict {
    let (frames, ours, clients) = case;
    let ratio = summary.ratio(frames, ours, other, clients);
    let costs = [ours, other].map(|design| {
        let cost = summary.spread(Metric::CpuFrame, frames, design, clients);
        cost.map_or_else(String::new, |cost| label::number(cost.median))
    });
    let seen = |ratio: &Spread| {
        let [ours, theirs] = &costs;
        format!("{}: {ours} against {theirs} µs", label::spread(*ratio, 2))
    };
    let missing = || {
        let reason = |design| why_missing(summary, (frames, design, clients));
        [ours, other]
            .into_iter()
            .find_map(reason)
            .unwrap_or_else(|| "never in the same run".to_owned())
    };
    judge(case, asked, ratio, fits, seen, missing)
}

/// Judges a figure of its own.
fn figure(
    summary: Summary<'_>,
    case: Case,
    metric: Metric,
    unit: &str,
    asked: String,
    fits: impl Fn(f64) -> bool,
) -> Verdict {
    let (frames, ours, clients) = case;
    let spread = summary.spread(metric, frames, ours, clients);
    let seen = |spread: &Spread| format!("{} {unit}", label::spread(*spread, 1));
    let missing = || {
        why_missing(summary, case).unwrap_or_else(|| "measured, but without this figure".to_owned())
    };
    judge(case, asked, spread, fits, seen, missing)
}

fn judge(
    (frames, ours, clients): Case,
    bound: String,
    value: Option<Spread>,
    fits: impl Fn(f64) -> bool,
    seen: impl Fn(&Spread) -> String,
    missing: impl Fn() -> String,
) -> Verdict {
    Verdict {
        of: format!(
            "{}, {}, {}",
            label::design(ours),
            label::clients(clients),
            label::frames(frames)
        ),
        bound,
        seen: value.as_ref().map_or_else(missing, seen),
        judgement: match value {
            None => Judgement::NotMeasured,
            Some(spread) if fits(spread.median) => Judgement::Pass,
            Some(_) => Judgement::Fail,
        },
    }
}

/// Why a case was not measured; none if it was.
fn why_missing(summary: Summary<'_>, (frames, design, clients): Case) -> Option<String> {
    if summary.steady(frames, design, clients).next().is_some() {
        return None;
    }
    let reason = summary.reason(frames, design, clients).unwrap_or("not run");
    Some(format!("{}: {reason}", label::design(design)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::fixture;
    use crate::draw::summary::Named;
    use crate::record::Outcome;

    fn of(records: &[Named], of: &str, bound: &str) -> Verdict {
        let mut found = verdicts(Summary(records)).into_iter();
        found
            .find(|verdict| verdict.of.starts_with(of) && verdict.bound.starts_with(bound))
            .unwrap()
    }

    #[test]
    fn what_was_not_measured_is_said_so() {
        let all = verdicts(Summary(&[]));
        assert!(
            all.iter()
                .all(|verdict| verdict.judgement == Judgement::NotMeasured)
        );
        assert_eq!(all[0].seen, "process: not run");
        let records = [
            fixture::steady(Design::Process, 20, 1, 50.0),
            fixture::skipped(Design::Ustreamer, 20, "no such program"),
        ];
        let verdict = of(&records, "process, 20 clients", "CPU a frame < µStreamer");
        assert_eq!(verdict.judgement, Judgement::NotMeasured);
        assert_eq!(verdict.seen, "µStreamer: no such program");
    }

    #[test]
    fn ratios_are_held_to_their_bounds() {
        let judged = |ours, theirs| {
            let records = [
                fixture::steady(Design::Process, 20, 1, ours),
                fixture::steady(Design::Forked, 20, 1, theirs),
                fixture::steady(Design::Gstreamer, 20, 1, theirs),
            ];
            ["CPU a frame ≤ 1.15", "CPU a frame < GStreamer"]
                .map(|bound| of(&records, "process, 20 clients", bound).judgement)
        };
        assert_eq!(judged(99.0, 100.0), [Judgement::Pass, Judgement::Pass]);
        assert_eq!(judged(100.0, 100.0), [Judgement::Pass, Judgement::Fail]);
        assert_eq!(judged(116.0, 100.0), [Judgement::Fail, Judgement::Fail]);
    }

    #[test]
    fn rate_and_skew_are_held_to_theirs() {
        let judged = |fps: &[f64], skew: Option<f64>| {
            let mut named = fixture::steady(Design::Thread, 20, 1, 50.0);
            if let Outcome::Measured(seen) = &mut named.record.outcome {
                seen.fps = fps.to_vec();
                seen.skew_p99_ms = skew;
            }
            ["slowest viewer", "skew p99"]
                .map(|bound| of(&[named.clone()], "thread, 20 clients, 720p", bound).judgement)
        };
        assert_eq!(
            judged(&[30.0, 29.8], Some(9.9)),
            [Judgement::Pass, Judgement::Pass]
        );
        assert_eq!(
            judged(&[29.6, 30.0], Some(10.0)),
            [Judgement::Fail, Judgement::Fail]
        );
        assert_eq!(
            judged(&[], None),
            [Judgement::NotMeasured, Judgement::NotMeasured]
        );
    }
}

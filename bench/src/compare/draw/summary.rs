//! The records of a comparison and what they say together: medians and spreads over runs, ratios pair by pair.
//!
//! Pure. Not here: how figures are shown, and which are good enough (`reach`).

use std::collections::BTreeSet;

use bench::stats;

use crate::record::{Design, Frames, Measured, Outcome, Record, Scenario};

/// Seqcast's models.
pub const OURS: [Design; 4] = [
    Design::Process,
    Design::ProcessOf5,
    Design::Thread,
    Design::Multiplex,
];
/// What they are compared with.
pub const OTHERS: [Design; 8] = [
    Design::Epoll,
    Design::Forked,
    Design::Threads2017,
    Design::Rabbitmq2019,
    Design::Gstreamer,
    Design::MjpgStreamer,
    Design::Ustreamer,
    Design::Ffmpeg,
];
/// What is sent, in the order of the report.
pub const FRAMES: [Frames; 3] = [Frames::Jpeg720, Frames::Raw160, Frames::Raw640];

/// All designs, ours first.
pub fn designs() -> impl Iterator<Item = Design> {
    OURS.into_iter().chain(OTHERS)
}

/// A record and the name of its file, without `.json`.
#[derive(Debug, Clone)]
pub struct Named {
    pub name: String,
    pub record: Record,
}

/// One figure of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// µs per delivered frame.
    CpuFrame,
    /// CPUs.
    Cores,
    /// MiB.
    Pss,
    /// Frames a second of the slowest viewer.
    FpsMin,
    /// Ids missed, of all viewers.
    Lost,
    /// ms.
    LatencyP50,
    /// ms.
    LatencyP99,
    /// ms.
    SkewP50,
    /// ms.
    SkewP99,
    /// Context switches per delivered frame, of both kinds.
    Switches,
}

impl Metric {
    /// The figure; none where it was not measured or is no number.
    pub fn of(self, seen: &Measured) -> Option<f64> {
        let value = match self {
            Metric::CpuFrame => Some(seen.cpu_us),
            Metric::Cores => Some(seen.cpu_cores),
            Metric::Pss => Some(seen.pss_kib / 1024.0),
            Metric::FpsMin => seen.fps.iter().copied().reduce(f64::min),
            Metric::Lost => Some(seen.lost as f64),
            Metric::LatencyP50 => seen.latency_p50_ms,
            Metric::LatencyP99 => seen.latency_p99_ms,
            Metric::SkewP50 => seen.skew_p50_ms,
            Metric::SkewP99 => seen.skew_p99_ms,
            Metric::Switches => Some(seen.voluntary_switches + seen.involuntary_switches),
        };
        value.filter(|value| value.is_finite())
    }
}

/// A figure over runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub runs: usize,
}

impl Spread {
    /// Of what is a number; none of nothing.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let values: Vec<f64> = finite.collect();
        Some(Spread {
            median: stats::median(values.iter().copied())?,
            min: stats::min(values.iter().copied()),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            runs: values.len(),
        })
    }
}

/// A figure over the number of clients.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub design: Design,
    /// By rising number of clients.
    pub points: Vec<(u16, Spread)>,
}

/// All records of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'a>(pub &'a [Named]);

impl<'a> Summary<'a> {
    /// What was measured of a design, a run each, rising.
    pub fn measured(
        self,
        frames: Frames,
        design: Design,
        scenario: Scenario,
    ) -> impl Iterator<Item = (&'a Record, &'a Measured)> {
        let mut found: Vec<_> = self
            .0
            .iter()
            .filter(|named| {
                let case = named.record.case;
                (case.frames, case.design, case.scenario) == (frames, design, scenario)
            })
            .filter_map(|named| match &named.record.outcome {
                Outcome::Measured(seen) => Some((&named.record, &**seen)),
                _ => None,
            })
            .collect();
        found.sort_by_key(|(record, _)| (record.case.clients, record.case.run));
        found.into_iter()
    }

    /// What was measured with so many clients and nothing happening, a run each.
    pub fn steady(
        self,
        frames: Frames,
        design: Design,
        clients: u16,
    ) -> impl Iterator<Item = (u16, &'a Measured)> {
        self.measured(frames, design, Scenario::Steady)
            .filter(move |(record, _)| record.case.clients == clients)
            .map(|(record, seen)| (record.case.run, seen))
    }

    /// A figure of the steady cases over their runs.
    pub fn spread(
        self,
        metric: Metric,
        frames: Frames,
        design: Design,
        clients: u16,
    ) -> Option<Spread> {
        let runs = self.steady(frames, design, clients);
        Spread::of(runs.filter_map(|(_, seen)| metric.of(seen)))
    }

    /// The numbers of clients that steady cases of these frames were planned for.
    pub fn clients(self, frames: Frames) -> BTreeSet<u16> {
        let cases = self.0.iter().map(|named| named.record.case);
        cases
            .filter(|case| (case.frames, case.scenario) == (frames, Scenario::Steady))
            .map(|case| case.clients)
            .collect()
    }

    /// A figure of one design over the number of clients.
    pub fn one(self, metric: Metric, frames: Frames, design: Design) -> Series {
        let points = self
            .clients(frames)
            .into_iter()
            .filter_map(|clients| Some((clients, self.spread(metric, frames, design, clients)?)));
        Series {
            design,
            points: points.collect(),
        }
    }

    /// The same of all designs that have it.
    pub fn series(self, metric: Metric, frames: Frames) -> Vec<Series> {
        designs()
            .map(|design| self.one(metric, frames, design))
            .filter(|series| !series.points.is_empty())
            .collect()
    }

    /// CPU a frame of `ours` over `theirs`, run by run: what changes from run to run, as the load of the machine,
    /// cancels out. None where no run has both.
    pub fn ratio(
        self,
        frames: Frames,
        ours: Design,
        theirs: Design,
        clients: u16,
    ) -> Option<Spread> {
        let cost = |seen| Metric::CpuFrame.of(seen).filter(|cost| *cost > 0.0);
        Spread::of(self.steady(frames, ours, clients).filter_map(|(run, a)| {
            let b = self
                .steady(frames, theirs, clients)
                .find(|(other, _)| *other == run)?
                .1;
            Some(cost(a)? / cost(b)?)
        }))
    }

    /// Why there is nothing to be had of a steady case: the first reason given, in words.
    pub fn reason(self, frames: Frames, design: Design, clients: u16) -> Option<&'a str> {
        self.0.iter().find_map(|named| {
            let case = named.record.case;
            let wanted = (frames, design, clients, Scenario::Steady);
            match &named.record.outcome {
                Outcome::Skipped(reason) | Outcome::Failed(reason)
                    if (case.frames, case.design, case.clients, case.scenario) == wanted =>
                {
                    Some(reason.as_str())
                }
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::fixture;

    #[test]
    fn a_spread_is_of_numbers_only() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([f64::NAN]), None);
        let spread = Spread::of([3.0, f64::INFINITY, 1.0, -2.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (1.0, -2.0, 3.0));
        assert_eq!(spread.runs, 3);
    }

    #[test]
    fn runs_are_put_together() {
        let records = [(1, 50.0), (2, 70.0), (3, 54.0)]
            .map(|(run, cpu_us)| fixture::steady(Design::Process, 20, run, cpu_us));
        let summary = Summary(&records);
        let spread = summary
            .spread(Metric::CpuFrame, Frames::Jpeg720, Design::Process, 20)
            .unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (54.0, 50.0, 70.0));
        assert_eq!(summary.clients(Frames::Jpeg720), BTreeSet::from([20]));
        assert_eq!(summary.clients(Frames::Raw640), BTreeSet::new());
        assert_eq!(summary.series(Metric::CpuFrame, Frames::Jpeg720).len(), 1);
        assert_eq!(summary.series(Metric::CpuFrame, Frames::Raw160), []);
    }

    #[test]
    fn ratios_are_taken_run_by_run() {
        // All was slower by half in run 2; run 3 of the other is missing.
        let records = [
            fixture::steady(Design::Process, 20, 1, 55.0),
            fixture::steady(Design::Process, 20, 2, 82.5),
            fixture::steady(Design::Process, 20, 3, 500.0),
            fixture::steady(Design::Forked, 20, 1, 50.0),
            fixture::steady(Design::Forked, 20, 2, 75.0),
        ];
        let ratio = |theirs| Summary(&records).ratio(Frames::Jpeg720, Design::Process, theirs, 20);
        let spread = ratio(Design::Forked).unwrap();
        assert_eq!(spread.runs, 2);
        assert!((spread.median - 1.1).abs() < 1e-9, "{spread:?}");
        assert_eq!(ratio(Design::Epoll), None);
    }

    #[test]
    fn what_is_missing_has_its_reason() {
        let records = [fixture::skipped(Design::Ustreamer, 20, "no such program")];
        let reason =
            |clients| Summary(&records).reason(Frames::Jpeg720, Design::Ustreamer, clients);
        assert_eq!(reason(20), Some("no such program"));
        assert_eq!(reason(100), None);
    }
}

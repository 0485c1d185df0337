//! What was measured: a table for people, and one JSON document.
//!
//! Not here: how it was measured (`rows`), and the chart (`chart`).

use std::fmt;

use serde::Serialize;

use crate::stats::Spread;

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Row {
    /// From before publishing until a reader is awake and has the frame's stamp
    Wake,
    /// CPU of publishing a frame
    Publish,
    /// Memory that a reader has for itself
    Memory,
    /// Time for 100 readers to start and attach
    Join,
    /// CPU of sending a frame to loopback TCP
    Send,
    /// Copying frames out
    Copy,
    /// Wall time of publishing, 99th percentile
    Wall,
    /// Memory held for the same history of real JPEGs
    History,
}

/// What a ratio is to reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn is_reached(self, ratio: f64) -> bool {
        match self {
            Goal::AtMost(bound) => ratio <= bound,
            Goal::AtLeast(bound) => ratio >= bound,
        }
    }
}

/// One thing that was measured on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    pub row: Row,
    pub what: String,
    /// Reader processes, where the figure depends on them.
    pub readers: Option<usize>,
    pub against: &'static str,
    pub unit: &'static str,
    pub ours: Spread,
    pub theirs: Spread,
    /// Of neighbours in time.
    pub ratio: Spread,
    pub goal: Option<Goal>,
    /// Of the ratio's median; none without a goal.
    pub reached: Option<bool>,
}

impl Figure {
    /// From pairs (ours, theirs) of measurements that were taken one right after the other. None
    /// of no pairs.
    pub fn of_pairs(
        row: Row,
        what: impl Into<String>,
        against: &'static str,
        unit: &'static str,
        pairs: &[(f64, f64)],
    ) -> Option<Figure> {
        Some(Figure {
            row,
            what: what.into(),
            readers: None,
            against,
            unit,
            ours: Spread::of(pairs.iter().map(|pair| pair.0))?,
            theirs: Spread::of(pairs.iter().map(|pair| pair.1))?,
            ratio: Spread::of(pairs.iter().map(|(ours, theirs)| ours / theirs))?,
            goal: None,
            reached: None,
        })
    }

    /// Says with how many readers it was.
    pub fn with_readers(self, readers: usize) -> Figure {
        Figure {
            readers: Some(readers),
            ..self
        }
    }

    /// Says what the ratio is to reach.
    pub fn with_goal(self, goal: Goal) -> Figure {
        Figure {
            goal: Some(goal),
            reached: Some(goal.is_reached(self.ratio.median)),
            ..self
        }
    }
}

/// On what it was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    pub cpus: usize,
    pub cpu: String,
    pub kernel: String,
    /// Runnable processes in the minute before: above 0 somebody else was at work.
    pub load_before: f64,
}

/// The JSON document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub quick: bool,
    pub seconds: f64,
    pub figures: Vec<Figure>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine {
            cpus,
            cpu,
            kernel,
            load_before,
        } = &self.machine;
        writeln!(
            f,
            "{cpus} CPUs ({cpu}), Linux {kernel}, load {load_before:.1} before; {:.0} s. Medians; \
             ratios are of\nneighbours in time, with their quartiles and extremes.\n",
            self.seconds
        )?;
        writeln!(
            f,
            "{:<44} {:>10} {:>10} {:<5} {:>6}  {:^13} {:^15}  {:<9} against",
            "what", "ours", "theirs", "", "ratio", "quartiles", "min - max", "reach"
        )?;
        for figure in &self.figures {
            writeln!(f, "{figure}")?;
        }
        let judged = || self.figures.iter().filter_map(|figure| figure.reached);
        let reached = judged().filter(|&reached| reached).count();
        writeln!(f, "\n{reached} of {} goals reached", judged().count())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread {
            median,
            q1,
            q3,
            min,
            max,
            ..
        } = self.ratio;
        let reach = match self.goal {
            Some(Goal::AtMost(bound)) => format!("<= {bound:.2}"),
            Some(Goal::AtLeast(bound)) => format!(">= {bound:.2}"),
            None => String::new(),
        };
        let mark = match self.reached {
            Some(true) => "pass",
            Some(false) => "FAIL",
            None => "",
        };
        write!(
            f,
            "{:<44} {:>10.1} {:>10.1} {:<5} {median:>6.3}  {:^13} {:^15}  {reach:<8} {mark:<4} {}",
            self.what,
            self.ours.median,
            self.theirs.median,
            self.unit,
            format!("{q1:.3}-{q3:.3}"),
            format!("{min:.3} - {max:.3}"),
            self.against,
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn figure(row: Row, readers: usize, ours: f64, theirs: f64) -> Figure {
        let pairs = [(ours, theirs), (ours * 2.0, theirs), (ours / 2.0, theirs)];
        let figure = Figure::of_pairs(row, "some", "iceoryx2", "us", &pairs);
        figure.unwrap().with_readers(readers)
    }

    #[test]
    fn a_ratio_is_of_pairs_and_judged_by_its_median() {
        let figure = figure(Row::Wake, 20, 10.0, 20.0);
        assert_eq!((figure.ratio.median, figure.ratio.max), (0.5, 1.0));
        let judged = |goal| figure.clone().with_goal(goal).reached;
        assert_eq!(judged(Goal::AtMost(0.5)), Some(true));
        assert_eq!(judged(Goal::AtMost(0.49)), Some(false));
        assert_eq!(judged(Goal::AtLeast(0.5)), Some(true));
        assert_eq!(judged(Goal::AtLeast(0.51)), Some(false));
    }

    #[test]
    fn a_person_sees_what_was_reached() {
        let figures = vec![
            figure(Row::Wake, 20, 10.0, 20.0).with_goal(Goal::AtMost(0.6)),
            figure(Row::Publish, 20, 10.0, 20.0).with_goal(Goal::AtMost(0.2)),
            figure(Row::Publish, 1, 10.0, 20.0),
        ];
        let report = Report {
            machine: Machine {
                cpus: 2,
                cpu: "some".into(),
                kernel: "6.1".into(),
                load_before: 0.0,
            },
            quick: true,
            seconds: 1.0,
            figures,
        };
        let text = report.to_string();
        assert!(text.contains("<= 0.60  pass iceoryx2"), "{text}");
        assert!(text.contains("<= 0.20  FAIL iceoryx2"), "{text}");
        assert!(text.contains("1 of 2 goals reached"), "{text}");
        let json = serde_json::to_string(&report).unwrap();
        assert!(json.contains(r#""goal":{"at_most":0.6}"#), "{json}");
    }
}

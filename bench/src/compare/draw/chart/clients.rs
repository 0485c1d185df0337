//! A figure over the number of clients, a line a design, whiskers from the least to the most of all runs.
//!
//! Not here: medians and spreads (`summary`).

use super::axes::Axis;
use super::canvas::{self, Area};
use super::palette::{Look, look};
use super::plot::{self, Plot};
use super::{Chart, LEGEND};
use crate::draw::label;
use crate::draw::summary::{Metric, Series, Summary};
use crate::record::{Design, Frames};

/// What a chart shows.
struct Subject {
    name: &'static str,
    title: &'static str,
    caption: &'static str,
    y: &'static str,
    /// From 0 on, not logarithmic.
    linear: bool,
    /// Side by side, with one y axis.
    panels: &'static [(&'static str, Metric)],
}

const SUBJECTS: [Subject; 6] = [
    Subject {
        name: "cpu-per-frame",
        title: "CPU per delivered frame",
        caption: "What one frame costs the server to deliver to one client. Both axes are logarithmic: equal \
                  distances are equal ratios.",
        y: "µs of CPU per delivered frame",
        linear: false,
        panels: &[("", Metric::CpuFrame)],
    },
    Subject {
        name: "cores",
        title: "CPU per second",
        caption: "CPUs that the server keeps busy, all its processes together.",
        y: "CPUs busy",
        linear: false,
        panels: &[("", Metric::Cores)],
    },
    Subject {
        name: "memory",
        title: "Memory",
        caption: "PSS of all processes of the server: shared pages are counted once.",
        y: "PSS, MiB",
        linear: false,
        panels: &[("", Metric::Pss)],
    },
    Subject {
        name: "fps",
        title: "Frames per second of the slowest viewer",
        caption: "30 is all there is.",
        y: "frames per second",
        linear: true,
        panels: &[("", Metric::FpsMin)],
    },
    Subject {
        name: "skew",
        title: "Skew: from the first viewer to the last to have the same frame",
        caption: "“Synchronised”, in the word of the post: how far apart in time the viewers get one frame.",
        y: "ms",
        linear: false,
        panels: &[
            ("median frame", Metric::SkewP50),
            ("99th percentile", Metric::SkewP99),
        ],
    },
    Subject {
        name: "latency",
        title: "Latency: from capture to viewer",
        caption: "Only of servers whose frames carry their time.",
        y: "ms",
        linear: false,
        panels: &[
            ("median of the median viewer", Metric::LatencyP50),
            ("99th percentile of the worst viewer", Metric::LatencyP99),
        ],
    },
];

/// The charts of these frames that have anything to show.
pub fn charts(summary: Summary<'_>, frames: Frames) -> anyhow::Result<Vec<Chart>> {
    let charts = SUBJECTS
        .iter()
        .map(|subject| chart(subject, summary, frames));
    Ok(charts
        .collect::<anyhow::Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect())
}

fn chart(subject: &Subject, summary: Summary<'_>, frames: Frames) -> anyhow::Result<Option<Chart>> {
    let panels: Vec<(&str, Vec<Series>)> = subject
        .panels
        .iter()
        .map(|(heading, metric)| (*heading, summary.series(*metric, frames)))
        .collect();
    let points = || {
        panels
            .iter()
            .flat_map(|(_, all)| all)
            .flat_map(|series| &series.points)
    };
    let Some(runs) = points().map(|(_, spread)| spread.runs).max() else {
        return Ok(None);
    };
    let x = Axis::clients(points().map(|(clients, _)| *clients));
    let values = points().flat_map(|(_, spread)| [spread.min, spread.max]);
    let y = match subject.linear {
        true => Axis::linear(subject.y, values),
        false => Axis::log(subject.y, values, 13),
    };
    let over = match runs {
        1 => "1 run".to_owned(),
        n => format!("median of {n} runs, whiskers from least to most"),
    };
    let subtitle = format!("{} · {over}", label::frames_explained(frames));
    let svg = canvas::svg(canvas::HEIGHT, subject.title, &subtitle, |area| {
        let (width, _) = area.dim_in_pixel();
        let (plots, names) = area.split_horizontally(width as i32 - LEGEND);
        for (area, (heading, series)) in plots.split_evenly((1, panels.len())).iter().zip(&panels) {
            panel(area, heading, &x, &y, series)?;
        }
        plot::legend(&names, &legend(&panels))
    })?;
    Ok(Some(Chart {
        name: format!("{}-{}", subject.name, label::frames_slug(frames)),
        title: subject.title.to_owned(),
        caption: subject.caption.to_owned(),
        svg,
    }))
}

fn panel(area: &Area<'_>, heading: &str, x: &Axis, y: &Axis, all: &[Series]) -> anyhow::Result<()> {
    let plot = Plot::new(area, heading, x, y, None)?;
    if all.is_empty() {
        return plot.say("not measured");
    }
    // Ours above the others.
    for series in all.iter().rev() {
        let look = look(series.design);
        let medians = series
            .points
            .iter()
            .map(|(clients, spread)| (f64::from(*clients), spread.median));
        plot.curve(&medians.collect::<Vec<_>>(), look)?;
        for (clients, spread) in &series.points {
            plot.point(
                f64::from(*clients),
                (spread.min, spread.median, spread.max),
                look,
            )?;
        }
    }
    Ok(())
}

/// In the order of the lines' right ends, the highest first.
fn legend(panels: &[(&str, Vec<Series>)]) -> Vec<(Look, String)> {
    let mut designs: Vec<(Design, u16, f64)> = Vec::new();
    for series in panels.iter().flat_map(|(_, all)| all) {
        if let Some((clients, spread)) = series.points.last()
            && !designs.iter().any(|(design, ..)| *design == series.design)
        {
            designs.push((series.design, *clients, spread.median));
        }
    }
    designs.sort_by(|a, b| b.1.cmp(&a.1).then(b.2.total_cmp(&a.2)));
    designs
        .into_iter()
        .map(|(design, ..)| (look(design), label::design(design).to_owned()))
        .collect()
}

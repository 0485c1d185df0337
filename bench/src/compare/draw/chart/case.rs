//! The post's own plot of one case: CPU and memory over time, with his sum beside the true curve.
//!
//! Not here: how `ps` comes to its figures (the runner's).

use super::axes::Axis;
use super::canvas;
use super::palette::{self, Look};
use super::plot::{self, Plot};
use super::{Chart, LEGEND};
use crate::draw::label;
use crate::draw::summary::Named;
use crate::record::{Outcome, Sample};

/// A curve over time.
struct Curve {
    name: &'static str,
    look: Look,
    of: fn(&Sample) -> f64,
}

const CPU: [Curve; 5] = [
    Curve {
        name: "server",
        look: Look::curve(palette::BLUE, 3, false),
        of: |at| at.server_cpu,
    },
    Curve {
        name: "viewers",
        look: Look::curve(palette::GREEN, 2, false),
        of: |at| at.viewers_cpu,
    },
    Curve {
        name: "server + viewers",
        look: Look::curve(palette::BLACK, 2, false),
        of: |at| at.server_cpu + at.viewers_cpu,
    },
    Curve {
        name: "the same by ps",
        look: Look::curve(palette::VERMILION, 2, false),
        of: |at| at.ps_cpu,
    },
    Curve {
        name: "by ps of procps-ng 3",
        look: Look::curve(palette::ORANGE, 2, true),
        of: |at| at.ps_cpu_old,
    },
];

const PSS: [Curve; 3] = [
    Curve {
        name: "server",
        look: CPU[0].look,
        of: |at| at.server_pss_kib as f64 / 1024.0,
    },
    Curve {
        name: "viewers",
        look: CPU[1].look,
        of: |at| at.viewers_pss_kib as f64 / 1024.0,
    },
    Curve {
        name: "server + viewers",
        look: CPU[2].look,
        of: |at| (at.server_pss_kib + at.viewers_pss_kib) as f64 / 1024.0,
    },
];

const PS_MEM: [Curve; 1] = [Curve {
    name: "the same by ps",
    look: CPU[3].look,
    of: |at| at.ps_mem,
}];

/// The plot of a case; none if there are no samples of it.
pub fn chart(named: &Named) -> anyhow::Result<Option<Chart>> {
    let case = named.record.case;
    let seen = match &named.record.outcome {
        Outcome::Measured(seen) if !seen.samples.is_empty() => seen,
        _ => return Ok(None),
    };
    let samples = &seen.samples;
    let title = label::case(case);
    let subtitle = format!(
        "{} · {} µs of server CPU per delivered frame, {} CPUs while all stream",
        label::design_explained(case.design),
        label::number(seen.cpu_us),
        label::number(seen.cpu_cores),
    );
    let svg = canvas::svg(canvas::HEIGHT, &title, &subtitle, |area| {
        let (width, height) = area.dim_in_pixel();
        let (plots, names) = area.split_horizontally(width as i32 - LEGEND);
        let (cpu, memory) = plots.split_vertically(height as i32 / 2);
        let (pss, ps_mem) = memory.split_vertically(height as i32 / 4);
        panel(&cpu, "CPU, %", "", &CPU, samples)?;
        panel(&pss, "PSS, MiB", "", &PSS, samples)?;
        panel(
            &ps_mem,
            "%MEM by ps",
            "s since the server's start",
            &PS_MEM,
            samples,
        )?;
        let entries = CPU.map(|curve| (curve.look, curve.name.to_owned()));
        plot::legend(&names, &entries)
    })?;
    Ok(Some(Chart {
        name: named.name.clone(),
        title,
        caption: String::new(),
        svg,
    }))
}

fn panel(
    area: &canvas::Area<'_>,
    y: &str,
    x: &str,
    curves: &[Curve],
    samples: &[Sample],
) -> anyhow::Result<()> {
    let x = Axis::linear(x, samples.iter().map(|at| at.at_s));
    let values = curves.iter().flat_map(|curve| samples.iter().map(curve.of));
    let y = Axis::linear(y, values);
    let plot = Plot::new(area, "", &x, &y, None)?;
    for curve in curves {
        let points: Vec<_> = samples.iter().map(|at| (at.at_s, (curve.of)(at))).collect();
        plot.curve(&points, curve.look)?;
    }
    Ok(())
}

//! One viewer stalls: what it and the others get, second by second, a small chart for each design.
//!
//! Not here: what is too old (the runner's).

use super::Chart;
use super::axes::Axis;
use super::canvas::{self, Area};
use super::palette::{self, Look};
use super::plot::{self, Plot};
use crate::draw::label;
use crate::draw::summary::{Summary, designs};
use crate::record::{Design, Frames, Scenario, Stalled, Tick};

const COLUMNS: usize = 4;
/// px.
const CELL: usize = 330;
const STALLED: Look = Look::curve(palette::VERMILION, 3, false);
const OTHERS: Look = Look::curve(palette::BLUE, 2, false);

/// The first run of a design.
struct Cell<'a> {
    design: Design,
    stalled: Stalled,
    /// Of the viewer that stalled.
    one: &'a [Tick],
    others: &'a [Vec<Tick>],
}

/// A chart of all designs that were measured; none of none.
pub fn chart(summary: Summary<'_>, frames: Frames) -> anyhow::Result<Option<Chart>> {
    let cells: Vec<(u16, Cell<'_>)> = designs()
        .filter_map(|design| {
            let mut runs = summary.measured(frames, design, Scenario::Stall);
            runs.find_map(|(record, seen)| {
                let (one, others) = seen.timelines.split_first()?;
                let stalled = seen.stalled?;
                let cell = Cell {
                    design,
                    stalled,
                    one,
                    others,
                };
                Some((record.case.clients, cell))
            })
        })
        .collect();
    let Some((clients, first)) = cells.first() else {
        return Ok(None);
    };
    let title = format!(
        "One of {} stops reading for {} s",
        label::clients(*clients),
        label::count(first.stalled.for_s)
    );
    let ticks = || {
        cells
            .iter()
            .flat_map(|(_, cell)| cell.one.iter().chain(cell.others.iter().flatten()))
    };
    let seconds = Axis::linear("s", ticks().map(|tick| tick.at_s + 1.0));
    let unlabelled = Axis::linear("", ticks().map(|tick| tick.at_s + 1.0));
    let fps = Axis::linear("fps", ticks().map(|tick| f64::from(tick.frames)));
    let latency = Axis::log(
        "latency, ms",
        cells
            .iter()
            .flat_map(|(_, cell)| cell.one)
            .filter_map(|tick| tick.latency_max_ms),
        4,
    );
    let rows = cells.len().div_ceil(COLUMNS);
    let height = 84 + 44 + CELL * rows + 16;
    let subtitle = format!("{} · first run", label::frames_explained(frames));
    let svg = canvas::svg(height as u32, &title, &subtitle, |area| {
        let (key, grid) = area.split_vertically(44);
        plot::legend_row(
            &key,
            &[
                (STALLED, "the viewer that stalls"),
                (OTHERS, "the others: median, slowest to fastest"),
                (Look::curve(palette::SHADE, 16, false), "the stall"),
            ],
        )?;
        for (area, (_, cell)) in grid.split_evenly((rows, COLUMNS)).iter().zip(&cells) {
            let (upper, lower) = area.split_vertically(CELL as i32 / 2);
            rate(&upper, cell, &unlabelled, &fps)?;
            age(&lower, cell, &seconds, &latency)?;
        }
        Ok(())
    })?;
    Ok(Some(Chart {
        name: format!("stall-{}", label::frames_slug(frames)),
        title,
        caption: "Above: frames in each second. Below: the oldest frame that the stalled viewer got in each \
                  second; what is old after the stall was kept for it, and is replayed.".to_owned(),
        svg,
    }))
}

fn shade(cell: &Cell<'_>) -> Option<(f64, f64)> {
    Some((
        cell.stalled.from_s,
        cell.stalled.from_s + cell.stalled.for_s,
    ))
}

fn middle(tick: &Tick) -> f64 {
    tick.at_s + 0.5
}

fn rate(area: &Area<'_>, cell: &Cell<'_>, x: &Axis, y: &Axis) -> anyhow::Result<()> {
    let plot = Plot::new(area, label::design(cell.design), x, y, shade(cell))?;
    let others = spread_over_time(cell.others);
    let band: Vec<_> = others
        .iter()
        .map(|(at, least, _, most)| (*at, *least, *most))
        .collect();
    plot.band(&band, OTHERS.ink)?;
    let medians: Vec<_> = others
        .iter()
        .map(|(at, _, median, _)| (*at, *median))
        .collect();
    plot.curve(&medians, OTHERS)?;
    let one: Vec<_> = cell
        .one
        .iter()
        .map(|tick| (middle(tick), f64::from(tick.frames)))
        .collect();
    plot.curve(&one, STALLED)
}

fn age(area: &Area<'_>, cell: &Cell<'_>, x: &Axis, y: &Axis) -> anyhow::Result<()> {
    let plot = Plot::new(area, "", x, y, shade(cell))?;
    let known = |tick: &Tick| tick.latency_max_ms.map(|ms| (middle(tick), ms));
    if !cell.one.iter().any(|tick| tick.latency_max_ms.is_some()) {
        return plot.say("its frames carry no time");
    }
    // No line over seconds without a frame.
    for piece in cell.one.split(|tick| tick.latency_max_ms.is_none()) {
        let points: Vec<_> = piece.iter().filter_map(known).collect();
        plot.curve(&points, STALLED)?;
    }
    Ok(())
}

/// (middle of the second, least, median, most) of the viewers' frames in each second.
fn spread_over_time(viewers: &[Vec<Tick>]) -> Vec<(f64, f64, f64, f64)> {
    let seconds = viewers.iter().map(Vec::len).max().unwrap_or(0);
    let second = |index: usize| {
        let ticks: Vec<&Tick> = viewers
            .iter()
            .filter_map(|ticks| ticks.get(index))
            .collect();
        let spread =
            crate::draw::summary::Spread::of(ticks.iter().map(|tick| f64::from(tick.frames)))?;
        Some((
            middle(ticks.first()?),
            spread.min,
            spread.median,
            spread.max,
        ))
    };
    (0..seconds).filter_map(second).collect()
}

//! Horizontal bars, a row each: what a stall and a kill cost, and lines of code.
//!
//! Not here: curves (`plot`).

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use serde_json::Value;

use super::Chart;
use super::canvas::{self, Area, Font};
use super::palette::{self, Ink, look};
use crate::draw::label;
use crate::draw::summary::{Spread, Summary, designs};
use crate::record::{Design, Frames, Killed, Scenario};

/// px, of one row.
const ROW: i32 = 40;
/// px, of the names' column.
const NAMES: i32 = 290;
/// px, for the figure behind a bar.
const FIGURE: i32 = 220;

/// A row: no value is a bar of no length.
#[derive(Debug, Clone, PartialEq)]
struct Bar {
    value: Option<f64>,
    figure: String,
}

/// Frames replayed after a stall.
pub fn stale(summary: Summary<'_>, frames: Frames) -> anyhow::Result<Option<Chart>> {
    let rows = designs().filter_map(|design| {
        let runs = summary.measured(frames, design, Scenario::Stall);
        let stale = Spread::of(runs.filter_map(|(_, seen)| Some(seen.stalled?.stale as f64)))?;
        Some((design, [counted(stale, "frames")]))
    });
    chart(
        format!("stale-{}", label::frames_slug(frames)),
        "Stale frames after a stall",
        label::frames_explained(frames),
        "Frames that the viewer got after its stall although they were older than its end: replay, not live picture.",
        [""],
        rows.collect(),
    )
}

/// Viewers cut by a kill, and the time until a new one has a picture.
pub fn kill(summary: Summary<'_>, frames: Frames) -> anyhow::Result<Option<Chart>> {
    let mut clients = 0;
    let rows = designs().filter_map(|design| {
        let runs = summary.measured(frames, design, Scenario::Kill);
        let killed: Vec<&Killed> = runs
            .filter_map(|(record, seen)| {
                clients = record.case.clients;
                seen.killed.as_ref()
            })
            .collect();
        let cut = Spread::of(killed.iter().map(|killed| killed.cut as f64))?;
        let what = &killed.first()?.what;
        let cut = Bar {
            value: Some(cut.median),
            figure: format!("{} ({what})", range(cut, label::count)),
        };
        Some((design, [cut, back(&killed)]))
    });
    let rows = rows.collect();
    chart(
        format!("kill-{}", label::frames_slug(frames)),
        &format!("One worker is killed under {}", label::clients(clients)),
        label::frames_explained(frames),
        "What was hit stands in brackets. Right: from the kill until a new connection got a frame.",
        ["viewers cut", "until a new viewer has a picture"],
        rows,
    )
}

/// Lines of code as the plan counted them.
pub fn lines_of_code(plan: &Value) -> anyhow::Result<Option<Chart>> {
    let counted = plan.get("lines_of_code").and_then(Value::as_array);
    let rows = counted.into_iter().flatten().filter_map(|row| {
        let name = row.get("design")?;
        let lines = row.get("lines")?.as_f64()?;
        let bar = Bar {
            value: Some(lines),
            figure: label::count(lines),
        };
        // What is no design of ours has its own name: a part that several share.
        let (name, ink) = match serde_json::from_value::<Design>(name.clone()) {
            Ok(design) => (label::design(design).to_owned(), look(design).ink),
            Err(_) => (name.as_str()?.to_owned(), palette::SLATE),
        };
        Some((name, ink, [bar]))
    });
    draw(
        "lines-of-code".to_owned(),
        "Lines of code",
        "without blank lines, comments and tests",
        "Which files were counted stands in the table of machine and versions.",
        [""],
        rows.collect(),
    )
}

fn counted(spread: Spread, unit: &str) -> Bar {
    Bar {
        value: Some(spread.median),
        figure: format!("{} {unit}", range(spread, label::count)),
    }
}

/// The median, and from where to where if it is not the same each time, shown as `show` does.
fn range(spread: Spread, show: fn(f64) -> String) -> String {
    let [median, min, max] = [spread.median, spread.min, spread.max].map(show);
    if min == max {
        median
    } else {
        format!("{median} ({min}–{max})")
    }
}

fn back(killed: &[&Killed]) -> Bar {
    let back = Spread::of(killed.iter().filter_map(|killed| killed.back_ms));
    let never = killed
        .iter()
        .filter(|killed| killed.back_ms.is_none())
        .count();
    let figure = match back {
        None => "not within 10 s".to_owned(),
        Some(back) if never == 0 => format!("{} ms", range(back, label::number)),
        Some(back) => format!(
            "{} ms; {never} of {} not within 10 s",
            range(back, label::number),
            killed.len()
        ),
    };
    Bar {
        value: back.map(|back| back.median),
        figure,
    }
}

/// Bars of designs, in their colours.
fn chart<const N: usize>(
    name: String,
    title: &str,
    subtitle: &str,
    caption: &str,
    headings: [&str; N],
    rows: Vec<(Design, [Bar; N])>,
) -> anyhow::Result<Option<Chart>> {
    let named = |(design, bars)| (label::design(design).to_owned(), look(design).ink, bars);
    draw(
        name,
        title,
        subtitle,
        caption,
        headings,
        rows.into_iter().map(named).collect(),
    )
}

/// N columns of bars; none without rows.
fn draw<const N: usize>(
    name: String,
    title: &str,
    subtitle: &str,
    caption: &str,
    headings: [&str; N],
    rows: Vec<(String, Ink, [Bar; N])>,
) -> anyhow::Result<Option<Chart>> {
    if rows.is_empty() {
        return Ok(None);
    }
    let height = 84 + 40 + ROW * rows.len() as i32 + 16;
    let svg = canvas::svg(height as u32, title, subtitle, |area| {
        let (names, bars) = area.split_horizontally(NAMES);
        for (y, (name, ..)) in middles().zip(&rows) {
            canvas::label(&names, (NAMES - 14, y), name, Font::PLAIN, HPos::Right)?;
        }
        for (column, area) in bars.split_evenly((1, N)).iter().enumerate() {
            let rows: Vec<(Ink, &Bar)> = rows
                .iter()
                .map(|(_, ink, all)| (*ink, &all[column]))
                .collect();
            draw_column(area, headings[column], &rows)?;
        }
        Ok(())
    })?;
    Ok(Some(Chart {
        name,
        title: title.to_owned(),
        caption: caption.to_owned(),
        svg,
    }))
}

fn draw_column(area: &Area<'_>, heading: &str, rows: &[(Ink, &Bar)]) -> anyhow::Result<()> {
    let (width, _) = area.dim_in_pixel();
    let room = f64::from((width as i32 - FIGURE).max(0));
    let largest = rows
        .iter()
        .filter_map(|(_, bar)| bar.value)
        .fold(0.0, f64::max);
    canvas::text(area, (0, 2), heading, Font::HEADING, HPos::Left)?;
    for (y, (ink, bar)) in middles().zip(rows) {
        let share = bar
            .value
            .filter(|_| largest > 0.0)
            .map_or(0.0, |value| value / largest);
        let end = ((share * room).round() as i32).max(2);
        area.draw(&Rectangle::new(
            [(0, y - 12), (end, y + 12)],
            ink.light.filled(),
        ))?;
        canvas::label(area, (end + 10, y), &bar.figure, Font::PLAIN, HPos::Left)?;
    }
    Ok(())
}

fn middles() -> impl Iterator<Item = i32> {
    (0..).map(|row| 52 + ROW * row)
}

//! The pictures of a comparison.
//!
//! Not here: where they are put (`draw`) and what stands around them (`report`).

mod axes;
mod bars;
mod canvas;
mod case;
mod clients;
mod palette;
mod plot;
mod stall;

use serde_json::Value;

use super::summary::{FRAMES, Named, Summary};
use crate::record::Frames;
pub use canvas::png;
pub use palette::dark_rules;

/// px, of the column of names beside a chart.
const LEGEND: i32 = 220;

/// A picture and what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Of its file, without extension.
    pub name: String,
    pub title: String,
    pub caption: String,
    pub svg: String,
}

/// The charts of all cases together, for each kind of frames that has any, and those that belong to no kind.
///
/// # Errors
/// What plotters fails at: a fault of ours.
pub fn overviews(summary: Summary<'_>) -> anyhow::Result<Vec<(Frames, Vec<Chart>)>> {
    let mut all = Vec::new();
    for frames in FRAMES {
        let mut charts = clients::charts(summary, frames)?;
        charts.extend(stall::chart(summary, frames)?);
        charts.extend(bars::stale(summary, frames)?);
        charts.extend(bars::kill(summary, frames)?);
        if !charts.is_empty() {
            all.push((frames, charts));
        }
    }
    Ok(all)
}

/// Lines of code, if the plan says them.
///
/// # Errors
/// As [`overviews`].
pub fn lines_of_code(plan: &Value) -> anyhow::Result<Option<Chart>> {
    bars::lines_of_code(plan)
}

/// The post's own plot of one case; none if nothing was measured.
///
/// # Errors
/// As [`overviews`].
pub fn of_case(named: &Named) -> anyhow::Result<Option<Chart>> {
    case::chart(named)
}

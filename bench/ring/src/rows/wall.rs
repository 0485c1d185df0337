//! How long the call that publishes takes at worst, with 200 readers that wait, read and check
//! every frame, against one such reader: rings and readers of both are there all the time.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Effort, frame};
use crate::fleet::Fleet;
use crate::ours::{ARENA, Ours};
use crate::reader::Kind;
use crate::report::{Figure, Goal, Row};
use crate::side::{Pace, WARM_UP, burst};
use crate::stats::quantile;

const BYTES: usize = 100_000;
const MANY: usize = 200;

/// Measures in turns.
///
/// # Errors
/// Where a ring or a reader fails.
pub fn run(effort: Effort, tag: &str) -> Result<Vec<Figure>> {
    eprintln!("wall time of publishing with {MANY} readers and with 1");
    let bytes = frame(BYTES);
    let mut many = Ours::new(&format!("{tag}-many"), ARENA)?;
    let mut one = Ours::new(&format!("{tag}-one"), ARENA)?;
    let kind = |name: &str| Kind::Ours {
        name: name.to_owned(),
        copies: true,
    };
    let many_readers = Fleet::start(&kind(&many.name), MANY)?;
    let one_reader = Fleet::start(&kind(&one.name), 1)?;
    let lap = Pace {
        frames: (ARENA / BYTES as u64) as u32 + 1,
        interval: Duration::from_millis(10),
    };
    for side in [&mut many, &mut one] {
        burst(side, &bytes, WARM_UP, lap)?; // writer and readers have touched all of the arena
    }
    let pace = effort.pace(200, 300, 10);
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for round in 1..=effort.pick(4, 9) {
        let with_many = burst(&mut many, &bytes, round, pace)?.wall_us;
        let with_one = burst(&mut one, &bytes, round, pace)?.wall_us;
        for (pairs, q) in [(&mut p50, 0.5), (&mut p99, 0.99)] {
            let of = |wall: &[f64]| quantile(wall.iter().copied(), q).context("no frames");
            pairs.push((of(&with_many)?, of(&with_one)?));
        }
    }
    many_readers.finish(&mut many, &bytes)?;
    one_reader.finish(&mut one, &bytes)?;
    let figure = |what, pairs: &[_]| Figure::of_pairs(Row::Wall, what, "1 reader", "us", pairs);
    let p99 = figure("publish wall p99, 200 readers", &p99);
    let p50 = figure("publish wall p50, 200 readers", &p50);
    let p99 = p99.map(|it| it.with_goal(Goal::AtMost(3.0)));
    let figures = p99.into_iter().chain(p50);
    Ok(figures.map(|it| it.with_readers(MANY)).collect())
}

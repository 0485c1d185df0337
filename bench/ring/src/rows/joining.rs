//! 100 readers join: how long that takes, and what memory each has for itself when it has read a
//! few frames. Ours, iceoryx2's, and blank processes of the same program in turns.
//!
//! A blank process reads nothing: what it takes, any process takes that is started so, and the
//! figures "over a blank one" are without it.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Effort, frame};
use crate::fleet::Fleet;
use crate::memory::Private;
use crate::ours::{ARENA, Ours};
use crate::reader::Kind;
use crate::report::{Figure, Goal, Row};
use crate::side::{Pace, Publish, WARM_UP, burst};
use crate::stats::quantile;
use crate::theirs::Theirs;

const READERS: usize = 100;
const BYTES: usize = 100_000;
const AGAINST: &str = "iceoryx2 0.10";

/// A fleet's figures.
#[derive(Debug, Clone, Copy)]
struct Joined {
    ms: f64,
    /// Medians over the readers.
    dirty_kb: f64,
    clean_kb: f64,
}

impl Joined {
    fn private_kb(&self) -> f64 {
        self.dirty_kb + self.clean_kb
    }
}

/// Ours, theirs and blank, one after the other.
struct Round {
    ours: Joined,
    theirs: Joined,
    blank: Joined,
}

/// Starts the fleets a few times.
///
/// # Errors
/// Where a side fails.
pub fn run(effort: Effort, tag: &str) -> Result<Vec<Figure>> {
    let mut rounds = Vec::new();
    for n in 0..effort.pick(3, 5) {
        eprintln!("{READERS} readers join, {}", n + 1);
        rounds.push(Round {
            ours: ours(&format!("{tag}-join{n}"))?,
            theirs: theirs(&format!("{tag}join{n}"))?,
            blank: blank()?,
        });
    }
    Ok(figures(&rounds))
}

fn figures(rounds: &[Round]) -> Vec<Figure> {
    type Value = fn(&Round, &Joined) -> f64;
    let values: [(Row, &str, &'static str, Value); 4] = [
        (
            Row::Memory,
            "private memory, whole process",
            "kB",
            |_, it| it.private_kb(),
        ),
        (
            Row::Memory,
            "private memory, over a blank process",
            "kB",
            |round, it| it.private_kb() - round.blank.private_kb(),
        ),
        (Row::Join, "100 readers start and join", "ms", |_, it| it.ms),
        (
            Row::Join,
            "the same, over 100 blank processes",
            "ms",
            |round, it| it.ms - round.blank.ms,
        ),
    ];
    let figures = values.into_iter().filter_map(|(row, what, unit, value)| {
        let pair = |it: &Round| (value(it, &it.ours), value(it, &it.theirs));
        let pairs: Vec<_> = rounds.iter().map(pair).collect();
        let figure = Figure::of_pairs(row, what, AGAINST, unit, &pairs)?;
        Some(figure.with_readers(READERS).with_goal(Goal::AtMost(0.1)))
    });
    figures.collect()
}

fn ours(name: &str) -> Result<Joined> {
    let mut side = Ours::new(name, ARENA)?;
    let kind = Kind::Ours {
        name: name.to_owned(),
        copies: false,
    };
    joined(&kind, &mut side)
}

fn theirs(tag: &str) -> Result<Joined> {
    let mut side = Theirs::new(tag, BYTES)?;
    let tag = tag.to_owned();
    joined(&Kind::Theirs { tag }, &mut side)
}

fn joined(kind: &Kind, side: &mut dyn Publish) -> Result<Joined> {
    let fleet = Fleet::start(kind, READERS)?;
    let bytes = frame(BYTES);
    let pace = Pace {
        frames: 20,
        interval: Duration::from_millis(20),
    };
    burst(side, &bytes, WARM_UP, pace)?;
    let joined = look(&fleet)?;
    fleet.finish(side, &bytes)?;
    Ok(joined)
}

fn blank() -> Result<Joined> {
    look(&Fleet::start(&Kind::Blank, READERS)?)
}

fn look(fleet: &Fleet) -> Result<Joined> {
    let private = fleet.pids().map(Private::of).collect::<Result<Vec<_>>>()?;
    let median =
        |value: fn(&Private) -> f64| quantile(private.iter().map(value), 0.5).context("no readers");
    Ok(Joined {
        ms: fleet.joined_in.as_secs_f64() * 1e3,
        dirty_kb: median(|it| it.dirty_kb)?,
        clean_kb: median(|it| it.clean_kb)?,
    })
}

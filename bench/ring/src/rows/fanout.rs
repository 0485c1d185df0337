//! One frame to many readers: how soon they have it, and what it costs the publisher; ours and
//! iceoryx2 in turns, with the readers of both there all the time.
//!
//! Latency runs from before the publishing call until a reader is awake and has the frame's stamp;
//! a frame that a reader did not see counts as one that never came.
//! Publishing is the calls of one thread (ours copies the bytes and signals its waker thread;
//! theirs copies them, hands a reference to each subscriber and notifies each listener), and, apart
//! from it, all that the process spends, so with our waker thread.

use anyhow::{Context as _, Result};

use super::{Effort, frame};
use crate::fleet::Fleet;
use crate::ours::{ARENA, Ours};
use crate::reader::{Kind, Seen};
use crate::report::{Figure, Goal, Row};
use crate::side::{Burst, Pace, burst};
use crate::stats::quantile;
use crate::theirs::Theirs;

const BYTES: usize = 100_000;
const AGAINST: &str = "iceoryx2 0.10";

/// One side's half of a round.
struct Half {
    burst: Burst,
    /// Of each reader's wake, µs; filled in at the end.
    p50_us: f64,
}

/// Measures at several numbers of readers.
///
/// # Errors
/// Where a side fails.
pub fn run(effort: Effort, tag: &str) -> Result<Vec<Figure>> {
    let counts: &[usize] = effort.pick(&[1, 20, 100], &[1, 5, 20, 50, 100, 200]);
    let mut figures = Vec::new();
    for &readers in counts {
        figures.extend(cell(effort, tag, readers)?);
    }
    Ok(figures)
}

fn cell(effort: Effort, tag: &str, readers: usize) -> Result<Vec<Figure>> {
    eprintln!("{readers} readers of each side");
    let bytes = frame(BYTES);
    let mut ours = Ours::new(&format!("{tag}-{readers}"), ARENA)?;
    ours.go_round(&bytes)?;
    let mut theirs = Theirs::new(&format!("{tag}{readers}"), BYTES)?;
    let our_readers = Fleet::start(
        &Kind::Ours {
            name: ours.name.clone(),
            copies: false,
        },
        readers,
    )?;
    let their_readers = Fleet::start(
        &Kind::Theirs {
            tag: format!("{tag}{readers}"),
        },
        readers,
    )?;

    let pace = effort.pace(25, 50, 20);
    let mut bursts = Vec::new();
    for round in 1..=effort.pick(5, 9) {
        let ours = burst(&mut ours, &bytes, round, pace)?;
        bursts.push((round, ours, burst(&mut theirs, &bytes, round, pace)?));
    }
    let ours_seen = our_readers.finish(&mut ours, &bytes)?;
    let theirs_seen = their_readers.finish(&mut theirs, &bytes)?;
    tell_missed(&ours_seen, &theirs_seen, bursts.len(), pace);

    let half = |seen: &[Vec<Seen>], round, burst| {
        let p50_us = p50_us(seen, round, pace).context("half of a round's frames were not seen")?;
        Ok::<_, anyhow::Error>(Half { burst, p50_us })
    };
    let rounds = bursts.into_iter().map(|(round, ours, theirs)| {
        let ours = half(&ours_seen, round, ours)?;
        Ok((ours, half(&theirs_seen, round, theirs)?))
    });
    let rounds = rounds.collect::<Result<Vec<_>>>()?;
    Ok(figures(readers, &rounds))
}

fn figures(readers: usize, rounds: &[(Half, Half)]) -> Vec<Figure> {
    let figure = |row, what: &str, value: fn(&Half) -> f64| {
        let pairs = rounds
            .iter()
            .map(|(ours, theirs)| (value(ours), value(theirs)));
        let pairs: Vec<_> = pairs.collect();
        let what = format!("{what}, {readers} readers");
        Some(Figure::of_pairs(row, what, AGAINST, "us", &pairs)?.with_readers(readers))
    };
    let judge = |figure: Option<Figure>, bound| {
        let judged = matches!(readers, 20 | 100);
        figure.map(|it| match judged {
            true => it.with_goal(Goal::AtMost(bound)),
            false => it,
        })
    };
    let wake = figure(Row::Wake, "wake p50", |it| it.p50_us);
    let thread = figure(Row::Publish, "publish CPU, thread", |it| it.burst.thread_us);
    let process = figure(Row::Publish, "publish CPU, process", |it| {
        it.burst.process_us
    });
    let figures = [judge(wake, 0.6), judge(thread, 0.2), process];
    figures.into_iter().flatten().collect()
}

/// Over all readers and frames of a round; none where half of them were not seen.
fn p50_us(seen: &[Vec<Seen>], round: u32, pace: Pace) -> Option<f64> {
    let of_round = seen.iter().flatten().filter(|it| it.round == round);
    let came = of_round.map(|it| f64::from(it.latency_ns) / 1e3);
    let expected = seen.len() * pace.frames as usize;
    let all = came.chain(std::iter::repeat(f64::INFINITY)).take(expected);
    quantile(all, 0.5).filter(|p50| p50.is_finite())
}

fn tell_missed(ours: &[Vec<Seen>], theirs: &[Vec<Seen>], rounds: usize, pace: Pace) {
    let published = rounds * pace.frames as usize * ours.len();
    let missed = |seen: &[Vec<Seen>]| published - seen.iter().map(Vec::len).sum::<usize>();
    let (ours, theirs) = (missed(ours), missed(theirs));
    if ours + theirs > 0 {
        eprintln!(
            "of {published} frames not seen by a reader: {ours} of ours, {theirs} of iceoryx2's"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_not_seen_counts_as_late() {
        let pace = Pace {
            frames: 3,
            interval: Duration::ZERO,
        };
        let seen = |latency_ns| Seen {
            round: 1,
            latency_ns,
        };
        let other = Seen {
            round: 2,
            latency_ns: 1,
        };
        let all = vec![vec![seen(1_000), seen(2_000), seen(3_000), other]];
        assert_eq!(p50_us(&all, 1, pace), Some(2.0));
        let one_missed = vec![vec![seen(1_000), seen(2_000)]];
        assert_eq!(p50_us(&one_missed, 1, pace), Some(2.0));
        let most_missed = vec![vec![seen(1_000)]];
        assert_eq!(p50_us(&most_missed, 1, pace), None);
    }
}

//! Which frames a clip has, and when each is shown: a pure function of what the ring holds.
//!
//! The clip is shown at a steady rate, so capture times are laid on a grid: a tick that has no frame
//! of its own shows the one before again. Not here: the file (`http::avi`), and reading frames.

use std::collections::BinaryHeap;
use std::iter;

use shm_ring::FrameInfo;

use crate::framing::{Form, Size};

/// A longer silence is not kept in a clip: it begins behind it.
const LONGEST_SILENCE_NS: u64 = 600_000_000_000;
/// How long a lone frame is shown.
const LONE_US: u32 = 40_000;
/// The shortest and the longest tick.
const TICKS_US: (u64, u64) = (1_000, 60_000_000);
/// A frame may be shown a tick off its time, or so much, before ticks are made shorter.
const MOST_OFF_US: u64 = 250_000;
/// How often they are, before it is left at that.
const TRIES: u32 = 16;
/// What is no shorter than its replacement in a file cannot be replaced there, and is no JPEG.
const LEAST_LEN: u32 = 8;

/// A clip's frames: of one form and size, without a long silence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub form: Form,
    pub size: Size,
    /// Unix time of the first frame's capture, nanoseconds.
    pub captured_ns: u64,
    /// One at least.
    pub frames: Vec<Shot>,
    /// From one tick to the next, microseconds.
    pub tick_us: u32,
    /// Why it does not begin with the first frame that was offered.
    pub behind: Option<Break>,
}

/// A frame of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shot {
    pub id: u64,
    /// Bytes.
    pub len: u32,
    /// When it is shown: the first's is 0, and they rise.
    pub tick: u64,
    /// It was overwritten before it could be sent.
    pub gone: bool,
}

/// What no clip goes over: it begins behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// A change of the frames' size or form.
    Size,
    /// A silence of over ten minutes.
    Silence,
}

impl Break {
    /// For a header's value.
    pub fn name(self) -> &'static str {
        match self {
            Break::Size => "change of size",
            Break::Silence => "silence",
        }
    }
}

impl Plan {
    /// Of frames in order; none where none of them is a picture.
    pub fn of(frames: impl IntoIterator<Item = FrameInfo>) -> Option<Plan> {
        let (mut kind, mut behind) = (None, None);
        let mut shots: Vec<Shot> = Vec::new();
        let mut times: Vec<u64> = Vec::new();
        for info in frames {
            let (Some(found), Ok(len @ LEAST_LEN..)) = (Form::of(&info), info.len.try_into())
            else {
                continue;
            };
            let time = info.meta.captured_ns;
            let silence = times.last().map_or(0, |&last| time.saturating_sub(last));
            let why = match kind {
                Some(kind) if kind != found => Some(Break::Size),
                _ if silence > LONGEST_SILENCE_NS => Some(Break::Silence),
                _ => None,
            };
            if why.is_some() {
                behind = why;
                shots.clear();
                times.clear();
            }
            kind = Some(found);
            times.push(time);
            shots.push(Shot {
                id: info.id,
                len,
                tick: 0,
                gone: false,
            });
        }
        let (form, size) = kind?;
        let captured_ns = *times.first()?;
        let (tick_us, ticks) = grid(&gaps(&times));
        for (shot, tick) in shots.iter_mut().zip(ticks) {
            shot.tick = tick;
        }
        Some(Plan {
            form,
            size,
            captured_ns,
            frames: shots,
            tick_us,
            behind,
        })
    }

    /// Ticks in all: the last frame is shown for one.
    pub fn ticks(&self) -> u64 {
        self.frames.last().map_or(0, |last| last.tick + 1)
    }
}

/// From each time to the next; where the clock was set back, as long as most.
fn gaps(times: &[u64]) -> Vec<u64> {
    let between = |pair: &[u64]| pair[1].checked_sub(pair[0]);
    let known = times.windows(2).filter_map(between).collect();
    let usual = median(known);
    let gaps = times.windows(2).map(between);
    gaps.map(|gap| gap.unwrap_or(usual)).collect()
}

fn median(mut values: Vec<u64>) -> u64 {
    let middle = values.len() / 2;
    match values.is_empty() {
        true => 0,
        false => *values.select_nth_unstable(middle).1,
    }
}

/// The tick's microseconds, and the tick of each frame, of which there is one more than gaps.
///
/// A tick is what lies between two frames when none is missing: the mean of all gaps that are about
/// as long as the median. Where frames come faster than that for long (a camera whose rate follows
/// the light), ticks are made shorter until each is shown nearly in time.
fn grid(gaps: &[u64]) -> (u32, Vec<u64>) {
    let usual = median(gaps.to_vec());
    let about = usual / 2..=usual.saturating_add(usual / 2);
    let (sum, count) = gaps
        .iter()
        .filter(|gap| about.contains(gap))
        .fold((0, 0), |(sum, count), &gap| {
            (sum + u128::from(gap), count + 1_u128)
        });
    if count == 0 {
        return (LONE_US, vec![0]);
    }
    let (least, most) = TICKS_US;
    let mean_us = u64::try_from((sum / count + 500) / 1000).unwrap_or(most);
    let mut tick_us = mean_us.clamp(least, most);
    for _ in 1..TRIES {
        let (ticks, worst) = lay(gaps, tick_us * 1000);
        if worst <= most_off(tick_us) || tick_us == least {
            return (tick_us as u32, ticks);
        }
        tick_us = (tick_us * 3 / 4).max(least);
    }
    (tick_us as u32, lay(gaps, tick_us * 1000).0)
}

/// In ticks.
fn most_off(tick_us: u64) -> u64 {
    (MOST_OFF_US / tick_us).max(1)
}

/// The tick of each frame, and by how many ticks the worst misses its time.
///
/// Each has a tick of its own, so frames that come faster than ticks miss theirs; here all together miss
/// them by as little as can be. So a frame that was late is shown in its turn, and those behind it in time.
///
/// That is an isotonic regression by least absolute deviations, of the ticks that stay empty before a frame,
/// solved with a heap ("slope trick").
fn lay(gaps: &[u64], tick_ns: u64) -> (Vec<u64>, u64) {
    let mut time = 0_u64;
    let behind = gaps.iter().map(|gap| {
        time = time.saturating_add(*gap);
        (time.saturating_add(tick_ns / 2) / tick_ns) as i64
    });
    let nearest: Vec<i64> = iter::once(0).chain(behind).collect();

    let mut heap = BinaryHeap::new();
    let best = nearest.iter().zip(0..).map(|(nearest, shown)| {
        let empty = nearest - shown;
        heap.extend([empty, empty]);
        heap.pop();
        heap.peek().map_or(empty, |&best| best)
    });
    let mut ticks: Vec<i64> = best.collect();
    let (mut least, mut worst) = (i64::MAX, 0);
    for (shown, tick) in ticks.iter_mut().enumerate().rev() {
        least = least.min(*tick);
        // The first is shown at once, whatever comes.
        *tick = least.max(0) + shown as i64;
        worst = worst.max(tick.abs_diff(nearest[shown]));
    }
    (ticks.into_iter().map(|tick| tick as u64).collect(), worst)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shm_ring::FrameMeta;

    use super::*;

    const MS: u64 = 1_000_000;

    fn info(id: u64, width: u32, at: u64) -> FrameInfo {
        FrameInfo {
            id,
            len: 1000,
            epoch: 1,
            published_ns: at,
            meta: FrameMeta {
                format: *b"MJPG",
                width,
                height: 48,
                captured_ns: at,
                ..FrameMeta::default()
            },
        }
    }

    fn ticks(gaps: &[u64]) -> (u32, Vec<u64>) {
        grid(&gaps.iter().map(|ms| ms * MS).collect::<Vec<_>>())
    }

    #[test]
    fn a_steady_camera_has_a_tick_a_frame() {
        assert_eq!(ticks(&[]), (LONE_US, vec![0]));
        assert_eq!(ticks(&[40, 40, 40]), (40_000, vec![0, 1, 2, 3]));
        // Hundreds of frames that come early and late in turn.
        let gaps: Vec<_> = (0..600).map(|n| if n % 2 == 0 { 29 } else { 37 }).collect();
        let (tick, got) = ticks(&gaps);
        assert_eq!(tick, 33_000);
        assert!(got.into_iter().eq(0..=600));
    }

    #[test]
    fn what_is_missing_keeps_its_time() {
        let (tick, got) = ticks(&[40, 40, 400, 40, 80, 40]);
        assert_eq!((tick, got), (40_000, vec![0, 1, 2, 12, 13, 15, 16]));
    }

    #[test]
    fn a_rate_that_rises_is_followed() {
        let gaps = [[66; 300], [33; 300]].concat();
        let (tick, got) = ticks(&gaps);
        let lasts_ms = got[600] * u64::from(tick) / 1000;
        assert!(lasts_ms.abs_diff(300 * 99) <= 50, "{tick} {lasts_ms}");
    }

    #[test]
    fn times_that_are_none() {
        assert_eq!(gaps(&[100, 140, 20, 60]), [40, 40, 40]);
        let (tick, got) = grid(&[0, 0, 0]);
        assert_eq!((tick, got), (1000, vec![0, 1, 2, 3]));
        assert_eq!(gaps(&[9, 3]), [0]);
    }

    #[test]
    fn of_one_size_and_without_a_long_silence() {
        let plan = |frames: &[(u32, u64)]| {
            let frames = frames.iter().zip(1..);
            let plan = Plan::of(frames.map(|(&(width, ms), id)| info(id, width, ms * MS)))?;
            let ids: Vec<_> = plan.frames.iter().map(|shot| shot.id).collect();
            Some((ids, plan.size.0, plan.captured_ns / MS, plan.behind))
        };
        assert_eq!(plan(&[]), None);
        assert_eq!(plan(&[(70_000, 1)]), None, "no picture");
        assert_eq!(
            plan(&[(64, 5), (64, 45), (70_000, 60), (64, 85)]),
            Some((vec![1, 2, 4], 64, 5, None))
        );
        assert_eq!(
            plan(&[(64, 5), (32, 45), (64, 85), (64, 125)]),
            Some((vec![3, 4], 64, 85, Some(Break::Size)))
        );
        assert_eq!(
            plan(&[(64, 5), (64, 600_005), (64, 1_200_006)]),
            Some((vec![3], 64, 1_200_006, Some(Break::Silence)))
        );
    }

    #[test]
    fn who_is_late_makes_nobody_late() {
        let late = ticks(&[40, 40, 65, 15, 40, 110, 0, 10, 40, 40]);
        assert_eq!(late, (40_000, (0..=10).collect()));
        let last = ticks(&[40, 40, 40, 40, 105]);
        assert_eq!(last, (40_000, vec![0, 1, 2, 3, 4, 7]));
    }

    #[test]
    fn a_burst_is_shown_beside_its_time_and_changes_no_rate() {
        let mut gaps = vec![33 * MS; 1000];
        for gap in &mut gaps[500..504] {
            *gap = 0;
        }
        let (tick_us, ticks) = grid(&gaps);
        assert_eq!(tick_us, 33_000);
        assert_eq!(ticks.len(), 1001);
    }

    proptest! {
        /// Every frame has a tick of its own, in order, none is off for long, and the clip lasts as
        /// long as the frames took.
        #[test]
        fn time_is_kept(gaps in prop::collection::vec(2 * MS..3000 * MS, 1..200)) {
            let (tick_us, ticks) = grid(&gaps);
            prop_assert_eq!(ticks.len(), gaps.len() + 1);
            prop_assert!(ticks.is_sorted_by(|a, b| a < b));
            let tick_ns = u64::from(tick_us) * 1000;
            let mut time = 0;
            for (gap, tick) in gaps.iter().zip(&ticks[1..]) {
                time += gap;
                prop_assert!((tick * tick_ns).abs_diff(time) <= (most_off(tick_us.into()) + 1) * tick_ns);
            }
        }
    }
}

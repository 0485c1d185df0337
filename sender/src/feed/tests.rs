use proptest::prelude::*;
use worker::SkipCause;

use super::*;
use crate::pacing::{Pacing, Step};

const MS: u64 = 1_000_000;
/// The clock of capture, Unix nanoseconds, at millisecond 0.
const START: u64 = 1_700_000_000_000 * MS;

/// A ring of frames captured at these milliseconds, ids from 1 on, and a viewer of it.
struct Scene {
    captured: Vec<u64>,
    bounds: Bounds,
    began: Instant,
    feed: Feed,
    pacing: Pacing,
    last: u64,
    sent: Vec<(u64, u64)>,
    lost: u64,
    asked: u64,
}

impl Scene {
    fn new(last: u64, lag: u64, speed: Option<f64>, fps: Option<f64>) -> Self {
        Scene {
            captured: Vec::new(),
            bounds: Bounds { oldest: 1, head: 0 },
            began: Instant::now(),
            feed: Feed::new(last, lag, speed.map(Timeshift::new), fps),
            pacing: Pacing::new(0, lag),
            last,
            sent: Vec::new(),
            lost: 0,
            asked: 0,
        }
    }

    fn publish(&mut self, ms: u64) {
        self.captured.push(ms);
        self.bounds.head += 1;
    }

    /// One look at this millisecond, and all that is sent then.
    fn look(&mut self, ms: u64, is_slow: bool) {
        let now = Now {
            instant: self.began + Duration::from_millis(ms),
            unix_ns: START + ms * MS,
        };
        let (bounds, captured) = (self.bounds, &self.captured);
        let left_out = self.feed.look(bounds, now, |id| {
            let is_held = (bounds.oldest..=bounds.head).contains(&id);
            is_held.then(|| START + captured[id as usize - 1] * MS)
        });
        self.asked += left_out.asked;
        self.lost += left_out.overwritten;
        if is_slow {
            return self.pacing.note_unsent();
        }
        while let Step::Send { id, skipped } = self.pacing.next(self.feed.places()) {
            if let Some((cause, count)) = skipped {
                assert_ne!(cause, SkipCause::Decimated);
                self.lost += count;
            }
            match self.feed.take(id) {
                Some(id) => {
                    assert!(id > self.sent.last().map_or(self.last, |&(id, _)| id));
                    assert!(id <= self.bounds.head);
                    self.sent.push((id, ms));
                }
                None => self.lost += 1,
            }
        }
    }

    fn ids(&self) -> Vec<u64> {
        self.sent.iter().map(|&(id, _)| id).collect()
    }
}

#[test]
fn the_past_at_its_pace_and_as_far_behind() {
    let mut scene = Scene::new(0, 10, Some(1.0), None);
    (0..50).for_each(|n| scene.publish(n * 100));
    for ms in 5000..8000 {
        if ms % 100 == 0 {
            scene.publish(ms);
        }
        scene.look(ms, false);
    }
    // A frame each 100 ms, 5 s after its capture.
    let want: Vec<_> = (0..30).map(|n| (n + 1, 5000 + n * 100)).collect();
    assert_eq!(scene.sent, want);
    assert_eq!(scene.feed.lull(), Lull::Paced);
    let behind = scene.feed.behind(START + 8000 * MS);
    assert_eq!(behind, Duration::from_millis(5100));
}

#[test]
fn the_fast_catch_up_and_are_live_then() {
    let mut scene = Scene::new(0, 10, Some(4.0), None);
    (0..50).for_each(|n| scene.publish(n * 100));
    for ms in 5000..8000 {
        if ms % 100 == 0 {
            scene.publish(ms);
        }
        scene.look(ms, false);
    }
    assert_eq!(scene.ids(), (1..=80).collect::<Vec<_>>());
    assert_eq!(scene.feed.lull(), Lull::Live);
    assert_eq!(scene.feed.behind(START), Duration::ZERO);
    assert_eq!(scene.sent[79], (80, 7900), "live");
    assert_eq!((scene.lost, scene.asked), (0, 0));
}

#[test]
fn fewer_of_the_past_and_then_of_now() {
    let mut scene = Scene::new(0, 10, Some(4.0), Some(5.0));
    (0..300).for_each(|n| scene.publish(n * 10));
    for ms in 3000..6000 {
        if ms % 10 == 0 {
            scene.publish(ms);
        }
        scene.look(ms, false);
    }
    // Five a second, as the viewer sees it: each 80th of the past, each 20th of now.
    let ids = scene.ids();
    assert_eq!(ids[..5], [1, 81, 161, 241, 321]);
    let steps: Vec<_> = ids.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(steps[steps.len() - 5..], [20; 5]);
    assert_eq!(scene.asked + ids.len() as u64, 600);
    assert_eq!(scene.lost, 0);
}

#[test]
fn what_was_never_for_the_viewer_is_no_loss_of_a_slow_one() {
    let mut scene = Scene::new(0, 2, None, Some(10.0));
    for n in 0..100 {
        scene.publish(n * 10);
        scene.look(n * 10, n > 0);
    }
    scene.look(1000, false);
    // Of 100 frames ten are for it: the first, and the last, the others are lost.
    assert_eq!((scene.ids(), scene.lost, scene.asked), (vec![1, 91], 8, 90));
}

#[test]
fn who_is_overtaken_goes_on_above_the_end() {
    let mut scene = Scene::new(0, 10, Some(1.0), None);
    (0..1600).for_each(|n| scene.publish(n * 10));
    scene.look(16_000, false);
    scene.bounds.oldest = 801;
    scene.look(16_010, false);
    assert_eq!(scene.ids(), [1, 852]);
    assert_eq!((scene.lost, scene.asked), (850, 0));
    for ms in 16_010..16_100 {
        scene.look(ms, false);
    }
    assert_eq!(scene.ids().len(), 10, "at its pace again: {:?}", scene.sent);
}

#[test]
fn whatever_a_ring_says_it_ends() {
    let now = Now {
        instant: Instant::now(),
        unix_ns: 0,
    };
    for (oldest, head) in [
        (u64::MAX, u64::MAX),
        (u64::MAX, 0),
        (0, 0),
        (u64::MAX - 9, u64::MAX),
    ] {
        for speed in [None, Some(1.0), Some(2.0)] {
            let mut feed = Feed::new(5, 3, speed.map(Timeshift::new), Some(1.0));
            for _ in 0..3 {
                feed.look(Bounds { oldest, head }, now, |_| None);
            }
            assert_eq!(feed.take(1), None);
        }
    }
}

proptest! {
    /// Ids rise, and each above the beginning is sent, lost or was not asked for, exactly once, however
    /// the ring moves, clocks jump and the viewer stalls.
    #[test]
    fn every_id_is_accounted_for(
        before in 0_u64..50,
        lag in 1_u64..15,
        speed in prop::option::of(0.1_f64..16.0),
        fps in prop::option::of(0.5_f64..100.0),
        steps in prop::collection::vec(
            (0_u64..200, prop::collection::vec(0_u64..5000, 0..12), 0_u64..60, any::<bool>()),
            0..100,
        ),
    ) {
        let mut scene = Scene::new(0, lag, speed, fps);
        (0..before).for_each(|n| scene.publish(n * 33));
        let mut ms = before * 33;
        for (passed, captured, held, is_slow) in steps {
            ms += passed;
            captured.into_iter().for_each(|at| scene.publish((ms + at).saturating_sub(2500)));
            let oldest = (scene.bounds.head + 1).saturating_sub(held).max(1);
            scene.bounds.oldest = scene.bounds.oldest.max(oldest);
            scene.look(ms, is_slow);
            let waiting = scene.pacing.behind(scene.feed.places().head);
            let sent = scene.sent.len() as u64;
            prop_assert_eq!(sent + scene.lost + scene.asked + waiting, scene.feed.seen);
            prop_assert!(is_slow || waiting == 0);
            prop_assert!(scene.feed.queue.len() as u64 <= lag);
        }
    }
}

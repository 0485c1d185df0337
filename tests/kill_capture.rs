//! The capture process killed and stopped: nobody is disconnected, no frame is half, ids rise.
//!
//! Not here: a capture process that never gets to work (`backoff`).

mod common;
mod exact;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::{HANG, Instance, Watch, assert_clean, signal, wait_for};
use exact::{Exact, Judge, Look, Part, SMALL, start};
use nix::sys::signal::Signal::{SIGKILL, SIGSTOP};
use shm_ring::Reader;
use worker::{Board, CAPTURE_CELL};

/// Each of these needs the machine: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a killer looks at: pids and frames without any process of its own.
struct View {
    ring: Reader,
    board: Board,
}

impl View {
    fn of(instance: &Instance) -> View {
        let name = worker::Instance::new(&instance.name).unwrap();
        View {
            ring: Reader::attach(&name.ring()).unwrap(),
            board: Board::attach(&name).unwrap(),
        }
    }

    fn capture(&self) -> u32 {
        wait_for("a capture process", || {
            Some(self.board.cell(CAPTURE_CELL).pid()).filter(|&pid| pid != 0)
        })
    }

    /// Waits for a frame above `id` of an epoch above `epoch`.
    fn wait_successor(&self, id: u64, epoch: u64) {
        wait_for("the successor's first frame", || {
            let head = self.ring.bounds().head;
            let newest = self.ring.frame(head).ok()?.info().epoch;
            (head > id && newest > epoch).then_some(())
        });
    }

    fn epoch_of(&self, id: u64) -> u64 {
        self.ring.frame(id).unwrap().info().epoch
    }

    fn captured(&self, id: u64) -> Duration {
        Duration::from_nanos(self.ring.frame(id).unwrap().info().meta.captured_ns)
    }

    /// Kills the capture process as soon as it is seen to have given up a frame's place for one
    /// that is not published yet. Says the newest id.
    fn kill_in_a_write(&self) -> u64 {
        let pid = self.capture();
        let began = Instant::now();
        let mut last = self.ring.bounds();
        loop {
            let now = self.ring.bounds();
            if now.head == last.head && now.oldest > last.oldest {
                signal(pid, SIGKILL);
                return now.head;
            }
            last = now;
            assert!(began.elapsed() < HANG, "no write was seen: {now:?}");
        }
    }
}

/// SplitMix64: moments that are the same in every run with the same seed.
struct Moments(u64);

impl Moments {
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_nanos((z ^ (z >> 31)) % limit.as_nanos() as u64)
    }
}

#[test]
fn fifty_kills_lose_no_frame_and_no_viewer() {
    const SEED: u64 = 1;
    const KILLS: u64 = 50;
    let _alone = alone();
    println!("seed {SEED}");
    let mut moments = Moments(SEED);
    let instance = start(SMALL, &["--lag", "100"]);
    let view = View::of(&instance);
    let watch = Watch::start(&instance.url("/stream"), 4, 600.0, &[]);
    let exact = Exact::start(instance.address(), "exact", SMALL);
    wait_for("5 viewers with frames", || {
        (instance.status()["totals"]["viewers"] == 5 && exact.account().frames > 5).then_some(())
    });
    let mut gaps = Vec::new();
    for _ in 0..KILLS {
        // Three frames long, so anywhere in a frame's making, publishing and waiting.
        std::thread::sleep(moments.below(Duration::from_millis(100)));
        let epoch = view.ring.epoch();
        signal(view.capture(), SIGKILL);
        // The dead may have published until just now.
        view.wait_successor(0, epoch);
        let bounds = view.ring.bounds();
        let first = (bounds.oldest..=bounds.head).find(|&id| view.epoch_of(id) > epoch);
        let first = first.unwrap();
        assert_eq!(view.epoch_of(first - 1), epoch, "ids go on where they were");
        gaps.push(view.captured(first) - view.captured(first - 1));
    }
    let head = view.ring.bounds().head;
    wait_for("the last frames", || {
        (exact.account().last > head).then_some(())
    });
    let status = instance.status();
    assert_eq!(status["totals"]["restarts"], KILLS, "{status}");
    assert_eq!(status["totals"]["torn"], 0, "{status}");
    gaps.sort();
    let (median, longest) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
    println!("gaps: median {median:?}, longest {longest:?}");
    // The median, because a busy machine holds some up.
    assert!(median < 10 * Duration::from_secs(1) / SMALL.fps, "{gaps:?}");
    let account = exact.leave();
    assert_eq!(account.faults, [""; 0]);
    assert_eq!((account.lost, &account.ended), (0, &None), "{account:?}");
    assert_clean(watch);
}

#[test]
fn kills_in_the_middle_of_a_write_never_show() {
    /// So many kills are to hit the middle of a write for certain.
    const HITS: usize = 10;
    let look = Look {
        size: (1920, 1080),
        fps: 30,
        quality: 95,
    };
    let _alone = alone();
    let instance = start(look, &["--ring", "4M"]);
    let view = View::of(&instance);
    let exact = [0, 1].map(|n| Exact::start(instance.address(), &n.to_string(), look));
    wait_for("viewers with frames, and a full ring", || {
        let seen = exact.iter().all(|viewer| viewer.account().frames > 0);
        (seen && view.ring.bounds().oldest > 1).then_some(())
    });
    let (mut kills, mut hits) = (0, 0);
    while hits < HITS {
        assert!(kills < 500, "{hits} of {kills} kills hit a write");
        let epoch = view.ring.epoch();
        let left = view.kill_in_a_write();
        view.wait_successor(left, epoch);
        kills += 1;
        // Had the dead one published it, it would be of its epoch.
        hits += usize::from(
            view.ring
                .frame(left + 1)
                .is_ok_and(|f| f.info().epoch > epoch),
        );
    }
    println!("{hits} of {kills} kills hit a write");
    for viewer in exact {
        let head = view.ring.bounds().head;
        wait_for("frames after the kills", || {
            (viewer.account().last > head).then_some(())
        });
        let account = viewer.leave();
        assert_eq!(account.faults, [""; 0]);
        assert_eq!(account.ended, None);
    }
    let status = instance.status();
    assert_eq!(status["totals"]["restarts"], kills, "{status}");
    assert_eq!(status["totals"]["torn"], 0, "{status}");
}

#[test]
fn a_stopped_capture_process_is_reported_killed_and_succeeded() {
    let _alone = alone();
    let instance = start(SMALL, &["--lag", "100"]);
    let watch = Watch::start(&instance.url("/stream"), 4, 600.0, &[]);
    let exact = Exact::start(instance.address(), "exact", SMALL);
    wait_for("frames", || (exact.account().frames > 5).then_some(()));
    let before = instance.status();
    let stopped = instance.capture();
    signal(stopped, SIGSTOP);
    instance.wait_log("capture hung: no life");
    let after = instance.wait_until("a live successor", |s| {
        s["ring"]["epoch"].as_u64() > before["ring"]["epoch"].as_u64()
            && s["ring"]["head"].as_u64() > before["ring"]["head"].as_u64().map(|id| id + 30)
    });
    assert_ne!(instance.capture(), stopped);
    assert_eq!(after["totals"]["restarts"], 1, "{after}");
    assert_eq!(after["totals"]["viewers"], 5, "{after}");
    let head = after["ring"]["head"].as_u64().unwrap();
    wait_for("frames again", || {
        (exact.account().last > head).then_some(())
    });
    let account = exact.leave();
    assert_eq!(account.faults, [""; 0]);
    assert_eq!((account.lost, &account.ended), (0, &None), "{account:?}");
    assert!(account.placeholders > 0, "{account:?}");
    for viewer in assert_clean(watch)["viewers"].as_array().unwrap() {
        assert!(viewer["unnumbered"].as_u64().unwrap() > 0, "{viewer}");
    }
}

/// The control: what the tests above would see if a frame were half another.
#[test]
fn a_torn_frame_does_not_pass() {
    let look = Look {
        quality: 95,
        ..SMALL
    };
    let (width, height) = look.size;
    let mut picture = picture::TestPicture::new(width, height, look.fps, look.quality).unwrap();
    let part = |picture: &mut picture::TestPicture, id| {
        let captured_us = 1_800_000_000_000_000 + id * 33_333;
        let mut jpeg = Vec::new();
        picture.render(id, captured_us * 1000, &mut jpeg);
        Part {
            id: Some(id),
            captured_us,
            jpeg,
            skipped: 0,
        }
    };
    let mut judge = Judge::new(look);
    let [first, second, third] = [1, 2, 3].map(|id| part(&mut picture, id));
    judge.part(&first);
    judge.part(&second);
    assert_eq!(judge.account.faults, [""; 0]);
    // As a reader would meet it: the beginning of one frame, overtaken by the next one's end.
    let mut torn = third.clone();
    let half = torn.jpeg.len() / 2;
    torn.jpeg.truncate(half);
    torn.jpeg
        .extend(&second.jpeg[half.min(second.jpeg.len())..]);
    assert!(
        picture::jpeg::complete(&torn.jpeg).is_ok(),
        "from outside it is whole"
    );
    judge.part(&torn);
    assert_eq!(judge.account.faults.len(), 1, "{:?}", judge.account.faults);
}

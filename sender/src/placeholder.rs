//! What a viewer sees while there is no picture: when one is due, what it says, and its JPEG,
//! drawn again only when that changes, and once for all viewers of a process.
//!
//! Not here: sending it, and the picture's looks (`picture::placeholder`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use shm_ring::{FrameInfo, Signal, SignalState};
use worker::Fault;

use crate::convert::Shared;
use crate::framing::Size;
use crate::sys;

/// One goes out so often: browsers and players would otherwise take the stream for dead.
const INTERVAL: Duration = Duration::from_secs(1);
/// Silence that is no silence yet, for any source.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);
/// And for the slowest one.
const MOST_PATIENCE: Duration = Duration::from_secs(10);

/// The largest side that is drawn, pixels: what a ring says of its frames may be anything, and a
/// drawing takes 3 bytes a pixel.
const MOST_SIDE: u32 = 4096;

/// Follows the frames of one connection and fills in for them.
#[derive(Debug)]
pub struct Placeholder {
    /// When the newest frame came, on this process's clock.
    frame_at: Instant,
    /// The newest frame's publication, Unix nanoseconds; 0 before the first.
    frame_ns: u64,
    /// The newest frame's run of the capture process.
    epoch: u64,
    /// Silence after which there is no picture.
    patience: Duration,
    /// Pixels, as the last frame had them.
    size: (u32, u32),
    shown_at: Option<Instant>,
}

/// The latest drawing of a process: one takes milliseconds, and all its viewers see the same.
#[derive(Debug, Default)]
pub struct Easel(Mutex<Option<Drawing>>);

#[derive(Debug)]
struct Drawing {
    size: (u32, u32),
    text: Text,
    /// None where it cannot be drawn.
    still: Option<Still>,
}

/// A drawing, encoded.
#[derive(Debug, Clone)]
pub(crate) struct Still {
    /// The same memory for the same drawing.
    pub jpeg: Shared,
    /// As it was drawn.
    pub size: Size,
}

impl Easel {
    /// That drawing: the latest, if it is the same, or a new one.
    fn draw(&self, size: (u32, u32), text: Text) -> Option<Still> {
        // A panic ends the process: nobody is left to find a half-made drawing.
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if latest
            .as_ref()
            .is_none_or(|drawing| (drawing.size, &drawing.text) != (size, &text))
        {
            let still = draw(size, &text);
            *latest = Some(Drawing { size, text, still });
        }
        latest.as_ref()?.still.clone()
    }
}

/// What a placeholder says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    title: String,
    lines: Vec<String>,
}

impl Placeholder {
    /// At the beginning of a stream: `newest` is the ring's newest frame if it has one, `unix_ns`
    /// the time, `size` the pixels to draw while there is none.
    pub fn new(newest: Option<&FrameInfo>, size: (u32, u32), now: Instant, unix_ns: u64) -> Self {
        let frame_ns = newest.map_or(0, |info| info.published_ns);
        let age = Duration::from_nanos(unix_ns.saturating_sub(frame_ns));
        Placeholder {
            // A machine may be younger than its oldest frame claims.
            frame_at: now.checked_sub(age.min(MOST_PATIENCE)).unwrap_or(now),
            frame_ns,
            epoch: newest.map_or(0, |info| info.epoch),
            patience: LEAST_PATIENCE,
            size: newest.map_or(size, |info| (info.meta.width, info.meta.height)),
            shown_at: None,
        }
    }

    /// A frame has come: the placeholder's time is over.
    pub fn frame(&mut self, info: &FrameInfo, now: Instant) {
        // A picture every two seconds is not a lost signal in between; but the gap that a dead
        // capture process left is.
        self.patience = if info.epoch == self.epoch {
            let gap = Duration::from_nanos(info.published_ns.saturating_sub(self.frame_ns));
            (2 * gap).clamp(LEAST_PATIENCE, MOST_PATIENCE)
        } else {
            LEAST_PATIENCE
        };
        self.frame_at = now;
        self.frame_ns = info.published_ns;
        self.epoch = info.epoch;
        self.size = (info.meta.width, info.meta.height);
        self.shown_at = None;
    }

    /// A frame has come that was not for this viewer.
    pub fn seen(&mut self, now: Instant) {
        self.frame_at = now;
    }

    /// Whether there is a picture to be had, so far as one can tell.
    pub fn is_live(&self, said: &SignalState, now: Instant) -> bool {
        let fresh = now.saturating_duration_since(self.frame_at) < self.patience;
        match said.signal {
            Signal::NoSignal | Signal::Ended | Signal::Resting => false,
            // What there was before the source was closed is no picture of now.
            Signal::Starting => fresh && self.frame_ns > said.since_ns,
            Signal::Live => fresh,
        }
    }

    /// Whether a placeholder is to be shown now.
    pub fn is_due(&self, said: &SignalState, now: Instant) -> bool {
        let fresh = |at| now.saturating_duration_since(at) < INTERVAL;
        !self.is_live(said, now) && !self.shown_at.is_some_and(fresh)
    }

    /// What to show; `None` where it cannot be drawn.
    pub fn show(&mut self, signal: &SignalState, easel: &Easel, now: Instant) -> Option<Still> {
        self.shown_at = Some(now);
        easel.draw(self.size, text(signal, self.frame_ns))
    }
}

fn draw((width, height): (u32, u32), text: &Text) -> Option<Still> {
    let width = width.clamp(picture::MIN_WIDTH, MOST_SIDE);
    let height = height.clamp(picture::MIN_HEIGHT, MOST_SIDE);
    let lines: Vec<&str> = text.lines.iter().map(String::as_str).collect();
    let jpeg = picture::placeholder(width, height, &text.title, &lines)
        .inspect_err(|error| tracing::warn!("no placeholder of {width}x{height}: {error}"))
        .ok()?;
    Some(Still {
        jpeg: Arc::new(jpeg),
        size: (width.try_into().ok()?, height.try_into().ok()?),
    })
}

/// What to say when the signal is this and the last frame came at `frame_ns` (0: never).
fn text(signal: &SignalState, frame_ns: u64) -> Text {
    let (fault, why) = Fault::of(&signal.reason);
    let fault = fault.to_string();
    let (title, reason, since_ns) = match signal.signal {
        Signal::Ended => ("INPUT ENDED", signal.reason.as_str(), signal.since_ns),
        Signal::NoSignal => (fault.as_str(), why, signal.since_ns),
        Signal::Starting => ("STARTING", "the source is being opened", signal.since_ns),
        Signal::Resting => ("STARTING", "the camera was resting", 0),
        Signal::Live => ("NO SIGNAL", "no frame comes", frame_ns),
    };
    let mut lines = Vec::new();
    if !reason.is_empty() {
        lines.push(reason.to_owned());
    }
    if since_ns != 0 {
        lines.push(format!(
            "since {}",
            sys::local_time(since_ns / 1_000_000_000)
        ));
    }
    let title = title.to_owned();
    Text { title, lines }
}

#[cfg(test)]
mod tests {
    use shm_ring::FrameMeta;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn info(published_ns: u64) -> FrameInfo {
        FrameInfo {
            id: 1,
            len: 1,
            epoch: 1,
            published_ns,
            meta: FrameMeta {
                width: 320,
                height: 240,
                ..FrameMeta::default()
            },
        }
    }

    fn state(signal: Signal, reason: &str) -> SignalState {
        SignalState {
            signal,
            reason: reason.into(),
            since_ns: SECOND,
        }
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Shows what is due and says whether it was.
    fn due(placeholder: &mut Placeholder, signal: &SignalState, now: Instant) -> bool {
        let easel = Easel::default();
        placeholder.is_due(signal, now) && placeholder.show(signal, &easel, now).is_some()
    }

    #[test]
    fn only_without_frames_and_once_a_second() {
        let start = Instant::now();
        let live = state(Signal::Live, "");
        let mut placeholder = Placeholder::new(None, (320, 240), start, 100 * SECOND);
        assert!(
            due(&mut placeholder, &live, start),
            "no frame ever: at once"
        );
        placeholder.frame(&info(100 * SECOND), start);
        assert!(!due(&mut placeholder, &live, start + seconds(0.9)));
        assert!(due(&mut placeholder, &live, start + seconds(1.1)));
        assert!(!due(&mut placeholder, &live, start + seconds(2.0)));
        assert!(due(&mut placeholder, &live, start + seconds(2.2)));
        placeholder.frame(&info(102 * SECOND), start + seconds(2.3));
        assert!(!due(&mut placeholder, &live, start + seconds(2.4)));
    }

    #[test]
    fn says_so_at_once_when_the_ring_does() {
        let start = Instant::now();
        let mut placeholder =
            Placeholder::new(Some(&info(100 * SECOND)), (640, 480), start, 100 * SECOND);
        assert!(placeholder.is_live(&state(Signal::Starting, ""), start));
        assert!(!due(&mut placeholder, &state(Signal::Live, ""), start));
        assert!(due(
            &mut placeholder,
            &state(Signal::NoSignal, "unplugged"),
            start
        ));
        placeholder.frame(&info(101 * SECOND), start);
        assert!(due(&mut placeholder, &state(Signal::Ended, ""), start));
    }

    #[test]
    fn a_slow_source_is_waited_for() {
        let start = Instant::now();
        let live = state(Signal::Live, "");
        let mut placeholder =
            Placeholder::new(Some(&info(100 * SECOND)), (320, 240), start, 100 * SECOND);
        placeholder.frame(&info(102 * SECOND), start);
        assert!(!due(&mut placeholder, &live, start + seconds(3.9)));
        assert!(due(&mut placeholder, &live, start + seconds(4.1)));
        let restarted = FrameInfo {
            epoch: 2,
            ..info(107 * SECOND)
        };
        placeholder.frame(&restarted, start + seconds(7.0));
        assert!(due(&mut placeholder, &live, start + seconds(8.1)));
    }

    #[test]
    fn an_old_frame_is_no_picture() {
        let start = Instant::now();
        let placeholder =
            Placeholder::new(Some(&info(90 * SECOND)), (320, 240), start, 100 * SECOND);
        assert!(!placeholder.is_live(&state(Signal::Live, ""), start));
    }

    #[test]
    fn a_frame_from_before_the_rest_is_no_picture() {
        let start = Instant::now();
        let newest = info(100 * SECOND);
        let mut placeholder = Placeholder::new(Some(&newest), (320, 240), start, 100 * SECOND);
        assert!(!placeholder.is_live(&state(Signal::Resting, ""), start));
        let waking = SignalState {
            since_ns: 100 * SECOND + 1,
            ..state(Signal::Starting, "")
        };
        assert!(!placeholder.is_live(&waking, start));
        placeholder.frame(&info(101 * SECOND), start);
        assert!(placeholder.is_live(&waking, start));
    }

    #[test]
    fn whatever_the_frames_size() {
        let text = text(&state(Signal::NoSignal, "unplugged"), 0);
        for size in [(0, 0), (1, 3000), (u32::MAX, 1)] {
            assert!(draw(size, &text).is_some(), "{size:?}");
        }
    }

    #[test]
    fn reason_and_since() {
        let got = text(&state(Signal::NoSignal, "/dev/video0 is busy"), 0);
        assert_eq!(got.title, "NO SIGNAL");
        assert_eq!(got.lines[0], "/dev/video0 is busy");
        assert!(got.lines[1].starts_with("since 19"));
        let got = text(
            &state(Signal::NoSignal, "CAMERA BUSY (pid 71): it is busy"),
            0,
        );
        assert_eq!(
            (got.title.as_str(), got.lines[0].as_str()),
            ("CAMERA BUSY (pid 71)", "it is busy")
        );
        assert_eq!(text(&state(Signal::Ended, ""), 0).title, "INPUT ENDED");
        assert_eq!(text(&state(Signal::Live, ""), 0).lines.len(), 1);
        let got = text(&state(Signal::Resting, "nobody watches"), 7);
        assert_eq!(
            (got.title.as_str(), got.lines),
            ("STARTING", vec!["the camera was resting".to_owned()])
        );
    }
}

//! A slot: what is counted and said of one viewer, or of the source. A cell has one for each
//! connection that its worker takes at once.
//!
//! Counters only ever rise: they belong to the slot and go on over all viewers and workers that
//! use it, so a total over slots cannot fall when a worker dies. What is shown of one viewer is the
//! difference to a mark made when it came.
//!
//! Not here: the process (`cell`), and how it is shown (`status`).

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shm_ring::Notice;

use crate::Role;

/// Counters by cause: room for more causes than there are.
pub(crate) const CAUSES: usize = 16;

/// Why a captured frame did not reach the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropCause {
    /// No whole JPEG.
    Corrupt = 0,
    /// Lost before it came here, in the driver or another seqcast: a gap in the numbers.
    Driver = 1,
    /// Marked as damaged by the driver (`V4L2_BUF_FLAG_ERROR`).
    Flagged = 2,
    /// Due while the source was still at an earlier one.
    Late = 3,
    /// Over a quarter of the ring, or more than the driver's buffer has room for.
    TooLarge = 4,
    /// Cut short.
    Truncated = 5,
    /// A buffer without a byte.
    Empty = 6,
    /// The same picture as the one before it (`--drop-same`).
    Same = 7,
    /// No newer than the one before it, from a broker.
    Stale = 8,
}

impl DropCause {
    /// All, in the order of their counters.
    pub const ALL: [DropCause; 9] = [
        DropCause::Corrupt,
        DropCause::Driver,
        DropCause::Flagged,
        DropCause::Late,
        DropCause::TooLarge,
        DropCause::Truncated,
        DropCause::Empty,
        DropCause::Same,
        DropCause::Stale,
    ];

    /// The name in status and logs.
    pub fn name(self) -> &'static str {
        match self {
            DropCause::Corrupt => "corrupt",
            DropCause::Driver => "driver",
            DropCause::Flagged => "flagged",
            DropCause::Late => "late",
            DropCause::TooLarge => "too-large",
            DropCause::Truncated => "truncated",
            DropCause::Empty => "empty",
            DropCause::Same => "same",
            DropCause::Stale => "stale",
        }
    }
}

/// Why a published frame was not sent to a viewer, or to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipCause {
    /// The viewer's connection still had unsent bytes; the broker still owed confirms.
    Slow = 0,
    /// The sender itself came late and was more than `--lag` frames behind.
    Behind = 1,
    /// It left the ring before it could be sent.
    Overwritten = 2,
    /// It is not in the form that the viewer takes, and could not be put into it.
    Unusable = 3,
    /// The viewer asked for fewer (`/stream?fps=`): no loss.
    Decimated = 4,
    /// There was no connection to the broker.
    Away = 5,
    /// The broker took nothing: its memory or disk was short.
    Blocked = 6,
    /// It was sent and never confirmed: it may have arrived or not.
    Unconfirmed = 7,
}

impl SkipCause {
    /// All, in the order of their counters.
    pub const ALL: [SkipCause; 8] = [
        SkipCause::Slow,
        SkipCause::Behind,
        SkipCause::Overwritten,
        SkipCause::Unusable,
        SkipCause::Decimated,
        SkipCause::Away,
        SkipCause::Blocked,
        SkipCause::Unconfirmed,
    ];

    /// Whether a worker of that kind can have it.
    pub fn is_of(self, role: Role) -> bool {
        match self {
            SkipCause::Decimated => role == Role::Sender,
            SkipCause::Away | SkipCause::Blocked | SkipCause::Unconfirmed => role == Role::Bridge,
            _ => role != Role::Capture,
        }
    }

    /// Whether the viewer was to have the frame.
    pub fn is_loss(self) -> bool {
        self != SkipCause::Decimated
    }

    /// The name in status and logs.
    pub fn name(self) -> &'static str {
        match self {
            SkipCause::Slow => "slow",
            SkipCause::Behind => "behind",
            SkipCause::Overwritten => "overwritten",
            SkipCause::Unusable => "unusable",
            SkipCause::Decimated => "asked",
            SkipCause::Away => "away",
            SkipCause::Blocked => "blocked",
            SkipCause::Unconfirmed => "unconfirmed",
        }
    }
}

/// Whom a sender serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// The peer: its address and port, the address that a proxy on this machine named, or `unix`.
    pub addr: String,
    /// That proxy.
    pub via: Option<String>,
    /// Who it said it is, where a password is asked for.
    pub user: Option<String>,
    /// `http-stream` or `raw`.
    pub protocol: Cow<'static, str>,
    /// What the viewer called itself (`/stream?key=`), at most 64 characters.
    pub key: Option<String>,
    /// A number that hardly another viewer has, for `/state` and its cookie.
    pub id: u64,
    /// How it wants its stream, in the words of µStreamer.
    pub wants: Wants,
}

impl Viewer {
    /// The address alone, without the port.
    pub fn host(&self) -> String {
        match self.addr.parse::<SocketAddr>() {
            Ok(address) => address.ip().to_string(),
            Err(_) => self.addr.clone(),
        }
    }
}

impl fmt::Display for Viewer {
    /// For the log: where it is, through whom it comes, and what it calls itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.addr)?;
        if let Some(via) = &self.via {
            write!(f, " via {via}")?;
        }
        match &self.key {
            Some(key) => write!(f, " {key:?}"),
            None => Ok(()),
        }
    }
}

/// What a viewer may want of its stream, as µStreamer names it (`/stream?extra_headers=1&…`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wants {
    /// `X-UStreamer-*` headers with each part.
    pub extra_headers: bool,
    /// The next part's headers right behind each frame, without a length.
    pub advance_headers: bool,
    /// The last frame before a pause twice.
    pub dual_final_frames: bool,
    /// Headers alone.
    pub zero_data: bool,
}

/// What a source was granted, as its capture process says it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// `test`, `file`, `directory`, `stdin`, `http`, `amqp` or `camera`.
    pub kind: String,
    /// A path, a card's name; its end is cut where it does not fit into the cell.
    pub detail: String,
    /// Pixels; 0 while unknown.
    pub width: u32,
    /// Pixels; 0 while unknown.
    pub height: u32,
    /// The source's own format, a fourcc.
    pub format: String,
    /// Frames a second as set; 0 where the source alone decides.
    pub fps: f64,
}

/// Where a bridge publishes, and how that goes, as it says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sink {
    /// The exchange's address, without a login.
    pub to: String,
    /// `amqp-jpeg` or `amqp-raw`.
    pub protocol: String,
    /// A sentence; its end is cut where it does not fit into the cell.
    pub condition: String,
}

/// Bytes of JSON that a slot holds about its viewer, source or sink.
const ABOUT: usize = 640;

/// As it lies in shared memory. Writing is for its worker (and, between workers, the supervisor).
#[repr(C, align(64))]
pub struct Slot {
    pub(crate) lag: AtomicU64,
    /// From capture to the viewer's socket, smoothed, nanoseconds; 0 before the first frame.
    pub(crate) latency_ns: AtomicU64,
    /// Frames sent in the last second or so, by a thousand.
    pub(crate) rate: AtomicU64,
    /// How far in the past the viewer is shown, nanoseconds; 0 where it is live.
    pub(crate) shift_ns: AtomicU64,
    pub(crate) now: Counters,
    /// `now` as it was when the present viewer came.
    pub(crate) mark: Counters,
    /// JSON of the [`Viewer`], the [`SourceInfo`] or the [`Sink`]; empty where there is none.
    about: Notice<ABOUT>,
}

/// Counters that only rise.
#[repr(C)]
pub(crate) struct Counters {
    pub frames: AtomicU64,
    pub bytes: AtomicU64,
    pub torn: AtomicU64,
    pub stalled_ns: AtomicU64,
    pub causes: [AtomicU64; CAUSES],
}

impl Counters {
    fn each(&self) -> impl Iterator<Item = &AtomicU64> {
        [&self.frames, &self.bytes, &self.torn, &self.stalled_ns]
            .into_iter()
            .chain(&self.causes)
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slot({} frames)", self.frames())
    }
}

impl Slot {
    /// Says who is served here, and counts for that viewer from here on.
    pub fn set_viewer(&self, viewer: Option<&Viewer>) {
        self.begin();
        self.about
            .replace(0, 0, &viewer.map(fitted).unwrap_or_default());
    }

    /// Says what the source was granted.
    pub fn set_source(&self, source: &SourceInfo) {
        let mut source = source.clone();
        let about = loop {
            let about = serde_json::to_string(&source).unwrap_or_default();
            // Escapes may make the text longer than what it says.
            if about.len() <= ABOUT || source.detail.pop().is_none() {
                break about;
            }
        };
        self.about.replace(0, 0, &about);
    }

    /// Says where frames are published to, and how that goes.
    pub fn set_sink(&self, sink: &Sink) {
        let mut sink = sink.clone();
        let about = loop {
            let about = serde_json::to_string(&sink).unwrap_or_default();
            if about.len() <= ABOUT || sink.condition.pop().or_else(|| sink.to.pop()).is_none() {
                break about;
            }
        };
        self.about.replace(0, 0, &about);
    }

    /// A frame published or sent whole.
    pub fn add_frame(&self, bytes: u64) {
        self.now.frames.fetch_add(1, Relaxed);
        self.now.bytes.fetch_add(bytes, Relaxed);
    }

    /// Frames that did not reach the ring.
    pub fn add_dropped(&self, cause: DropCause, frames: u64) {
        self.now.causes[cause as usize].fetch_add(frames, Relaxed);
    }

    /// Frames that were not sent.
    pub fn add_skipped(&self, cause: SkipCause, frames: u64) {
        self.now.causes[cause as usize].fetch_add(frames, Relaxed);
    }

    /// A frame overtaken on its way out; its connection is closed.
    pub fn add_torn(&self) {
        self.now.torn.fetch_add(1, Relaxed);
    }

    /// Time for which the viewer took nothing.
    pub fn add_stalled(&self, time: Duration) {
        self.now
            .stalled_ns
            .fetch_add(time.as_nanos() as u64, Relaxed);
    }

    /// How many frames the viewer is behind the newest.
    pub fn set_lag(&self, frames: u64) {
        self.lag.store(frames, Relaxed);
    }

    /// How many frames went to the viewer lately, a second.
    pub fn set_rate(&self, fps: f64) {
        self.rate.store((fps * 1000.0) as u64, Relaxed);
    }

    /// How far in the past the viewer is shown; nothing: it is live.
    pub fn set_shift(&self, shift: Duration) {
        self.shift_ns.store(shift.as_nanos() as u64, Relaxed);
    }

    /// How long after its capture the last byte of a frame was given to the viewer's socket. A sixteenth of
    /// each goes into the mean.
    pub fn add_latency(&self, ns: u64) {
        let mean = match self.latency_ns.load(Relaxed) {
            0 => ns,
            mean => mean - mean / 16 + ns / 16,
        };
        self.latency_ns.store(mean, Relaxed);
    }

    /// Frames over all that were counted here.
    pub fn frames(&self) -> u64 {
        self.now.frames.load(Relaxed)
    }

    /// Frames and skipped ones over all that were counted here.
    pub fn accounted(&self) -> u64 {
        let causes = self.now.causes.iter().map(|n| n.load(Relaxed));
        causes.fold(self.frames(), u64::saturating_add)
    }

    /// Who is served here.
    pub fn viewer(&self) -> Option<Viewer> {
        self.about()
    }

    /// What the source was granted; a dead worker's word stays until its successor says another.
    pub fn source(&self) -> Option<SourceInfo> {
        self.about()
    }

    /// Where frames are published to; a dead worker's word stays until its successor says another.
    pub fn sink(&self) -> Option<Sink> {
        self.about()
    }

    /// From here on it counts for somebody else.
    pub(crate) fn begin(&self) {
        for (mark, now) in self.mark.each().zip(self.now.each()) {
            mark.store(now.load(Relaxed), Relaxed);
        }
        self.lag.store(0, Relaxed);
        self.latency_ns.store(0, Relaxed);
        self.rate.store(0, Relaxed);
        self.shift_ns.store(0, Relaxed);
    }

    fn about<T: for<'de> Deserialize<'de>>(&self) -> Option<T> {
        let (_, _, text) = self.about.read()?;
        serde_json::from_str(&text).ok()
    }
}

/// A viewer as it fits into a slot: what it calls itself is cut for the rest, which is bounded.
fn fitted(viewer: &Viewer) -> String {
    let mut viewer = viewer.clone();
    loop {
        let about = serde_json::to_string(&viewer).unwrap_or_default();
        let cut = |name: &mut Option<String>| name.as_mut().and_then(String::pop).is_some();
        if about.len() <= ABOUT || !(cut(&mut viewer.key) || cut(&mut viewer.user)) {
            return about;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Board, CAPTURE_CELL, Instance};

    #[test]
    fn latency_is_a_mean_and_the_next_viewers_begins_anew() {
        let name = format!("test-latency-{}", std::process::id());
        let board = Board::create(&Instance::new(&name).unwrap(), 1, 1, 1).unwrap();
        let slot = board.cell(1).slot();
        slot.add_latency(1600);
        assert_eq!(slot.latency_ns.load(Relaxed), 1600);
        slot.add_latency(3200);
        assert_eq!(slot.latency_ns.load(Relaxed), 1700);
        slot.set_viewer(None);
        assert_eq!(slot.latency_ns.load(Relaxed), 0);
    }

    #[test]
    fn a_viewer_of_any_names_is_still_readable() {
        let name = format!("test-names-{}", std::process::id());
        let board = Board::create(&Instance::new(&name).unwrap(), 1, 1, 1).unwrap();
        let slot = board.cell(1).slot();
        for name in ["\u{1f600}".repeat(64), "\"".repeat(500)] {
            let viewer = Viewer {
                addr: "2001:db8:1111:2222:3333:4444:5555:6666".into(),
                via: Some("[2001:db8:1111:2222:3333:4444:5555:6666]:65535".into()),
                user: Some(name.clone()),
                protocol: Cow::Borrowed("http-stream"),
                key: Some(name.clone()),
                id: u64::MAX,
                wants: Wants::default(),
            };
            slot.set_viewer(Some(&viewer));
            let shown = slot.viewer().unwrap();
            assert_eq!((&shown.addr, &shown.via), (&viewer.addr, &viewer.via));
            assert!(name.starts_with(&shown.user.unwrap()));
        }
    }

    #[test]
    fn a_source_or_sink_of_any_length_is_still_readable() {
        let name = format!("test-about-{}", std::process::id());
        let board = Board::create(&Instance::new(&name).unwrap(), 1, 1, 1).unwrap();
        let slot = board.cell(CAPTURE_CELL).slot();
        for detail in ["x".repeat(5000), "\"é\\".repeat(500)] {
            slot.set_source(&SourceInfo {
                kind: "file".into(),
                detail: detail.clone(),
                ..Default::default()
            });
            let source = slot.source().unwrap();
            assert!(source.detail.len() > 200 && detail.starts_with(&source.detail));
        }
        let long = Sink {
            to: "amqp://mq/x".into(),
            protocol: "amqp-raw".into(),
            condition: "\"é".repeat(5000),
        };
        slot.set_sink(&long);
        let sink = slot.sink().unwrap();
        assert!(sink.to == long.to && long.condition.starts_with(&sink.condition));
    }
}

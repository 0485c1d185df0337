//! A worker's cell: one page on the board that this worker alone writes and all may read.
//!
//! Counters only ever rise: they belong to the cell and go on over all workers that use it, so a
//! total over cells cannot fall when a worker dies. What a viewer or a worker sees of its own is
//! the difference to a mark made when it began.
//!
//! Not here: where the page comes from (`board`), and how it is shown (`status`).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shm_ring::Notice;

use crate::clock::cpu_ns;
use crate::monotonic_ns;

/// What a worker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum Role {
    /// Publishes frames.
    Capture = 1,
    /// Sends them to one viewer at a time.
    Sender = 2,
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u32)]
pub enum State {
    /// Forked, not yet at work.
    Starting = 0,
    /// A sender waiting for a connection.
    Idle = 1,
    /// A capture process that has published; a sender with a connection.
    Serving = 2,
    /// Ending on request.
    Draining = 3,
    /// Showed no life for too long; about to be killed. Said by the supervisor.
    Hung = 4,
}

impl State {
    fn from_u32(value: u32) -> State {
        match value {
            1 => State::Idle,
            2 => State::Serving,
            3 => State::Draining,
            4 => State::Hung,
            _ => State::Starting,
        }
    }
}

/// Counters by cause in a cell: room for more causes than there are.
pub(crate) const CAUSES: usize = 8;

/// Why a captured frame did not reach the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropCause {
    /// No whole JPEG.
    Corrupt = 0,
    /// Lost in the driver: a gap in its sequence numbers.
    Driver = 1,
    /// Marked as damaged by the driver (`V4L2_BUF_FLAG_ERROR`).
    Flagged = 2,
    /// Due while the source was still at an earlier one.
    Late = 3,
    /// Over a quarter of the ring.
    TooLarge = 4,
}

impl DropCause {
    /// All, in the order of their counters.
    pub const ALL: [DropCause; 5] = [
        DropCause::Corrupt,
        DropCause::Driver,
        DropCause::Flagged,
        DropCause::Late,
        DropCause::TooLarge,
    ];

    /// The name in status and logs.
    pub fn name(self) -> &'static str {
        match self {
            DropCause::Corrupt => "corrupt",
            DropCause::Driver => "driver",
            DropCause::Flagged => "flagged",
            DropCause::Late => "late",
            DropCause::TooLarge => "too-large",
        }
    }
}

/// Why a published frame was not sent to a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipCause {
    /// The viewer's connection still had unsent bytes.
    Slow = 0,
    /// The sender itself came late and was more than `--lag` frames behind.
    Behind = 1,
    /// It left the ring before it could be sent.
    Overwritten = 2,
}

impl SkipCause {
    /// All, in the order of their counters.
    pub const ALL: [SkipCause; 3] = [SkipCause::Slow, SkipCause::Behind, SkipCause::Overwritten];

    /// The name in status and logs.
    pub fn name(self) -> &'static str {
        match self {
            SkipCause::Slow => "slow",
            SkipCause::Behind => "behind",
            SkipCause::Overwritten => "overwritten",
        }
    }
}

/// Whom a sender serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// The peer.
    pub addr: SocketAddr,
    /// `http-stream` and the like.
    pub protocol: Cow<'static, str>,
    /// What the viewer called itself (`/stream?key=`), at most 64 characters.
    pub key: Option<String>,
}

/// What a source was granted, as its capture process says it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// `test`, `file`, `directory`, `stdin` or `camera`.
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

/// Bytes of JSON that a cell holds about its viewer or source.
const ABOUT: usize = 640;

/// The page, as it lies in shared memory.
#[repr(C, align(4096))]
pub(crate) struct Page {
    pub role: AtomicU32,
    pub state: AtomicU32,
    pub pid: AtomicU32,
    pub restarts: AtomicU32,
    pub started_ns: AtomicU64,
    pub heartbeat_ns: AtomicU64,
    pub cpu_ns: AtomicU64,
    pub lag: AtomicU64,
    pub now: Counters,
    /// `now` as it was when the present viewer came.
    pub mark: Counters,
    /// JSON of the [`Viewer`] or the [`SourceInfo`]; empty where there is none.
    pub about: Notice<ABOUT>,
}

const _: () = assert!(size_of::<Page>() == 4096);

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

/// A handle on one cell. Writing is for its worker (and, between workers, the supervisor).
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    pub(crate) page: &'a Page,
    pub(crate) bell: Option<BorrowedFd<'a>>,
}

impl std::fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cell(pid {})", self.pid())
    }
}

impl Cell<'_> {
    /// A new worker's first act; the cell was vacated by its predecessor's undertaker.
    pub fn begin(&self, role: Role) {
        let page = self.page;
        page.role.store(role as u32, Relaxed);
        page.state.store(State::Starting as u32, Relaxed);
        page.started_ns.store(monotonic_ns(), Relaxed);
        page.cpu_ns.store(0, Relaxed);
        page.lag.store(0, Relaxed);
        self.mark();
        self.beat();
        page.pid.store(std::process::id(), Relaxed);
    }

    /// Says what the worker is doing; rings the supervisor's bell if that is news.
    pub fn set_state(&self, state: State) {
        if self.page.state.swap(state as u32, Relaxed) != state as u32
            && let Some(bell) = self.bell
        {
            // A full counter rings, too: nothing can be lost.
            let _ = nix::unistd::write(bell, &1u64.to_ne_bytes());
        }
    }

    /// Shows life; every worker does at least once a second, whatever it waits for. Notes the CPU
    /// time, at most four times a second.
    pub fn beat(&self) {
        let now = monotonic_ns();
        let last = self.page.heartbeat_ns.swap(now, Relaxed);
        if now / 250_000_000 != last / 250_000_000 {
            self.page.cpu_ns.store(cpu_ns(), Relaxed);
        }
    }

    /// Says whom the sender serves, and counts for that viewer from here on.
    pub fn set_viewer(&self, viewer: Option<&Viewer>) {
        self.mark();
        self.page.lag.store(0, Relaxed);
        let about = viewer.map(|viewer| serde_json::to_string(viewer).unwrap_or_default());
        self.page
            .about
            .replace(0, 0, about.as_deref().unwrap_or(""));
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
        self.page.about.replace(0, 0, &about);
    }

    /// A frame published or sent whole.
    pub fn add_frame(&self, bytes: u64) {
        self.page.now.frames.fetch_add(1, Relaxed);
        self.page.now.bytes.fetch_add(bytes, Relaxed);
    }

    /// Frames that did not reach the ring.
    pub fn add_dropped(&self, cause: DropCause, frames: u64) {
        self.page.now.causes[cause as usize].fetch_add(frames, Relaxed);
    }

    /// Frames that were not sent.
    pub fn add_skipped(&self, cause: SkipCause, frames: u64) {
        self.page.now.causes[cause as usize].fetch_add(frames, Relaxed);
    }

    /// A frame overtaken on its way out; its connection is closed.
    pub fn add_torn(&self) {
        self.page.now.torn.fetch_add(1, Relaxed);
    }

    /// Time for which the viewer took nothing.
    pub fn add_stalled(&self, time: Duration) {
        self.page
            .now
            .stalled_ns
            .fetch_add(time.as_nanos() as u64, Relaxed);
    }

    /// How many frames the viewer is behind the newest.
    pub fn set_lag(&self, frames: u64) {
        self.page.lag.store(frames, Relaxed);
    }

    /// The worker's pid; 0 where there is none.
    pub fn pid(&self) -> u32 {
        self.page.pid.load(Relaxed)
    }

    /// The worker's role; `None` for a cell never used.
    pub fn role(&self) -> Option<Role> {
        match self.page.role.load(Relaxed) {
            1 => Some(Role::Capture),
            2 => Some(Role::Sender),
            _ => None,
        }
    }

    /// What the worker is doing.
    pub fn state(&self) -> State {
        State::from_u32(self.page.state.load(Relaxed))
    }

    /// When the worker last showed life, `CLOCK_MONOTONIC` nanoseconds.
    pub fn heartbeat_ns(&self) -> u64 {
        self.page.heartbeat_ns.load(Relaxed)
    }

    /// Frames over all workers of this cell.
    pub fn frames(&self) -> u64 {
        self.page.now.frames.load(Relaxed)
    }

    /// Unexpected deaths in this cell.
    pub fn restarts(&self) -> u32 {
        self.page.restarts.load(Relaxed)
    }

    /// The supervisor's word on a worker that is dead: nobody is here any more.
    pub fn vacate(&self, unexpected: bool) {
        if unexpected {
            self.page.restarts.fetch_add(1, Relaxed);
        }
        self.page.pid.store(0, Relaxed);
        self.page.state.store(State::Starting as u32, Relaxed);
        self.page.lag.store(0, Relaxed);
        if self.role() == Some(Role::Sender) {
            self.page.about.replace(0, 0, "");
        }
        self.mark();
    }

    /// Whom the sender serves.
    pub fn viewer(&self) -> Option<Viewer> {
        self.about()
    }

    /// What the source was granted; a dead worker's word stays until its successor says another.
    pub fn source(&self) -> Option<SourceInfo> {
        self.about()
    }

    fn about<T: for<'de> Deserialize<'de>>(&self) -> Option<T> {
        let (_, _, text) = self.page.about.read()?;
        serde_json::from_str(&text).ok()
    }

    fn mark(&self) {
        for (mark, now) in self.page.mark.each().zip(self.page.now.each()) {
            mark.store(now.load(Relaxed), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Board, CAPTURE_CELL, Instance};

    #[test]
    fn a_source_of_any_length_is_still_readable() {
        let name = format!("test-about-{}", std::process::id());
        let board = Board::create(&Instance::new(&name).unwrap(), 1, 1).unwrap();
        let cell = board.cell(CAPTURE_CELL);
        for detail in ["x".repeat(5000), "\"é\\".repeat(500)] {
            cell.set_source(&SourceInfo {
                kind: "file".into(),
                detail: detail.clone(),
                ..Default::default()
            });
            let source = cell.source().unwrap();
            assert!(source.detail.len() > 200 && detail.starts_with(&source.detail));
        }
    }
}

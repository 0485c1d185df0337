//! The board: a shared segment of one page for the instance, a cell of whole pages per worker,
//! the seats, of which every stream takes one, and the last minutes' history.
//!
//! Everything in it is an atomic that one process writes; a seat is taken by compare-and-swap.
//! Nothing can be held by a dead process: who reaps it frees its seats.
//!
//! Not here: what a worker writes (`cell`, `slot`), and how it is all shown (`status`).

use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64, fence};

use nix::sys::eventfd::{EfdFlags, EventFd};
use shm_ring::{Map, Notice, Segment};

use crate::cell::{Cell, Process};
use crate::clock::cpu_ns;
use crate::history::{Counts, History, Sample, Samples};
use crate::layout::{Layout, PAGE};
use crate::slot::{Slot, Viewer};
use crate::{Error, Instance, monotonic_ns, unix_ns};

const MAGIC: u64 = u64::from_ne_bytes(*b"SEQBOARD");
const VERSION: u64 = 5;
/// Upper bound of workers, of slots in a cell and of seats: more than a machine runs.
const MOST: u64 = 65_536;

/// The capture process's cell; senders have those behind it, and a bridge the last.
pub const CAPTURE_CELL: usize = 0;

/// The first page.
#[repr(C, align(4096))]
struct Head {
    magic: AtomicU64,
    version: AtomicU64,
    cells: AtomicU64,
    slots: AtomicU64,
    seats: AtomicU64,
    pid: AtomicU32,
    started_ns: AtomicU64,
    /// The same as a Unix time, seconds.
    started_unix: AtomicU64,
    heartbeat_ns: AtomicU64,
    cpu_ns: AtomicU64,
    refused: AtomicU64,
    http: Notice<256>,
    model: Notice<32>,
    raw: Notice<256>,
    controls_refused: Notice<512>,
}

#[derive(Debug)]
enum Memory {
    Own(Segment),
    View(Map),
}

/// The board of an instance.
#[derive(Debug)]
pub struct Board {
    memory: Memory,
    layout: Layout,
    bell: Option<EventFd>,
}

impl Board {
    /// Creates the board of `instance` with a cell for the capture process, `senders` more with
    /// `slots` each (at least 1), and `seats` for streams.
    ///
    /// # Errors
    /// Those of [`Segment::create`], [`Error::Os`].
    pub fn create(
        instance: &Instance,
        senders: usize,
        slots: usize,
        seats: usize,
    ) -> Result<Board, Error> {
        let layout = Layout {
            cells: senders + 1,
            slots: slots.max(1),
            seats,
        };
        let len = layout.len().next_multiple_of(PAGE);
        let segment = Segment::create(&instance.board(), len as u64)?;
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|e| Error::os("eventfd", e))?;
        let board = Board {
            memory: Memory::Own(segment),
            layout,
            bell: Some(bell),
        };
        let head = board.head();
        head.version.store(VERSION, Relaxed);
        head.cells.store(layout.cells as u64, Relaxed);
        head.slots.store(layout.slots as u64, Relaxed);
        head.seats.store(layout.seats as u64, Relaxed);
        head.pid.store(std::process::id(), Relaxed);
        head.started_ns.store(monotonic_ns(), Relaxed);
        head.started_unix.store(unix_ns() / 1_000_000_000, Relaxed);
        head.heartbeat_ns.store(monotonic_ns(), Relaxed);
        // Last: whoever sees it (`from_fd`) sees the rest.
        head.magic.store(MAGIC, Release);
        Ok(board)
    }

    /// Opens the board of `instance` to look at it.
    ///
    /// # Errors
    /// [`Error::NotABoard`], and those of [`Segment::open_read_only`].
    pub fn attach(instance: &Instance) -> Result<Board, Error> {
        let name = instance.board();
        let fd = Segment::open_read_only(&name)?;
        Self::view(&fd).map_err(|why| Error::NotABoard { name, why })
    }

    fn view(fd: &OwnedFd) -> Result<Board, String> {
        let map = Map::read_only(fd).map_err(|e| e.to_string())?;
        if map.len() < PAGE {
            return Err(format!("it is {} bytes short", map.len()));
        }
        let mut board = Board {
            memory: Memory::View(map),
            layout: Layout {
                cells: 0,
                slots: 1,
                seats: 0,
            },
            bell: None,
        };
        let head = board.head();
        if head.magic.load(Acquire) != MAGIC {
            return Err("it does not begin with SEQBOARD".into());
        }
        let version = head.version.load(Relaxed);
        let counts = [&head.cells, &head.slots, &head.seats].map(|count| count.load(Relaxed));
        if version != VERSION {
            return Err(format!("its version is {version}, not {VERSION}"));
        }
        let [cells, slots, seats] = counts;
        // Within these bounds nothing that follows overflows.
        let sane = cells > 0 && slots > 0 && counts.iter().all(|&count| count <= MOST);
        let layout = Layout {
            cells: cells as usize,
            slots: slots as usize,
            seats: seats as usize,
        };
        if !sane || layout.len() > board.len() {
            return Err(format!(
                "{cells} cells of {slots} slots and {seats} seats do not fit into it"
            ));
        }
        // Kept, and never read from the map again.
        board.layout = layout;
        Ok(board)
    }

    /// How many cells there are, the capture process's included.
    pub fn cells(&self) -> usize {
        self.layout.cells
    }

    /// How many slots a sender's cell has: connections that it takes at once.
    pub fn slots(&self) -> usize {
        self.layout.slots
    }

    /// How many seats there are.
    pub fn seats(&self) -> usize {
        self.layout.seats
    }

    /// Cell `index`.
    ///
    /// # Panics
    /// If there is no such cell.
    pub fn cell(&self, index: usize) -> Cell<'_> {
        assert!(index < self.cells());
        let at = self.layout.cell_at(index);
        // SAFETY: the cell lies within the map (checked or made so), begins with a page and so is
        // aligned, lives as long as `self`, and has atomics only; whoever only has a view does not
        // store. Its slots follow its process, whose size is a multiple of their alignment.
        let (process, slots) = unsafe {
            let start = self.start().add(at);
            let slots = start.add(size_of::<Process>()).cast::<Slot>();
            let count = self.layout.slots_of(index);
            (
                start.cast::<Process>().as_ref(),
                std::slice::from_raw_parts(slots.as_ptr(), count),
            )
        };
        Cell {
            process,
            slots,
            bell: self.bell.as_ref().map(AsFd::as_fd),
        }
    }

    /// All cells.
    pub fn all(&self) -> impl Iterator<Item = Cell<'_>> {
        (0..self.cells()).map(|index| self.cell(index))
    }

    /// Connections that the senders could take beside those that they have.
    pub fn free_slots(&self) -> usize {
        self.all().map(|cell| cell.free_slots()).sum()
    }

    /// Takes a seat for this process; `None` when the house is full.
    pub fn take_seat(&self) -> Option<Seat<'_>> {
        let pid = std::process::id();
        // A seat guards no memory; AcqRel only keeps taking and giving in order.
        self.seat_pids()
            .iter()
            .find(|seat| seat.compare_exchange(0, pid, AcqRel, Relaxed).is_ok())
            .map(|seat| Seat { seat, pid })
    }

    /// Frees the seats of a dead process. For the supervisor, when it has reaped it.
    pub fn free_seats(&self, pid: u32) {
        for seat in self.seat_pids() {
            let _ = seat.compare_exchange(pid, 0, AcqRel, Relaxed);
        }
    }

    /// Seats that are taken.
    pub fn taken_seats(&self) -> usize {
        let taken = |seat: &&AtomicU32| seat.load(Relaxed) != 0;
        self.seat_pids().iter().filter(taken).count()
    }

    /// Viewers that are so, over all senders. Of two that have each said who they are, one at least
    /// counts both.
    pub fn count_viewers(&self, is: impl Fn(&Viewer) -> bool) -> usize {
        // Between what this process said and what it now looks at.
        fence(SeqCst);
        self.all()
            .skip(CAPTURE_CELL + 1)
            .flat_map(|cell| cell.slots())
            .filter_map(Slot::viewer)
            .filter(is)
            .count()
    }

    /// A stream that was turned away.
    pub fn add_refused(&self) {
        self.head().refused.fetch_add(1, Relaxed);
    }

    /// Streams that were turned away.
    pub fn refused(&self) -> u64 {
        self.head().refused.load(Relaxed)
    }

    /// Says on which addresses the instance answers HTTP.
    pub fn set_http(&self, addresses: &str) {
        self.head().http.replace(0, 0, addresses);
    }

    /// On which addresses the instance answers HTTP.
    pub fn http(&self) -> String {
        self.head().http.read().unwrap_or_default().2
    }

    /// Says on which addresses the instance sends raw frames.
    pub fn set_raw(&self, addresses: &str) {
        self.head().raw.replace(0, 0, addresses);
    }

    /// On which addresses the instance sends raw frames; empty: on none.
    pub fn raw(&self) -> String {
        self.head().raw.read().unwrap_or_default().2
    }

    /// Says which model its senders follow.
    pub fn set_model(&self, model: &str) {
        self.head().model.replace(0, 0, model);
    }

    /// Which model its senders follow.
    pub fn model(&self) -> String {
        self.head().model.read().unwrap_or_default().2
    }

    /// Says what was to be set of the source when it was opened, and could not be.
    pub fn set_controls_refused(&self, why: &str) {
        self.head().controls_refused.replace(0, 0, why);
    }

    /// What was to be set of the source and could not be; empty: nothing.
    pub fn controls_refused(&self) -> String {
        self.head().controls_refused.read().unwrap_or_default().2
    }

    /// The supervisor's pid.
    pub fn supervisor(&self) -> u32 {
        self.head().pid.load(Relaxed)
    }

    /// When the instance started, `CLOCK_MONOTONIC` nanoseconds.
    pub fn started_ns(&self) -> u64 {
        self.head().started_ns.load(Relaxed)
    }

    /// Shows that the supervisor lives, and what it has used of the processors.
    pub fn beat(&self) {
        self.head().heartbeat_ns.store(monotonic_ns(), Relaxed);
        self.head().cpu_ns.store(cpu_ns(), Relaxed);
    }

    /// CPU time of the supervisor, nanoseconds.
    pub fn cpu_ns(&self) -> u64 {
        self.head().cpu_ns.load(Relaxed)
    }

    /// What a [`Sampler`](crate::history::Sampler) makes samples of, as it is now.
    pub fn counts(&self) -> Counts {
        let capture = self.cell(CAPTURE_CELL).slot();
        Counts {
            frames: capture.frames(),
            bytes: capture.now.bytes.load(Relaxed),
            restarts: self.all().map(|cell| u64::from(cell.restarts())).sum(),
            viewers: self.taken_seats() as u64,
        }
    }

    /// Adds a second that is just over to the history.
    pub fn remember(&self, sample: Sample) {
        self.samples().push(sample, unix_ns() / 1_000_000_000);
    }

    /// The last minutes.
    pub fn history(&self) -> History {
        self.samples().read()
    }

    /// When the instance started, Unix seconds by the clock of then.
    pub fn started_unix(&self) -> u64 {
        self.head().started_unix.load(Relaxed)
    }

    /// When the supervisor last showed life, `CLOCK_MONOTONIC` nanoseconds.
    pub fn heartbeat_ns(&self) -> u64 {
        self.head().heartbeat_ns.load(Relaxed)
    }

    /// Whether somebody cut the segment short: nothing that is shown counts any more.
    ///
    /// # Errors
    /// Those of [`Segment::is_truncated`].
    pub fn is_truncated(&self) -> Result<bool, Error> {
        Ok(match &self.memory {
            Memory::Own(segment) => segment.is_truncated()?,
            Memory::View(map) => map.is_lost(),
        })
    }

    /// The eventfd on which workers ring when their state changes; on the creator's board only.
    pub fn bell(&self) -> Option<&EventFd> {
        self.bell.as_ref()
    }

    /// Leaves the segment's name to the parent: a forked child says this.
    pub fn disown(&mut self) {
        if let Memory::Own(segment) = &mut self.memory {
            segment.disown();
        }
    }

    fn start(&self) -> NonNull<u8> {
        match &self.memory {
            Memory::Own(segment) => segment.as_ptr(),
            Memory::View(map) => map.as_ptr(),
        }
    }

    fn len(&self) -> usize {
        match &self.memory {
            Memory::Own(_) => self.layout.len(),
            Memory::View(map) => map.len(),
        }
    }

    fn head(&self) -> &Head {
        // SAFETY: the map is at least a page, page-aligned, and lives as long as `self`.
        unsafe { self.start().cast().as_ref() }
    }

    fn samples(&self) -> &Samples {
        let at = self.layout.history_at();
        // SAFETY: they lie within the map, by the layout, which is checked by `view`; they are aligned, since
        // the layout says so of a map that begins with a page, and have atomics only.
        unsafe { self.start().add(at).cast().as_ref() }
    }

    fn seat_pids(&self) -> &[AtomicU32] {
        let at = self.layout.seats_at();
        // SAFETY: `seats` words from there lie within the map: made so, or checked by `view`.
        unsafe { std::slice::from_raw_parts(self.start().add(at).cast().as_ptr(), self.seats()) }
    }
}

/// A seat taken by this process; free again when dropped.
#[derive(Debug)]
pub struct Seat<'a> {
    seat: &'a AtomicU32,
    pid: u32,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let _ = self.seat.compare_exchange(self.pid, 0, AcqRel, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Role, State};

    fn instance(test: &str) -> Instance {
        Instance::new(&format!("test-{test}-{}", std::process::id())).unwrap()
    }

    #[test]
    fn seats_are_as_many_as_there_are() {
        let board = Board::create(&instance("seats"), 3, 1, 2).unwrap();
        let first = board.take_seat().unwrap();
        let _second = board.take_seat().unwrap();
        assert!(board.take_seat().is_none());
        drop(first);
        assert_eq!(board.taken_seats(), 1);
        board.free_seats(std::process::id());
        assert_eq!(board.taken_seats(), 0);
    }

    #[test]
    fn a_view_sees_what_workers_say() {
        let instance = instance("view");
        let board = Board::create(&instance, 3, 5, 2).unwrap();
        board.set_http("127.0.0.1:8080");
        board.set_model("process");
        let cell = board.cell(2);
        cell.begin(Role::Sender);
        cell.set_state(State::Idle);
        let view = Board::attach(&instance).unwrap();
        assert_eq!((view.cells(), view.slots(), view.seats()), (4, 5, 2));
        assert_eq!(view.http(), "127.0.0.1:8080");
        assert_eq!(view.model(), "process");
        assert_eq!(view.free_slots(), 5);
        let engaged = [cell.engage(), cell.engage()];
        assert_eq!(view.cell(2).state(), State::Serving);
        assert_eq!(view.free_slots(), 3);
        drop(engaged);
        assert_eq!(view.cell(2).state(), State::Idle);
        cell.slots()[4].add_frame(10);
        let frames = |index: usize| -> u64 {
            let slots = view.cell(index).slots().iter();
            slots.map(Slot::frames).sum()
        };
        let of_each: [u64; 4] = std::array::from_fn(frames);
        assert_eq!(of_each, [0, 0, 1, 0]);
        assert!(view.bell().is_none());
        cell.vacate(true);
        assert_eq!((view.cell(2).pid(), view.cell(2).restarts()), (0, 1));
        assert_eq!(view.free_slots(), 0);
        assert_eq!(frames(2), 1, "counters outlive their worker");
    }

    #[test]
    fn the_history_outlives_workers_and_is_read_by_strangers() {
        use crate::history::Sampler;
        let instance = instance("history");
        let board = Board::create(&instance, 1, 1, 1).unwrap();
        let capture = board.cell(CAPTURE_CELL);
        capture.begin(Role::Capture);
        let mut sampler = Sampler::default();
        for second in 1..=3 {
            (0..second).for_each(|_| capture.slot().add_frame(100));
            if second == 2 {
                capture.vacate(true);
                capture.begin(Role::Capture);
            }
            let now = std::time::Duration::from_secs(second);
            let samples = sampler.tick(now, board.counts());
            samples
                .into_iter()
                .for_each(|sample| board.remember(sample));
        }
        let history = Board::attach(&instance).unwrap().history();
        let samples = history.samples.into_iter().map(<[u64; 4]>::from);
        let want = [[1, 100, 0, 0], [2, 200, 1, 0], [3, 300, 0, 0]];
        assert_eq!(samples.collect::<Vec<_>>(), want);
        assert!(unix_ns() / 1_000_000_000 - history.now < 60);
    }

    #[test]
    fn strangers_are_no_boards() {
        let instance = instance("stranger");
        let segment = Segment::create(&instance.board(), PAGE as u64).unwrap();
        assert!(matches!(
            Board::attach(&instance),
            Err(Error::NotABoard { .. })
        ));
        use std::os::unix::fs::FileExt as _;
        let file = segment.reopen().unwrap();
        for (cells, slots, seats) in [
            (0, 1, 0),
            (1, 0, 0),
            (1, 1, 0),
            (u64::MAX, 1, 1),
            (1, u64::MAX, 1),
            (1, 1, u64::MAX),
            (MOST, MOST, MOST),
        ] {
            let words = [MAGIC, VERSION, cells, slots, seats];
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
            file.write_all_at(&bytes, 0).unwrap();
            assert!(Board::attach(&instance).is_err(), "{cells} {slots} {seats}");
        }
    }
}

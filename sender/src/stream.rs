//! A viewer's stream: the loop that takes frames from the ring to the socket.
//!
//! A frame goes straight from the read-only map to the socket in one call, all but its last bytes;
//! they, and what the socket did not take, are copied at once, and sent once all is known to be
//! whole. So the time in which the writer can overtake is that of one call, and a viewer never has
//! a torn frame to the end. A frame is begun only when nothing is unsent, so a slow viewer waits
//! for no more than one; it is never cut for slowness. The send buffer is the kernel's to size: it
//! grows with the path's window, so a distant viewer is not starved, and since at most one frame is
//! ever unsent, its size delays nothing. (An explicit `SO_SNDBUF` would end that growth, at
//! `wmem_max`.)
//!
//! A peer that ends its own sending (`nc -N`, a proxy) still watches; one that is gone shows as
//! an error of the next write.
//!
//! Not here: which frame is next (`pacing`), what a placeholder says, how parts look.

use std::convert::Infallible;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use shm_ring::{MaybeTorn, Ticket};
use worker::{SkipCause, State, Viewer, signals, unix_ns};

use crate::Sender;
use crate::http::multipart::{self, FrameNumber, Part};
use crate::http::reply;
use crate::pacing::{Pacing, Step};
use crate::peer::Peer;
use crate::placeholder::Placeholder;
use crate::socket;
use crate::spell::Spell;
use crate::spill::Spill;
use crate::sys;

/// The longest wait for the next frame: about two, so that a lost wake-up costs latency only.
const FRAME_WAIT: Duration = Duration::from_millis(100);
/// How often to look after everything that is not a frame.
const TICK: Duration = Duration::from_secs(1);
/// Bytes at the end of a frame that go out only once the rest is known to be whole: a viewer
/// that lacks them cannot take a torn frame for a whole one.
const HELD_BACK: usize = 2;
/// How long a stop waits for a part that is half out.
const LAST_PART: Duration = Duration::from_millis(500);

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("left")]
    Left,
    #[error("was lost ({0})")]
    Broken(io::Error),
    #[error("stopped answering")]
    Gone,
    #[error("was overtaken by the writer: frame {0} went out torn")]
    Torn(u64),
    #[error("was ended by the stop")]
    Stopped,
    #[error("was ended: the ring was cut short from outside")]
    Lost,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => End::Left,
            _ => End::Broken(error),
        }
    }
}

/// Serves one viewer until it leaves or the process is to stop.
pub(crate) fn serve(socket: &TcpStream, viewer: &Viewer, sender: &Sender<'_>) {
    let name = match &viewer.key {
        Some(key) => format!("{} {key:?}", viewer.addr),
        None => viewer.addr.to_string(),
    };
    tracing::info!("viewer {name} came");
    sender.cell.set_viewer(Some(viewer));
    let came = Instant::now();
    let mut stream = Stream::new(socket, &name, sender, came);
    let Err(end) = stream.run();
    let missed = stream.pacing.missed(sender.ring.bounds().head);
    if missed > 0 {
        stream.skip(SkipCause::Slow, missed, Instant::now());
    }
    if let End::Torn(_) = end {
        sender.cell.add_torn();
    }
    tracing::info!(
        "viewer {name} {end} after {} s: {} frames sent{}",
        came.elapsed().as_secs(),
        stream.sent,
        skips(&stream.skipped),
    );
    if let End::Stopped = end {
        sender.cell.set_state(State::Draining);
        stream.finish();
    }
    sender.cell.set_viewer(None);
}

/// What was skipped, for the log.
fn skips(counts: &[u64; SkipCause::ALL.len()]) -> String {
    SkipCause::ALL
        .iter()
        .zip(counts)
        .filter(|&(_, &count)| count > 0)
        .map(|(cause, count)| format!(", {count} skipped ({})", cause.name()))
        .collect()
}

struct Stream<'a> {
    socket: &'a TcpStream,
    name: &'a str,
    sender: &'a Sender<'a>,
    pacing: Pacing,
    placeholder: Placeholder,
    peer: Peer,
    spell: Spell,
    next_tick: Instant,
    /// The present part's header.
    header: Vec<u8>,
    spill: Spill,
    /// Bytes of the frame that `spill` completes, if it is a frame's.
    spilled_frame: Option<usize>,
    /// Nothing was unsent when the last part was out, and so nothing is: asked while the socket is
    /// warm in the cache, which costs less than before the next frame.
    drained: bool,
    /// Skipped since the last frame that was sent.
    left_out: u64,
    /// Bytes written to the socket.
    written: u64,
    sent: u64,
    skipped: [u64; SkipCause::ALL.len()],
}

impl<'a> Stream<'a> {
    fn new(socket: &'a TcpStream, name: &'a str, sender: &'a Sender<'a>, now: Instant) -> Self {
        let ring = sender.ring;
        let head = ring.bounds().head;
        let newest = ring.frame(head).ok().map(|frame| *frame.info());
        let size = sender.config.size;
        let placeholder = Placeholder::new(newest.as_ref(), size, now, unix_ns());
        // A live picture begins with the frame that is there; an old one is no picture.
        let is_live = placeholder.is_live(ring.signal().signal, now);
        let last = head.saturating_sub(u64::from(is_live));
        let mut spill = Spill::default();
        let opening = spill.refill();
        opening.extend_from_slice(&reply::stream_head());
        opening.extend_from_slice(multipart::OPENING);
        Stream {
            socket,
            name,
            sender,
            pacing: Pacing::new(last, sender.config.lag),
            placeholder,
            peer: Peer::new(now),
            spell: Spell::default(),
            next_tick: now,
            header: Vec::with_capacity(256),
            spill,
            spilled_frame: None,
            drained: false,
            left_out: 0,
            written: 0,
            sent: 0,
            skipped: [0; SkipCause::ALL.len()],
        }
    }

    fn run(&mut self) -> Result<Infallible, End> {
        self.peer.set_up(self.socket)?;
        loop {
            let now = Instant::now();
            if now >= self.next_tick {
                self.tick(now)?;
            }
            if signals::stopping() {
                return Err(End::Stopped);
            }
            if !self.spill.is_empty() {
                self.send_spill()?;
                continue;
            }
            let ring = self.sender.ring;
            if ring.is_lost() {
                return Err(End::Lost);
            }
            let ticket = ring.ticket(); // before looking, or a change in between is slept through
            let bounds = ring.bounds();
            if self.pacing.behind(bounds.head) > 0 && !self.is_drained()? {
                self.pacing.note_unsent();
                continue;
            }
            match self.pacing.next(bounds) {
                Step::Send { id, skipped } => {
                    if let Some((cause, count)) = skipped {
                        self.skip(cause, count, now);
                    }
                    self.send_frame(id, now)?;
                }
                Step::Wait => self.idle(ticket, now)?,
            }
        }
    }

    /// Everything that wants doing once a second.
    fn tick(&mut self, now: Instant) -> Result<(), End> {
        self.next_tick = now + TICK;
        self.sender.cell.beat();
        let head = self.sender.ring.bounds().head;
        self.sender.cell.set_lag(self.pacing.behind(head));
        if let Some(over) = self.spell.over(now) {
            tracing::info!(
                "viewer {} keeps up again: {} frames skipped within {:.1} s",
                self.name,
                over.skipped,
                over.lasted.as_secs_f64(),
            );
        }
        if !self.peer.answers(self.socket, self.written, now)? {
            return Err(End::Gone);
        }
        Ok(())
    }

    /// Whether nothing is unsent. If something is, waits a while for that to change.
    fn is_drained(&mut self) -> Result<bool, End> {
        let socket = self.socket.as_fd();
        self.drained = self.drained || sys::unsent(socket)? == 0;
        if self.drained {
            return Ok(true);
        }
        // Let it poll writable when all is sent, not when there is room.
        sys::set_unsent_limit(socket, 1)?;
        let waited = self.wait_writable();
        sys::set_unsent_limit(socket, 0)?;
        waited.map(|()| false)
    }

    fn wait_writable(&self) -> Result<(), End> {
        let began = Instant::now();
        let waited = socket::wait(self.socket, PollFlags::POLLOUT, began + socket::SLICE);
        self.sender.cell.add_stalled(began.elapsed());
        Ok(waited?)
    }

    fn send_frame(&mut self, id: u64, now: Instant) -> Result<(), End> {
        let Ok(frame) = self.sender.ring.frame(id) else {
            self.skip(SkipCause::Overwritten, 1, now);
            return Ok(());
        };
        let info = *frame.info();
        let part = Part {
            len: info.len,
            captured_ns: info.meta.captured_ns,
            frame: Some(FrameNumber {
                id,
                skipped: self.left_out,
            }),
        };
        multipart::header(&part, &mut self.header);
        let most = info.len - HELD_BACK.min(info.len);
        let written = match frame.send_to(self.socket.as_fd(), &self.header, 0..most) {
            Ok(written) => written,
            Err(error) if socket::is_later(&error) => 0,
            // The kernel's word on memory that is not there.
            Err(error) if error.raw_os_error() == Some(libc::EFAULT) => return Err(End::Lost),
            Err(error) => return Err(error.into()),
        };
        self.written += written as u64;
        copy_rest(&self.header, &frame, written, self.spill.refill());
        if !frame.is_intact() {
            if self.sender.ring.is_lost() {
                return Err(End::Lost);
            }
            if written > 0 {
                return Err(End::Torn(id));
            }
            self.spill.refill();
            self.skip(SkipCause::Overwritten, 1, now);
            return Ok(());
        }
        self.left_out = 0;
        self.placeholder.frame(&info, now);
        self.spilled_frame = Some(info.len);
        self.send_spill()
    }

    /// Goes on with a part that is half out.
    fn send_spill(&mut self) -> Result<(), End> {
        match self.spill.write_to(self.socket) {
            Ok(written) => self.written += written as u64,
            Err(error) if socket::is_later(&error) => return self.wait_writable(),
            Err(error) => return Err(error.into()),
        }
        self.drained = self.spill.is_empty() && sys::unsent(self.socket.as_fd())? == 0;
        if self.spill.is_empty()
            && let Some(len) = self.spilled_frame.take()
        {
            self.count_frame(len);
        }
        Ok(())
    }

    /// There is no frame to send: waits for one, or shows that there is no picture.
    fn idle(&mut self, ticket: Ticket, now: Instant) -> Result<(), End> {
        let ring = self.sender.ring;
        let state = ring.signal();
        if !self.placeholder.is_due(state.signal, now) {
            ring.wait(ticket, FRAME_WAIT);
            return Ok(());
        }
        if !self.is_drained()? {
            return Ok(());
        }
        let Some(jpeg) = self.placeholder.show(&state, now) else {
            return Ok(());
        };
        let part = Part {
            len: jpeg.len(),
            captured_ns: unix_ns(),
            frame: None,
        };
        multipart::header(&part, &mut self.header);
        let rest = self.spill.refill();
        for bytes in [self.header.as_slice(), jpeg, multipart::TRAILER] {
            rest.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn skip(&mut self, cause: SkipCause, count: u64, now: Instant) {
        self.left_out += count;
        self.skipped[cause as usize] += count;
        self.sender.cell.add_skipped(cause, count);
        if self.spell.skipped(count, now) {
            tracing::warn!("viewer {} misses frames: {}", self.name, cause.name());
        }
    }

    fn count_frame(&mut self, len: usize) {
        self.sent += 1;
        self.sender.cell.add_frame(len as u64);
    }

    /// Ends the stream as a whole, if the viewer takes it in time.
    fn finish(&mut self) {
        let deadline = Instant::now() + LAST_PART;
        while !self.spill.is_empty() {
            if self.send_spill().is_err() || Instant::now() >= deadline {
                return;
            }
        }
        let closed = socket::write_all(self.socket, multipart::CLOSING, deadline, || true);
        if closed.is_ok() {
            socket::linger(self.socket, deadline, || true);
        }
    }
}

/// Appends to `out` what is left of header, frame and trailer behind the first `written` bytes,
/// none of which is the trailer's.
fn copy_rest(header: &[u8], frame: &MaybeTorn<'_>, written: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&header[written.min(header.len())..]);
    let from = written.saturating_sub(header.len());
    frame.copy_range(from..frame.info().len, out);
    out.extend_from_slice(multipart::TRAILER);
}

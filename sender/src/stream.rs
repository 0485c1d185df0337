//! A viewer's stream: the machine that takes frames from the ring to the socket. It never waits:
//! each step sends at most one frame and says what the next step waits for.
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
//! On a UNIX socket what is unread is unsent. Under TLS a frame is copied out of the ring
//! and found whole before it is encrypted.
//!
//! A frame that is not in the form that the viewer takes is converted first, and is then private
//! memory, which nobody overtakes. One that goes out without a length is copied and checked first,
//! too: a browser shows what it has of a picture when the connection ends, and nothing would tell
//! anybody that it is not all.
//!
//! A peer that ends its own sending (`nc -N`, a proxy) still watches; one that is gone shows as
//! an error of the next write.
//!
//! Not here: which frame is next (`course`), what a placeholder says, what goes around a picture
//! (`framing`), parts that are put together in private memory (`parts`), converting (`convert`), why
//! it ended (`end`), and the waiting (`blocking`, `multiplex`).

mod parts;

use std::io;
use std::time::{Duration, Instant};

use shm_ring::{Bounds, MaybeTorn, Ticket};
use worker::{Seat, SkipCause, Slot, Viewer, Watching, signals, unix_ns};

use crate::Sender;
use crate::awaiting::Await;
use crate::beginning::Beginning;
use crate::convert::Conversions;
use crate::course::Course;
use crate::end::End;
use crate::finale::Finale;
use crate::framing::{Form, Framing, Size};
use crate::pacing::Step;
use crate::peer::Peer;
use crate::placeholder::Placeholder;
use crate::socket::{SLICE, is_later};
use crate::spell::Spell;
use crate::spill::Spill;
use crate::transport::Transport;

/// The longest wait for the next frame: about two, so that a lost wake-up costs latency only.
const FRAME_WAIT: Duration = Duration::from_millis(100);
/// How often to look after everything that is not a frame.
const TICK: Duration = Duration::from_secs(1);
/// Bytes at the end of a frame that go out only once the rest is known to be whole: a viewer
/// that lacks them cannot take a torn frame for a whole one.
const HELD_BACK: usize = 2;
/// Between two looks whether a viewer has taken what it was sent, where the socket does not tell.
const LOOK: Duration = Duration::from_millis(10);
/// How long a stop waits for a part that is half out.
const LAST_PART: Duration = Duration::from_millis(500);

/// What was skipped, for the log.
fn skips(counts: &[u64; SkipCause::ALL.len()]) -> String {
    SkipCause::ALL
        .iter()
        .zip(counts)
        .filter(|&(_, &count)| count > 0)
        .map(|(cause, count)| format!(", {count} skipped ({})", cause.name()))
        .collect()
}

/// A frame's length as it goes out, or why it is left out.
type Begun = Result<usize, SkipCause>;

/// A viewer with a seat.
pub(crate) struct Stream<'a> {
    name: String,
    sender: &'a Sender<'a>,
    slot: &'a Slot,
    _seat: Seat<'a>,
    _watching: Watching<'a>,
    framing: Framing,
    conversions: Conversions<'a>,
    came: Instant,
    course: Course,
    placeholder: Placeholder,
    finale: Finale,
    peer: Peer,
    spell: Spell,
    next_tick: Instant,
    /// When it last ticked, and how many frames were sent by then.
    ticked: (Instant, u64),
    /// Frames sent lately, a second.
    rate: f64,
    /// What goes before the present frame.
    header: Vec<u8>,
    spill: Spill,
    /// Bytes of the frame that `spill` completes, if it is a frame's, and when it was captured.
    spilled_frame: Option<(usize, u64)>,
    /// Nothing was unsent when the last part was out, and so nothing is: asked while the socket is
    /// warm in the cache, which costs less than before the next frame.
    drained: bool,
    /// The socket polls writable when all is sent, not when there is room.
    limited: bool,
    /// Since when the viewer is waited for.
    stalled: Option<Instant>,
    /// Until when the stop waits for what `spill` holds.
    closing: Option<Instant>,
    /// Skipped since the last frame that was sent.
    left_out: u64,
    /// Bytes written to the socket.
    written: u64,
    sent: u64,
    skipped: [u64; SkipCause::ALL.len()],
}

impl<'a> Stream<'a> {
    /// A stream that begins now and is counted in `slot`.
    pub fn new(
        viewer: &Viewer,
        framing: Framing,
        begins: Beginning,
        slot: &'a Slot,
        seat: Seat<'a>,
        sender: &'a Sender<'a>,
        now: Instant,
    ) -> Self {
        let name = viewer.to_string();
        tracing::info!("viewer {name} came");
        slot.set_viewer(Some(viewer));
        let mut spill = Spill::default();
        framing.open(&begins.headers, spill.refill());
        if let Some(allow) = &sender.config.allow_origin {
            allow.mark(spill.head());
        }
        Stream {
            name,
            sender,
            slot,
            _seat: seat,
            _watching: sender.watch(),
            framing,
            conversions: sender.converter.join(),
            came: now,
            course: begins.course,
            placeholder: begins.placeholder,
            finale: Finale::default(),
            peer: Peer::new(now),
            spell: Spell::default(),
            next_tick: now,
            ticked: (now, 0),
            rate: 0.0,
            header: Vec::with_capacity(256),
            spill,
            spilled_frame: None,
            drained: false,
            limited: false,
            stalled: None,
            closing: None,
            left_out: 0,
            written: 0,
            sent: 0,
            skipped: [0; SkipCause::ALL.len()],
        }
    }

    /// Prepares its socket.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    pub fn set_up(&mut self, socket: &Transport) -> io::Result<()> {
        self.peer.set_up(socket)
    }

    /// Goes on as far as it can without waiting, but for no more than one frame, so that others
    /// have their turn.
    ///
    /// # Errors
    /// How the stream ended.
    pub fn step(&mut self, socket: &mut Transport, now: Instant) -> Result<Await, End> {
        if let Some(since) = self.stalled.take() {
            self.slot.add_stalled(now.saturating_duration_since(since));
        }
        if let Some(deadline) = self.closing {
            return self.close(socket, deadline, now);
        }
        if now >= self.next_tick {
            self.tick(socket, now)?;
        }
        if signals::stopping() {
            self.limit_unsent(socket, false)?;
            self.spill.more().extend_from_slice(self.framing.closing());
            let deadline = *self.closing.insert(now + LAST_PART);
            return self.close(socket, deadline, now);
        }
        let ring = self.sender.ring;
        let mut sent = false;
        loop {
            if !self.spill.is_empty() && !self.send_spill(socket)? {
                // Looked at, or what is left out meanwhile is overwritten before it is known; and
                // noted, or what passes is nobody's loss if the viewer never goes on.
                let places = self.look(now);
                if self.course.behind(places) > 0 {
                    self.course.note_unsent();
                }
                return Ok(self.stall(now));
            }
            if ring.is_lost() {
                return Err(End::Lost);
            }
            let ticket = ring.ticket(); // before looking, or a change in between is slept through
            let places = self.look(now);
            if self.course.behind(places) > 0 {
                if sent {
                    return Ok(Await::Turn);
                }
                if !self.is_drained(socket)? {
                    self.course.note_unsent();
                    return Ok(self.wait_drained(socket, ticket, now));
                }
            }
            match self.course.next(places) {
                Step::Send { id, skipped } => {
                    if let Some((cause, count)) = skipped {
                        self.skip(cause, count, now);
                    }
                    self.send_frame(socket, id, now)?;
                    sent = true;
                }
                Step::Wait if !self.is_due(now) => {
                    return Ok(Await::Change(ticket, self.wake(now)));
                }
                Step::Wait if !self.is_drained(socket)? => {
                    return Ok(self.wait_drained(socket, ticket, now));
                }
                Step::Wait => match self.finale.take(now) {
                    Some(id) => self.send_again(socket, id)?,
                    None => {
                        self.finale.cancel();
                        self.send_placeholder(now);
                    }
                },
            }
        }
    }

    /// What there is for the viewer by now; what was left out of it is counted.
    fn look(&mut self, now: Instant) -> Bounds {
        let (places, left_out) = self.course.look(self.sender.ring, now);
        if left_out.overwritten > 0 {
            self.skip(SkipCause::Overwritten, left_out.overwritten, now);
        }
        if left_out.asked > 0 {
            self.skipped[SkipCause::Decimated as usize] += left_out.asked;
            self.slot.add_skipped(SkipCause::Decimated, left_out.asked);
            self.placeholder.seen(now);
        }
        places
    }

    /// Whether there is something to send that is no new frame.
    fn is_due(&self, now: Instant) -> bool {
        self.finale.due().is_some_and(|at| at <= now) || self.is_placeholder_due(now)
    }

    /// The longest wait for the next frame.
    fn wake(&self, now: Instant) -> Instant {
        [self.course.due(), self.finale.due()]
            .into_iter()
            .flatten()
            .fold(now + FRAME_WAIT, Instant::min)
    }

    /// The last thing to be done with it: counts and says how it ended.
    pub fn ended(&mut self, end: &End, now: Instant) {
        let places = self.look(now);
        let missed = self.course.missed(places);
        if missed > 0 {
            self.skip(SkipCause::Slow, missed, now);
        }
        if let End::Torn(_) = end {
            self.slot.add_torn();
        }
        tracing::info!(
            "viewer {} {end} after {} s: {} frames sent{}",
            self.name,
            now.saturating_duration_since(self.came).as_secs(),
            self.sent,
            skips(&self.skipped),
        );
    }

    /// Everything that wants doing once a second.
    fn tick(&mut self, socket: &Transport, now: Instant) -> Result<(), End> {
        self.next_tick = now + TICK;
        let places = self.look(now);
        self.slot.set_lag(self.course.behind(places));
        self.slot.set_shift(self.course.shift(unix_ns()));
        let (last, sent) = self.ticked;
        let passed = now.saturating_duration_since(last);
        if !passed.is_zero() {
            self.rate = (self.sent - sent) as f64 / passed.as_secs_f64();
            self.slot.set_rate(self.rate);
            self.ticked = (now, self.sent);
        }
        if let Some(over) = self.spell.over(now) {
            tracing::info!(
                "viewer {} keeps up again: {} frames skipped within {:.1} s",
                self.name,
                over.skipped,
                over.lasted.as_secs_f64(),
            );
        }
        if !self.peer.answers(socket, self.written, now)? {
            return Err(End::Gone);
        }
        Ok(())
    }

    /// Whether nothing is unsent. If something is, the socket polls writable once that is so.
    fn is_drained(&mut self, socket: &Transport) -> io::Result<bool> {
        self.drained = self.drained || socket.is_drained()?;
        self.limit_unsent(socket, !self.drained)?;
        Ok(self.drained)
    }

    fn limit_unsent(&mut self, socket: &Transport, limited: bool) -> io::Result<()> {
        if limited != self.limited {
            socket.limit_unsent(limited)?;
            self.limited = limited;
        }
        Ok(())
    }

    /// The viewer is to take something first.
    fn stall(&mut self, now: Instant) -> Await {
        self.stalled = Some(now);
        Await::Writable(now + SLICE)
    }

    /// The same, where part after part is out. A socket that does not tell is asked: at every frame,
    /// and in between.
    fn wait_drained(&mut self, socket: &Transport, ticket: Ticket, now: Instant) -> Await {
        if socket.tells_drained() {
            return self.stall(now);
        }
        self.stalled = Some(now);
        Await::Change(ticket, now + LOOK)
    }

    /// Begins frame `id`; `spill` has its end.
    fn send_frame(&mut self, socket: &Transport, id: u64, now: Instant) -> Result<(), End> {
        let ring = self.sender.ring;
        let Ok(frame) = ring.frame(id) else {
            self.skip(SkipCause::Overwritten, 1, now);
            return Ok(());
        };
        match self.begin(socket, &frame)? {
            Ok(len) => {
                self.left_out = 0;
                self.course.sent(id);
                self.placeholder.frame(frame.info(), now);
                if self.framing.wants().dual_final_frames {
                    self.finale.frame(id, now);
                }
                self.spilled_frame = Some((len, frame.info().meta.captured_ns));
            }
            Err(_) if ring.is_lost() => return Err(End::Lost),
            Err(cause) => self.skip(cause, 1, now),
        }
        Ok(())
    }

    /// Sends frame `id` once more, if it is still there; it counts for nothing.
    fn send_again(&mut self, socket: &Transport, id: u64) -> Result<(), End> {
        let Ok(frame) = self.sender.ring.frame(id) else {
            return Ok(());
        };
        let _ = self.begin(socket, &frame)?;
        Ok(())
    }

    /// Begins a frame in the form that the viewer takes.
    fn begin(&mut self, socket: &Transport, frame: &MaybeTorn<'_>) -> Result<Begun, End> {
        let form = self.framing.form();
        Ok(match Form::of(frame.info()) {
            Some((_, size)) if self.framing.wants().zero_data => {
                self.send_nothing(frame.info(), size)
            }
            Some((found, size)) if found != form => self.send_converted(frame.info(), form, size),
            Some((_, size)) if self.framing.is_unbounded() => self.send_copied(frame, size),
            Some((_, size)) => self.send_lent(socket, frame, size)?,
            None => Err(SkipCause::Unusable),
        })
    }

    /// Sends a frame from where it lies, all that the socket takes but its last bytes; where nothing
    /// may go out from there, `spill` has it all.
    fn send_lent(
        &mut self,
        socket: &Transport,
        frame: &MaybeTorn<'_>,
        size: Size,
    ) -> Result<Begun, End> {
        let info = *frame.info();
        self.write_header(&info, info.len, size);
        let most = info.len - HELD_BACK.min(info.len);
        let sent = socket
            .bare()
            .map_or(Ok(0), |fd| frame.send_to(fd, &self.header, 0..most));
        let written = match sent {
            Ok(written) => written,
            Err(error) if is_later(&error) => 0,
            // The kernel's word on memory that is not there.
            Err(error) if error.raw_os_error() == Some(libc::EFAULT) => return Err(End::Lost),
            Err(error) => return Err(error.into()),
        };
        self.written += written as u64;
        let rest = self.spill.refill();
        copy_rest(&self.header, frame, written, rest);
        self.framing.end_picture(rest);
        if frame.is_intact() {
            return Ok(Ok(info.len));
        }
        if written > 0 && !self.sender.ring.is_lost() {
            return Err(End::Torn(info.id));
        }
        self.spill.refill();
        Ok(Err(SkipCause::Overwritten))
    }

    /// Goes on with a part that is half out; whether all of it is.
    fn send_spill(&mut self, socket: &mut Transport) -> io::Result<bool> {
        match self.spill.write_to(&mut *socket) {
            Ok(written) => self.written += written as u64,
            Err(error) if is_later(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
        if !self.spill.is_empty() {
            return Ok(false);
        }
        self.drained = socket.is_drained()?;
        if let Some((len, captured_ns)) = self.spilled_frame.take() {
            self.sent += 1;
            self.slot.add_frame(len as u64);
            self.slot.add_latency(unix_ns().saturating_sub(captured_ns));
        }
        Ok(true)
    }

    fn skip(&mut self, cause: SkipCause, count: u64, now: Instant) {
        self.left_out += count;
        self.skipped[cause as usize] += count;
        self.slot.add_skipped(cause, count);
        if self.spell.skipped(count, now) {
            tracing::warn!("viewer {} misses frames: {}", self.name, cause.name());
        }
    }

    /// Ends the stream as a whole, if the viewer takes it in time.
    fn close(
        &mut self,
        socket: &mut Transport,
        deadline: Instant,
        now: Instant,
    ) -> Result<Await, End> {
        let whole = self.spill.is_empty() || self.send_spill(socket)?;
        if whole || now >= deadline {
            return Err(End::Stopped { whole });
        }
        Ok(Await::Writable(deadline))
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.slot.set_viewer(None);
    }
}

/// Appends to `out` what is left of header and frame behind the first `written` bytes.
fn copy_rest(header: &[u8], frame: &MaybeTorn<'_>, written: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&header[written.min(header.len())..]);
    let from = written.saturating_sub(header.len());
    frame.copy_range(from..frame.info().len, out);
}

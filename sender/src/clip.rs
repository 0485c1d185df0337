//! A clip: what the ring holds of a stretch of time, as a file. A machine that never waits, as
//! `stream` is, with one frame in memory at a time.
//!
//! An AVI's length is said before its first frame is sent, from the descriptors alone. A frame that
//! is overwritten before its turn, since the client is slow, leaves its place empty: players show the
//! frame before it again. Of the other format it is left out. No byte of a frame goes out before the
//! whole is known to be that frame.
//!
//! A clip takes no seat. It takes one of the spare places that short requests need, so it leaves one
//! of them, and who takes too little for too long is cut. Its client is on the board as a viewer's is. Not here: which frames are meant (`range`),
//! which of them are in it and when each is shown (`plan`), the bytes around them (`http::avi`).

mod plan;
mod range;

use std::time::{Duration, Instant};

use shm_ring::Reader;
use worker::{Board, SkipCause, Slot, Viewer, signals, unix_ns};

use crate::Sender;
use crate::awaiting::Await;
use crate::convert::Conversions;
use crate::end::End;
use crate::framing::Form;
use crate::http::avi::{self, Film};
use crate::http::clip::{ClipAsk, Format};
use crate::http::multipart::Stamp;
use crate::http::reply::{Code, Reply};
use crate::socket::{SLICE, is_later};
use crate::spill::Spill;
use crate::transport::Transport;
use plan::{Plan, Shot};
use range::Range;

/// How long a client may take nothing.
const GRACE: Duration = Duration::from_secs(30);
/// And when nobody is left to answer the next one.
const GRACE_WHEN_SHORT: Duration = Duration::from_secs(1);
/// What a client must take of it on average, once its grace is used up: bytes a second.
const LEAST_RATE: f64 = 8192.0;
/// And so much that it has all of a file within this time.
const LONGEST: Duration = Duration::from_secs(600);
/// How much shorter than its pixels a JPEG may be, where it is not known yet.
const RAW_TO_JPEG: f64 = 30.0;
/// Clips at once.
const MOST: usize = 3;
/// Empty ticks, or index entries, that are written at once.
const BATCH: u64 = 256;

/// How the board and the log call who takes one.
pub(crate) const PROTOCOL: &str = "clip";

/// Whether that is no stream.
pub(crate) fn is_clip(viewer: &Viewer) -> bool {
    viewer.protocol == PROTOCOL
}

/// A clip that can be had.
pub(crate) struct Cut {
    plan: Plan,
    format: Format,
    /// Of the reply.
    pub head: Vec<u8>,
    /// Of the file.
    opening: Vec<u8>,
}

impl Cut {
    /// Plans what is asked for.
    ///
    /// # Errors
    /// The answer where there is none.
    pub fn new(ask: &ClipAsk, sender: &Sender<'_>) -> Result<Cut, Reply> {
        let ring = sender.ring;
        let missing = |why: String| Reply::error(Code::NotFound, &why);
        let range = Range::of(ring, ask, unix_ns()).map_err(missing)?;
        let frames = range.ids.clone().filter_map(|id| ring.frame(id).ok());
        let plan = Plan::of(frames.map(|frame| *frame.info()));
        let plan = plan.ok_or_else(|| missing("No frame of that time is a picture.".into()))?;
        let (len, opening) = match ask.format {
            Format::Avi => {
                let film = film(&plan)?;
                let len = avi::file_len(film.ticks.into(), film.chunks_len.into());
                (Some(len), film.head())
            }
            Format::Mjpeg => (None, Vec::new()),
        };
        let name = sender.config.instance.name();
        let headers = headers(&plan, &range);
        Ok(Cut {
            head: ask.format.head(name, plan.captured_ns, len, &headers),
            plan,
            format: ask.format,
            opening,
        })
    }
}

/// What the reply says of it beyond its type and length.
fn headers(plan: &Plan, range: &Range) -> String {
    let id = |shot: Option<&Shot>| shot.map_or(0, |shot| shot.id);
    let mut lines = format!(
        "X-Timestamp: {}\r\nX-Seqcast-Frames: {}-{}\r\n",
        Stamp(plan.captured_ns),
        id(plan.frames.first()),
        id(plan.frames.last()),
    );
    if let Some(reach) = &range.clamped {
        lines += &reach.headers();
    }
    if let Some(behind) = plan.behind {
        lines += &format!("X-Seqcast-Begins-Behind: {}\r\n", behind.name());
    }
    lines
}

/// The file of these frames.
fn film(plan: &Plan) -> Result<Film, Reply> {
    let refused = |why: &str| Err(Reply::error(Code::Unprocessable, why));
    if plan.form != Form::Jpeg {
        return refused(
            "The ring holds raw frames, whose length as JPEGs is not known before: ask for \
             format=mjpeg.",
        );
    }
    let ticks = plan.ticks();
    let lens = plan.frames.iter().map(|shot| shot.len);
    let chunks_len = lens
        .clone()
        .map(avi::chunk_len)
        .fold(0, u64::saturating_add);
    let empty = (ticks - plan.frames.len() as u64).saturating_mul(avi::chunk_len(0));
    let chunks_len = chunks_len.saturating_add(empty);
    let sizes = (u32::try_from(ticks), u32::try_from(chunks_len));
    match sizes {
        (Ok(ticks), Ok(chunks_len))
            if avi::file_len(ticks.into(), chunks_len.into()) <= avi::MAX_FILE =>
        {
            Ok(Film {
                width: plan.size.0,
                height: plan.size.1,
                tick_us: plan.tick_us,
                ticks,
                largest: lens.max().unwrap_or(0),
                chunks_len,
            })
        }
        _ => refused(
            "An AVI file holds up to 1 GiB here: ask for a shorter time with from= and to=, or for \
             format=mjpeg.",
        ),
    }
}

/// Whether one more may begin, by a connection that has its place already: where all seats were
/// taken, one place must be left for short requests; and there are never more than [`MOST`].
pub(crate) fn has_room(board: &Board) -> bool {
    board.free_slots() > board.seats().saturating_sub(board.taken_seats())
        && board.count_viewers(is_clip) < MOST
}

/// A clip on its way.
pub(crate) struct Clip<'a> {
    sender: &'a Sender<'a>,
    slot: &'a Slot,
    client: String,
    /// Bytes a second that the client must take.
    least_rate: f64,
    plan: Plan,
    format: Format,
    /// Where frames are to be converted.
    conversions: Option<Conversions<'a>>,
    at: At,
    spill: Spill,
    /// When the client will have taken too little.
    deadline: Instant,
    sent: usize,
}

/// What is to be written next.
#[derive(Debug, Clone, Copy)]
enum At {
    /// This tick; the first frame that is not out yet.
    Tick(u64, usize),
    /// The index entry of this tick, whose chunk lies so many bytes behind the first; the first
    /// frame that is not in the index yet.
    Index(u64, u32, usize),
    End,
}

impl<'a> Clip<'a> {
    /// A clip that begins now, and is counted in `slot`.
    pub fn new(
        cut: Cut,
        viewer: &Viewer,
        slot: &'a Slot,
        sender: &'a Sender<'a>,
        now: Instant,
    ) -> Self {
        slot.set_viewer(Some(viewer));
        let mut spill = Spill::default();
        spill.refill().extend_from_slice(&cut.head);
        spill.more().extend_from_slice(&cut.opening);
        Clip {
            sender,
            slot,
            client: viewer.to_string(),
            least_rate: least_rate(&cut.plan),
            conversions: (cut.plan.form == Form::Bgr).then(|| sender.converter.join()),
            plan: cut.plan,
            format: cut.format,
            at: At::Tick(0, 0),
            spill,
            deadline: now + GRACE,
            sent: 0,
        }
    }

    /// Goes on as far as it can without waiting, but for no more than one frame, so that others have
    /// their turn. None: all of it is out.
    ///
    /// # Errors
    /// How it ended before its end.
    pub fn step(&mut self, socket: &mut Transport, now: Instant) -> Result<Option<Await>, End> {
        let mut loaded = false;
        loop {
            if signals::stopping() {
                return Err(End::Stopped { whole: false });
            }
            while !self.spill.is_empty() {
                match self.spill.write_to(&mut *socket) {
                    Ok(written) => {
                        self.deadline = extended(self.deadline, written, self.least_rate, now)
                    }
                    Err(error) if is_later(&error) => return self.stalled(now).map(Some),
                    Err(error) => return Err(error.into()),
                }
            }
            if loaded {
                return Ok(Some(Await::Turn));
            }
            if !self.load()? {
                return Ok(None);
            }
            loaded = true;
        }
    }

    /// The last thing to be done with it: says how it ended.
    pub fn ended(&self, how: &str) {
        let gone = self.plan.frames.iter().filter(|shot| shot.gone).count();
        tracing::info!(
            "clip for {} {how}: {} of {} frames sent, {gone} overwritten before their turn",
            self.client,
            self.sent,
            self.plan.frames.len(),
        );
    }

    fn stalled(&self, now: Instant) -> Result<Await, End> {
        let deadline = match self.sender.board.free_slots() {
            0 => self.deadline - GRACE + GRACE_WHEN_SHORT,
            _ => self.deadline,
        };
        match now >= deadline {
            true => Err(End::TooSlow),
            false => Ok(Await::Writable(deadline.min(now + SLICE))),
        }
    }

    /// Puts what comes next into `spill`: one frame at most. False: there is no more.
    fn load(&mut self) -> Result<bool, End> {
        self.spill.refill();
        while self.spill.is_empty() {
            if self.sender.ring.is_lost() {
                return Err(End::Lost);
            }
            self.at = match (self.format, self.at) {
                (Format::Avi, At::Tick(tick, next)) => self.load_tick(tick, next),
                (Format::Avi, At::Index(tick, offset, next)) => self.load_index(tick, offset, next),
                (Format::Mjpeg, At::Tick(_, next)) if next < self.plan.frames.len() => {
                    self.load_bare(next);
                    At::Tick(0, next + 1)
                }
                (Format::Mjpeg, _) | (_, At::End) => return Ok(false),
            };
        }
        Ok(true)
    }

    /// Frame `next` if it is this tick's, else the empty ticks before it.
    fn load_tick(&mut self, tick: u64, next: usize) -> At {
        let out = self.spill.refill();
        let Some(shot) = self.plan.frames.get_mut(next) else {
            avi::index(out, self.plan.ticks() as u32);
            return At::Index(0, 0, 0);
        };
        if shot.tick > tick {
            let end = shot.tick.min(tick + BATCH);
            (tick..end).for_each(|_| avi::frame(out, 0));
            return At::Tick(end, next);
        }
        avi::frame(out, shot.len);
        if copy(self.sender.ring, shot, out) {
            avi::pad(out, shot.len);
            self.sent += 1;
            self.slot.add_frame(shot.len.into());
        } else {
            out.clear();
            avi::blank(out, shot.len);
            shot.gone = true;
            self.slot.add_skipped(SkipCause::Overwritten, 1);
        }
        At::Tick(tick + 1, next + 1)
    }

    fn load_index(&mut self, mut tick: u64, mut offset: u32, mut next: usize) -> At {
        let out = self.spill.refill();
        let (ticks, batch) = (self.plan.ticks(), tick + BATCH);
        while tick < ticks.min(batch) {
            let shot = self.plan.frames.get(next).filter(|shot| shot.tick == tick);
            let len = shot.map_or(0, |shot| shot.len);
            let is_there = shot.is_some_and(|shot| !shot.gone);
            avi::entry(out, offset, if is_there { len } else { 0 });
            // Within the file's length, which was checked.
            offset += avi::chunk_len(len) as u32;
            next += usize::from(shot.is_some());
            tick += 1;
        }
        match tick < ticks {
            true => At::Index(tick, offset, next),
            false => At::End,
        }
    }

    /// Frame `next` as a JPEG with nothing around it; nothing where it is gone or no picture.
    fn load_bare(&mut self, next: usize) {
        let shot = &mut self.plan.frames[next];
        let ring = self.sender.ring;
        let len = match &self.conversions {
            Some(conversions) => conversions
                .picture(ring, shot.id, Form::Jpeg)
                .map(|picture| {
                    let len = picture.len();
                    self.spill.set_picture(picture);
                    len as u64
                }),
            None => match copy(ring, shot, self.spill.refill()) {
                true => Ok(shot.len.into()),
                false => Err(SkipCause::Overwritten),
            },
        };
        match len {
            Ok(len) => {
                self.sent += 1;
                self.slot.add_frame(len);
            }
            Err(cause) => {
                self.spill.refill();
                shot.gone = true;
                self.slot.add_skipped(cause, 1);
            }
        }
    }
}

impl Drop for Clip<'_> {
    fn drop(&mut self) {
        self.slot.set_viewer(None);
    }
}

/// Appends a frame, if it still is the one that was planned; whether it was.
fn copy(ring: &Reader, shot: &Shot, out: &mut Vec<u8>) -> bool {
    let len = shot.len as usize;
    ring.frame(shot.id).is_ok_and(|frame| {
        let is_it = frame.info().len == len;
        if is_it {
            frame.copy_range(0..len, out);
        }
        is_it && frame.is_intact()
    })
}

/// What the client must take, bytes a second: however long a file is, it is out in minutes.
fn least_rate(plan: &Plan) -> f64 {
    let bytes: f64 = plan.frames.iter().map(|shot| f64::from(shot.len)).sum();
    let bytes = match plan.form {
        Form::Jpeg => bytes,
        Form::Bgr => bytes / RAW_TO_JPEG,
    };
    LEAST_RATE.max(bytes / LONGEST.as_secs_f64())
}

/// The deadline of a client that has taken so many bytes: never more than its grace away.
fn extended(deadline: Instant, written: usize, rate: f64, now: Instant) -> Instant {
    let earned = Duration::from_secs_f64(written as f64 / rate);
    (deadline + earned).min(now + GRACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_for_too_long() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        // Half of what it must.
        let (mut now, mut deadline) = (start, start + GRACE);
        while now < deadline {
            now += second;
            deadline = extended(deadline, 4096, LEAST_RATE, now);
        }
        assert_eq!(now - start, 2 * GRACE);
        // A little more than it must; then nothing, with no credit for what it took at first.
        let (mut now, mut deadline) = (start, start + GRACE);
        for _ in 0..1000 {
            now += second;
            deadline = extended(deadline, 9000, LEAST_RATE, now);
            assert!(now < deadline);
        }
        assert_eq!(deadline, now + GRACE);
    }
}

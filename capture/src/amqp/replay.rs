//! The history of an exchange as a source: all frames in the order in which they were kept, at the pace of their
//! capture, and on with those that come then.
//!
//! A frame counts as captured when it is shown: to viewers and their measures it is new, and one from yesterday
//! would be a latency of a day and no picture of now. When it really was is in the source's detail, of the first
//! frame.
//!
//! Not here: which messages are passed over (`track`), when a frame is due (`worker::timeshift`).

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use broker::{Address, Heard, Message, Origin, Position, Subscription, Trouble, What};
use shm_ring::Offset;
use worker::timeshift::Timeshift;
use worker::when::Utc;
use worker::{DropCause, unix_ns};

use super::guard::circle;
use super::picture::{self, Pictures};
use super::track::{Track, caught_up};
use crate::config::Asked;
use crate::source::{Event, Grab, Granted, Source, SourceError};

/// What to replay.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// The exchange whose history it is.
    pub address: Address,
    /// Where to begin: at an offset of the stream, or a time of capture.
    pub from: Offset,
    /// Captured seconds for each second, 0.1 to 16.
    pub speed: f64,
    /// Under what name to store how far it came, and to go on from there.
    pub position: Option<Position>,
}

/// A message that waits, or is lent.
struct Held {
    offset: Option<u64>,
    message: Message,
    lent: bool,
}

/// A replay.
pub(crate) struct Replay {
    granted: Granted,
    address: String,
    subscription: Subscription,
    own: Origin,
    track: Rc<RefCell<Track>>,
    /// None once it has caught up.
    shift: Option<Timeshift>,
    speed: f64,
    pictures: Pictures,
    held: Option<Held>,
    /// Since when, Unix time, nothing more was to be had.
    dry_since: Option<u64>,
    /// Frames were taken over this connection: their number, for the pace.
    count: u64,
    complained: bool,
}

impl Replay {
    /// Begins to connect. `own`: who publishes what is taken here.
    pub(crate) fn open(
        past: &Past,
        asked: &Asked,
        own: Origin,
        track: Rc<RefCell<Track>>,
    ) -> Result<Replay, SourceError> {
        let what = What::History {
            from: past.from,
            last: track.borrow().last(),
            position: past.position.clone(),
        };
        let address = past.address.to_string();
        let opened = Subscription::open(&past.address, "seqcast: replay".into(), what);
        let no_thread = |e| SourceError::no_signal(format!("{address}: {e}"));
        Ok(Replay {
            granted: Granted {
                kind: "replay",
                detail: address.clone(),
                width: 0,
                height: 0,
                format: "MJPG".to_owned(),
                fps: 0.0,
            },
            subscription: opened.map_err(no_thread)?,
            address,
            own,
            track,
            shift: Some(Timeshift::new(past.speed)),
            speed: past.speed,
            pictures: Pictures::new(asked),
            held: None,
            dry_since: None,
            count: 0,
            complained: false,
        })
    }

    /// The message that was lent is done with.
    fn settle(&mut self) {
        if self.held.as_ref().is_some_and(|held| held.lent)
            && let Some(held) = self.held.take()
        {
            self.track
                .borrow_mut()
                .shown(held.offset, held.message.tags.as_ref());
            if let Some(offset) = held.offset {
                self.subscription.shown(offset);
            }
            self.subscription.taken();
        }
    }

    /// Waits for a message that is to be shown, until then.
    fn fetch(&mut self, deadline: Instant) -> Result<Option<Event<'static>>, SourceError> {
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let heard = match self.subscription.next(Duration::ZERO) {
                None => {
                    self.dry_since.get_or_insert_with(unix_ns);
                    self.subscription.next(rest)
                }
                heard => heard,
            };
            let (offset, message) = match heard {
                None => return Ok(Some(Event::Idle)),
                Some(Heard::Bound(position)) => {
                    if let Some(position) = position {
                        self.track.borrow_mut().resume(position);
                    }
                    continue;
                }
                Some(Heard::Gone(why)) => return Err(self.no_signal(&why)),
                Some(Heard::Message(offset, message)) => (offset, message),
            };
            let message = match message {
                Ok(message) => message,
                Err(why) => {
                    self.subscription.taken();
                    if !std::mem::replace(&mut self.complained, true) {
                        tracing::warn!("{}: a message is no frame: {why}", self.address);
                    }
                    return Ok(Some(Event::Dropped(DropCause::Corrupt, 1)));
                }
            };
            let tags = message.tags.as_ref();
            if !self.track.borrow_mut().takes(offset, tags, unix_ns()) {
                self.subscription.taken();
                continue;
            }
            if let Some(why) = tags.and_then(|tags| circle(self.own, tags)) {
                self.subscription.taken();
                let why = format!("{}: {why}", self.address);
                return Ok(Some(Event::NoSignal(why)));
            }
            if let Err(cause) = self.pictures.prepare(&message.body) {
                self.subscription.taken();
                return Ok(Some(Event::Dropped(cause, 1)));
            }
            self.begin(&message);
            self.held = Some(Held {
                offset,
                message,
                lent: false,
            });
            return Ok(None);
        }
    }

    /// A frame comes next: says what is replayed, at the first one, and whether it was waited for.
    fn begin(&mut self, message: &Message) {
        self.count += 1;
        self.granted.format = picture::format(&message.body).to_owned();
        let captured_ns = message.tags.map(|tags| tags.captured_ns);
        if self.count == 1 {
            self.granted.detail = match captured_ns {
                Some(ns) => format!(
                    "{} from {}, \u{d7}{}",
                    self.address,
                    Utc(ns / 1_000_000_000),
                    self.speed
                ),
                None => self.address.clone(),
            };
            tracing::info!("replaying {}", self.granted.detail);
        }
        let was_dry = self.dry_since.take();
        let captured_ns = captured_ns.unwrap_or_else(unix_ns);
        if was_dry.is_some_and(|since| caught_up(since, captured_ns))
            && self.shift.as_mut().is_some_and(Timeshift::run_dry)
        {
            tracing::info!("{}: caught up, live from now on", self.address);
            self.shift = None;
        }
    }

    /// When the message that waits is due.
    fn due(&mut self, held: &Held) -> Instant {
        let now = Instant::now();
        // What says nothing of its capture comes as it comes.
        let captured_ns = held.message.tags.map(|tags| tags.captured_ns);
        match (&mut self.shift, captured_ns) {
            (Some(shift), Some(captured_ns)) => shift.due(self.count, captured_ns, now),
            _ => now,
        }
    }

    fn no_signal(&self, why: &Trouble) -> SourceError {
        SourceError::no_signal(format!("{}: {why}", self.address))
    }
}

impl Source for Replay {
    fn granted(&self) -> &Granted {
        &self.granted
    }

    fn next(&mut self, _next_id: u64, timeout: Duration) -> Result<Event<'_>, SourceError> {
        let deadline = Instant::now() + timeout;
        self.settle();
        if self.held.is_none()
            && let Some(event) = self.fetch(deadline)?
        {
            return Ok(event);
        }
        let Some(mut held) = self.held.take() else {
            return Ok(Event::Idle);
        };
        let due = self.due(&held);
        let until = due.min(deadline);
        thread::sleep(until.saturating_duration_since(Instant::now()));
        if due > deadline {
            self.held = Some(held);
            return Ok(Event::Idle);
        }
        let now = unix_ns();
        if let Some(shift) = &mut self.shift {
            shift.play(now);
        }
        held.lent = true;
        let held = self.held.insert(held);
        Ok(Event::Frame(Grab {
            image: self.pictures.lend(&held.message.body),
            captured_ns: now,
            sequence: held.offset.unwrap_or(0),
            // Through the broker that it came from, too.
            relays: held
                .message
                .tags
                .map_or(0, |tags| tags.relays)
                .saturating_add(1),
        }))
    }
}

/// What was lent last was shown.
impl Drop for Replay {
    fn drop(&mut self) {
        self.settle();
    }
}

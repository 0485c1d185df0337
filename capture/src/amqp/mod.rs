//! An exchange of RabbitMQ as a source: a relay of what another seqcast, or a publisher of 2019, sends there.
//!
//! The capture time is the other machine's, so that latency is that of the whole way, as far as the two clocks
//! agree; where they evidently do not, that is said.
//!
//! Beside it the history of an exchange (`replay`). Not here: which frames are taken (`guard`), the connection
//! (`broker`), when to open again (the capture loop).

mod guard;
mod picture;
mod replay;
#[cfg(test)]
pub(crate) mod testing;
mod track;

use std::mem;
use std::time::{Duration, Instant};

use broker::{Address, Heard, Message, Origin, Subscription, Trouble, What};
use worker::{DropCause, unix_ns};

use crate::config::Asked;
use crate::source::{Event, Grab, Granted, Source, SourceError};
use crate::stamp::Clock;
use guard::{Guard, Verdict};
use picture::Pictures;
pub use replay::Past;
pub(crate) use replay::Replay;
pub(crate) use track::Track;

/// What of the last message holds the next one back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    /// It is a frame, to be lent.
    Waiting,
    /// It is done with, once the caller comes again.
    Done,
}

/// What was said once.
#[derive(Debug, Default)]
struct Said {
    skew: bool,
    malformed: bool,
}

/// A relay.
pub(crate) struct Relay {
    granted: Granted,
    subscription: Subscription,
    guard: Guard,
    clock: Clock,
    pictures: Pictures,
    /// The last message.
    message: Option<Message>,
    held: Held,
    said: Said,
}

impl Relay {
    /// Begins to connect. `own`: who publishes what is taken here.
    pub(crate) fn open(
        address: &Address,
        asked: &Asked,
        own: Origin,
    ) -> Result<Relay, SourceError> {
        let what = What::Newest(format!("seqcast.{own}.{:x}", unix_ns()));
        let opened = Subscription::open(address, "seqcast: relay".into(), what);
        let no_thread = |e| SourceError::no_signal(format!("{address}: {e}"));
        Ok(Relay {
            granted: Granted {
                kind: "amqp",
                detail: address.to_string(),
                width: 0,
                height: 0,
                format: "MJPG".to_owned(),
                fps: 0.0,
            },
            subscription: opened.map_err(no_thread)?,
            guard: Guard::new(own),
            clock: Clock::default(),
            pictures: Pictures::new(asked),
            message: None,
            held: Held::Nothing,
            said: Said::default(),
        })
    }

    /// Whether the message is lent, and how many before it did not come; or what becomes of it instead.
    fn judge(&mut self, message: &Message) -> Result<u64, Event<'static>> {
        let missed = match self.guard.judge(message.tags.as_ref(), Instant::now()) {
            Verdict::Take(missed) => missed,
            Verdict::Stale => return Err(Event::Dropped(DropCause::Stale, 1)),
            Verdict::Circle(why) => {
                return Err(Event::NoSignal(format!("{}: {why}", self.granted.detail)));
            }
        };
        self.granted.format = picture::format(&message.body).to_owned();
        match self.pictures.prepare(&message.body) {
            Ok(()) => Ok(missed),
            Err(cause) => Err(Event::Dropped(cause, 1)),
        }
    }

    /// Lends the message that waits.
    fn lend(&mut self) -> Event<'_> {
        let tags = self.message.as_ref().and_then(|message| message.tags);
        let captured_ns = self.captured_ns(tags.map(|tags| tags.captured_ns));
        let Some(message) = &self.message else {
            return Event::Idle;
        };
        self.held = Held::Done;
        Event::Frame(Grab {
            image: self.pictures.lend(&message.body),
            captured_ns,
            sequence: tags.map_or(0, |tags| tags.frame_id),
            // Through the broker that it came from, too.
            relays: tags.map_or(0, |tags| tags.relays).saturating_add(1),
        })
    }

    fn captured_ns(&mut self, stamp: Option<u64>) -> u64 {
        let now = unix_ns();
        let captured_ns = self.clock.captured_ns(stamp, now);
        if let Some(stamp) = stamp
            && self.clock.differs()
            && !mem::replace(&mut self.said.skew, true)
        {
            let seconds = (stamp as f64 - now as f64) / 1e9;
            tracing::warn!(
                "{}: the publisher's clock is not this machine's, by {seconds:+.3} s or more: frames count as captured \
                 when they come; set both clocks (NTP)",
                self.granted.detail
            );
        }
        captured_ns
    }

    fn no_signal(&self, why: &Trouble) -> SourceError {
        SourceError::no_signal(format!("{}: {why}", self.granted.detail))
    }
}

impl Source for Relay {
    fn granted(&self) -> &Granted {
        &self.granted
    }

    fn next(&mut self, _next_id: u64, timeout: Duration) -> Result<Event<'_>, SourceError> {
        let deadline = Instant::now() + timeout;
        match mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => {}
            Held::Waiting => return Ok(self.lend()),
            Held::Done => self.subscription.taken(),
        }
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let message = match self.subscription.next(rest) {
                None => return Ok(Event::Idle),
                Some(Heard::Bound(_)) => continue,
                Some(Heard::Gone(why)) => return Err(self.no_signal(&why)),
                Some(Heard::Message(_, message)) => message,
            };
            self.held = Held::Done;
            let message = match message {
                Ok(message) => message,
                Err(why) => {
                    if !mem::replace(&mut self.said.malformed, true) {
                        tracing::warn!("{}: a message is no frame: {why}", self.granted.detail);
                    }
                    return Ok(Event::Dropped(DropCause::Corrupt, 1));
                }
            };
            let missed = match self.judge(&message) {
                Ok(missed) => missed,
                Err(event) => return Ok(event),
            };
            self.message = Some(message);
            if missed > 0 {
                self.held = Held::Waiting;
                return Ok(Event::Dropped(DropCause::Driver, missed));
            }
            return Ok(self.lend());
        }
    }
}

//! The loop from the ring to the broker: one connection after the other, each in a runtime of its own, so that
//! whatever hangs in one goes with it.
//!
//! Not here: which frame goes (`flight`), when to connect again (`backoff`).

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use broker::message::{self, Tags};
use broker::{Publisher, Trouble};
use shm_ring::Reader;
use tokio::select;
use tokio::sync::Notify;
use tokio::time::sleep;
use worker::{Cell, Sink, SkipCause, State, exit, signals, title, unix_ns};

use crate::Config;
use crate::backoff::Backoff;
use crate::body::Bench;
use crate::flight::{Flight, GIVE_UP, LATE, Link, Moment};

/// The longest wait without a look at everything: a lost wake-up costs latency only, and a stop is heeded.
const TICK: Duration = Duration::from_millis(100);
/// An older frame is no picture of now: twice the distance of frames at `--fps 1`.
const FRESH: Duration = Duration::from_secs(2);
/// How long a stop waits for what is on its way.
const FAREWELL: Duration = Duration::from_millis(500);
/// How often a lasting outage is logged.
const REMIND: Duration = Duration::from_secs(60);

/// Publishes until SIGTERM, or until the ring was cut short from outside. Returns the exit code. To be called in a
/// process of its own: here is where its threads begin.
pub fn run(config: &Config, ring: &Reader, cell: Cell<'_>) -> i32 {
    title::set(&format!("seqcast: bridge {}", config.address));
    // A camera that would rest without viewers has one: who looks behind the broker is not known here.
    let _watching = cell.watch();
    let mut bridge = Bridge::new(config, ring, cell);
    let (changed, over) = (Notify::new(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| watch(ring, &changed, &over));
        bridge.run(&changed);
        over.store(true, Relaxed);
    });
    cell.set_state(State::Draining);
    if ring.is_lost() {
        exit::FAILURE
    } else {
        exit::OK
    }
}

/// Says when the ring changes: no runtime can wait for a futex.
fn watch(ring: &Reader, changed: &Notify, over: &AtomicBool) {
    let mut seen = ring.ticket();
    while !over.load(Relaxed) && !ring.is_lost() {
        ring.wait(seen, TICK);
        let now = ring.ticket();
        if std::mem::replace(&mut seen, now) != now {
            changed.notify_one();
        }
    }
}

/// What becomes of a frame that is on its way.
type Fate = Pin<Box<dyn Future<Output = Result<bool, Trouble>>>>;

/// A frame on its way.
struct Sent {
    id: u64,
    captured_ns: u64,
    len: u64,
    fate: Fate,
}

struct Bridge<'a> {
    config: &'a Config,
    ring: &'a Reader,
    cell: Cell<'a>,
    bench: Bench,
    flight: Flight,
    backoff: Backoff,
    began: Instant,
    /// Confirmed until the last count of the rate, and when that was.
    counted: (u64, Instant),
    /// What the board says.
    shown: String,
    /// What the log last said of an outage, and when; nothing while frames are confirmed.
    told: Option<(String, Instant)>,
}

impl<'a> Bridge<'a> {
    fn new(config: &'a Config, ring: &'a Reader, cell: Cell<'a>) -> Bridge<'a> {
        Bridge {
            config,
            ring,
            cell,
            bench: Bench::new(config.format(), config.quality),
            // A predecessor's counts say how far it came: what passed since then is skipped, and counted.
            flight: Flight::new(cell.slot().accounted()),
            backoff: Backoff::default(),
            began: Instant::now(),
            counted: (cell.slot().frames(), Instant::now()),
            shown: String::new(),
            told: None,
        }
    }

    fn run(&mut self, changed: &Notify) {
        while self.is_wanted() {
            let trouble = match broker::runtime() {
                Ok(runtime) => {
                    let over = runtime.block_on(self.session(changed));
                    runtime.shutdown_background();
                    over.err()
                }
                Err(e) => Some(Trouble::passing(format!(
                    "no descriptors for a connection: {e}"
                ))),
            };
            let lost = self.flight.lost();
            self.skip(SkipCause::Unconfirmed, lost);
            if let Some(trouble) = trouble {
                self.cell.set_state(State::Idle);
                self.fail(&trouble.to_string());
                let wait = self.backoff.failed(trouble.is_refusal());
                self.pause(wait);
            }
        }
    }

    /// One connection, until it fails or all is to stop.
    async fn session(&mut self, changed: &Notify) -> Result<(), Trouble> {
        let name = format!("seqcast {}: bridge", self.config.instance);
        let Some(publisher) = self.connect(&name).await? else {
            return Ok(());
        };
        self.cell.set_state(State::Idle);
        self.show("connected, no frame is confirmed yet");
        let mut under_way: Vec<Sent> = Vec::new();
        let mut keeping = pin!(publisher.keep_history());
        loop {
            let link = match publisher.is_blocked() {
                true => Link::Blocked,
                false => Link::Up,
            };
            if let Some(id) = self.look(link) {
                under_way.extend(self.publish(id, &publisher));
            }
            // What is on its way knows better why.
            if under_way.is_empty() && !publisher.is_open() {
                return Err(Trouble::passing("the broker closed the connection"));
            }
            self.check(link)?;
            if !self.is_wanted() {
                break;
            }
            select! {
                () = changed.notified() => {}
                (sent, fate) = settled(&mut under_way), if !under_way.is_empty() => self.settle(&sent, fate)?,
                trouble = &mut keeping => return Err(trouble),
                () = sleep(TICK) => {}
            }
        }
        let until = Instant::now() + FAREWELL;
        while !under_way.is_empty() && Instant::now() < until {
            select! {
                (sent, fate) = settled(&mut under_way) => if self.settle(&sent, fate).is_err() { break },
                () = sleep(TICK) => self.cell.beat(),
            }
        }
        publisher.close().await;
        Ok(())
    }

    /// A connection; none where all is to stop.
    async fn connect(&mut self, name: &str) -> Result<Option<Publisher>, Trouble> {
        let mut opened = pin!(Publisher::open(
            &self.config.address,
            name,
            self.config.history
        ));
        loop {
            self.look(Link::Away);
            if !self.is_wanted() {
                return Ok(None);
            }
            select! {
                publisher = &mut opened => return publisher.map(Some),
                () = sleep(TICK) => {}
            }
        }
    }

    /// Looks at the ring: counts what is left out, says what to publish.
    fn look(&mut self, link: Link) -> Option<u64> {
        self.tick();
        let head = self.ring.bounds().head;
        let newest = self.ring.frame(head).ok();
        let published_ns = newest.map_or(0, |frame| frame.info().published_ns);
        let fresh = u128::from(unix_ns().saturating_sub(published_ns)) <= FRESH.as_nanos();
        let step = self.flight.look(head, fresh, link, self.now());
        if let Some((cause, count)) = step.skipped {
            self.skip(cause, count);
        }
        self.cell.slot().set_lag(self.flight.behind(head));
        step.publish
    }

    /// Sends frame `id` on its way, or counts why not.
    fn publish(&mut self, id: u64, publisher: &Publisher) -> Option<Sent> {
        let (info, body) = match self.bench.body(self.ring, id) {
            Ok(body) => body,
            Err(cause) => {
                self.skip(cause, 1);
                return None;
            }
        };
        let tags = Tags {
            frame_id: id,
            epoch: info.epoch,
            captured_ns: info.meta.captured_ns,
            width: info.meta.width,
            height: info.meta.height,
            origin: self.config.origin,
            relays: u8::try_from(info.meta.flags).unwrap_or(u8::MAX),
        };
        let len = body.len() as u64;
        let properties = message::properties(&tags, self.config.format());
        self.flight.sent(id, self.now());
        Some(Sent {
            id,
            captured_ns: tags.captured_ns,
            len,
            fate: Box::pin(publisher.publish(body, properties)),
        })
    }

    /// Counts what became of a frame.
    fn settle(&mut self, sent: &Sent, fate: Result<bool, Trouble>) -> Result<(), Trouble> {
        let confirmed = fate?; // else it counts with all that is lost with the connection
        self.flight.settled(sent.id, self.now());
        if !confirmed {
            self.skip(SkipCause::Unconfirmed, 1);
            return Ok(());
        }
        let slot = self.cell.slot();
        slot.add_frame(sent.len);
        slot.add_latency(unix_ns().saturating_sub(sent.captured_ns));
        self.backoff.worked();
        self.cell.set_state(State::Serving);
        if self.told.take().is_some() || slot.frames() == 1 {
            tracing::info!("publishing to {}", self.config.address);
        }
        Ok(())
    }

    /// Says how the broker does.
    fn check(&mut self, link: Link) -> Result<(), Trouble> {
        let owing = self.flight.owing(self.now());
        if link == Link::Blocked {
            self.cell.set_state(State::Idle);
            self.fail(
                "the broker takes no frames: its memory or disk is short (connection.blocked)",
            );
        } else if owing >= GIVE_UP {
            return Err(Trouble::passing(format!(
                "the broker confirmed nothing for {GIVE_UP:?}"
            )));
        } else if owing >= LATE {
            self.show("the broker is slow: a confirm is late");
        } else if self.cell.state() == State::Serving {
            self.show("publishing");
        }
        Ok(())
    }

    /// Shows and logs why nothing is published.
    fn fail(&mut self, why: &str) {
        self.show(why);
        let is_news = match &self.told {
            Some((told, at)) => told != why || at.elapsed() >= REMIND,
            None => true,
        };
        if is_news {
            tracing::warn!("nothing is published to {}: {why}", self.config.address);
            self.told = Some((why.to_owned(), Instant::now()));
        }
    }

    fn show(&mut self, condition: &str) {
        if self.shown != condition {
            condition.clone_into(&mut self.shown);
            self.cell.slot().set_sink(&Sink {
                to: self.config.address.to_string(),
                protocol: self.config.protocol().into(),
                condition: condition.to_owned(),
            });
        }
    }

    fn skip(&self, cause: SkipCause, count: u64) {
        if count > 0 {
            self.cell.slot().add_skipped(cause, count);
        }
    }

    /// Shows life, and the rate once a second.
    fn tick(&mut self) {
        self.cell.beat();
        let (counted, since) = self.counted;
        let passed = since.elapsed();
        if passed >= Duration::from_secs(1) {
            let frames = self.cell.slot().frames();
            self.cell
                .slot()
                .set_rate((frames - counted) as f64 / passed.as_secs_f64());
            self.counted = (frames, Instant::now());
        }
    }

    /// Waits, alive.
    fn pause(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while self.is_wanted() {
            self.look(Link::Away);
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return;
            }
            thread::sleep(rest.min(TICK));
        }
    }

    fn now(&self) -> Moment {
        self.began.elapsed()
    }

    fn is_wanted(&self) -> bool {
        !signals::stopping() && !self.ring.is_lost()
    }
}

/// Waits until something became of one of them, and takes that one out.
async fn settled(under_way: &mut Vec<Sent>) -> (Sent, Result<bool, Trouble>) {
    let (at, fate) = poll_fn(|cx| {
        for (at, sent) in under_way.iter_mut().enumerate() {
            if let Poll::Ready(fate) = sent.fate.as_mut().poll(cx) {
                return Poll::Ready((at, fate));
            }
        }
        Poll::Pending
    })
    .await;
    (under_way.remove(at), fate)
}

//! The loop from a source to the ring.
//!
//! Here is what happens to every source alike: its frames are checked, decoded where the ring is
//! to hold raw ones, counted and published, its failures said and retried, its end shown. Not here:
//! any particular source; what a failure is worth in the log ([`crate::outage`]).

use std::collections::HashSet;
use std::time::{Duration, Instant};

use shm_ring::{FrameMeta, Signal, Writer};
use worker::message::Order;
use worker::{Cell, Channel, DropCause, Fault, SourceInfo, State, exit, signals, title};

use crate::check::Gate;
use crate::config::{Config, Form};
use crate::line::Line;
use crate::open::Opener;
use crate::outage::{Outage, RETRY, is_silent};
use crate::same::Same;
use crate::source::{Controls, Event, Grab, Granted, Image, Source, SourceError};

/// The longest wait without a sign of life. Bounds how late a SIGTERM is heeded.
const TICK: Duration = Duration::from_millis(250);

/// How long viewers see that the input has ended.
const FAREWELL: Duration = Duration::from_secs(5);

/// Captures until it is told to stop (0), the source is over
/// ([`INPUT_ENDED`](exit::INPUT_ENDED)) or the ring was cut short from outside (1). To be called in
/// a process of its own. It rests from the beginning where it is to be `resting`, and does what the
/// supervisor says over the `channel`.
pub fn run(cfg: &Config, writer: Writer, cell: Cell<'_>, channel: &Channel, resting: bool) -> i32 {
    title::set(&format!("seqcast: capture {}", cfg.choice));
    let last = cell.slot().source();
    let had_camera = last.as_ref().is_some_and(|last| last.kind == "camera");
    let mut opener = Opener::new(cfg, had_camera);
    let line = Line::new(channel, resting, cfg.controls.clone());
    let mut capture = Capture::new(writer, cell, line, cfg);
    // What rests is shown as it was.
    let as_it_was = had_camera || (resting && last.is_some());
    if !as_it_was {
        capture.show(&unopened(cfg), (0, 0));
    }
    capture.run(&mut || opener.open(), &signals::stopping)
}

/// Opens the source anew.
type Open<'a> = &'a mut dyn FnMut() -> Result<Box<dyn Source>, SourceError>;

/// Whether to stop.
type Stopping<'a> = &'a dyn Fn() -> bool;

struct Capture<'a> {
    writer: Writer,
    cell: Cell<'a>,
    line: Line<'a>,
    form: Form,
    /// A decoded frame; kept for its memory.
    pixels: Vec<u8>,
    gate: Gate,
    same: Same,
    outage: Outage,
    /// Frames are coming, and the ring says so.
    live: bool,
    /// The ring was cut short from outside: there is nothing left to do.
    ring_lost: bool,
    /// When the last frame was published, or the source opened.
    last_frame: Instant,
    /// Why the first frame after that was dropped. Only the first: what differs from frame to frame
    /// (lengths, offsets) would make each a new reason.
    obstacle: Option<String>,
    /// Causes that were said.
    said: HashSet<DropCause>,
    /// What the board says of the source, and what the log last said.
    shown: SourceInfo,
    introduced: SourceInfo,
}

impl<'a> Capture<'a> {
    fn new(writer: Writer, cell: Cell<'a>, line: Line<'a>, cfg: &Config) -> Capture<'a> {
        Capture {
            writer,
            cell,
            line,
            form: cfg.asked.form(),
            pixels: Vec::new(),
            gate: Gate::new(cfg.asked.allow_truncated),
            same: Same::new(cfg.drop_same),
            outage: Outage::default(),
            live: false,
            ring_lost: false,
            last_frame: Instant::now(),
            obstacle: None,
            said: HashSet::new(),
            shown: SourceInfo::default(),
            introduced: SourceInfo::default(),
        }
    }

    fn run(&mut self, open: Open<'_>, stopping: Stopping<'_>) -> i32 {
        if self.writer.signal().since_ns == 0 {
            self.writer.set_signal(Signal::Starting, ""); // since now
        }
        while !stopping() {
            self.beat();
            self.heed(None);
            if self.line.resting() {
                self.rest(stopping);
                continue;
            }
            let first = self.writer.next_id();
            let over = match self.open(open) {
                Ok(mut source) => {
                    let over = self.pump(&mut *source, stopping);
                    for (cause, n) in source.unfinished() {
                        self.cell.slot().add_dropped(cause, n);
                    }
                    drop(source);
                    self.line.closed();
                    over
                }
                Err(e) => Err(e),
            };
            match over {
                Ok(()) if self.ring_lost => return exit::FAILURE,
                // Stopping, or to rest.
                Ok(()) => continue,
                Err(SourceError::NoSignal(fault, why)) => self.no_signal(fault, &why),
                Err(SourceError::Changed(why)) if self.writer.next_id() > first => {
                    tracing::info!("{why}: opened anew");
                    continue;
                }
                // Before it gave a frame: it may go on so.
                Err(SourceError::Changed(why)) => self.no_signal(Fault::NoSignal, &why),
                Err(SourceError::Ended(reason)) => return self.ended(&reason, stopping),
            }
            self.pause(RETRY, stopping);
        }
        exit::OK
    }

    /// Opens the source and sets its controls, which may take the kernel longer than a capture process
    /// at work may be silent.
    fn open(&mut self, open: Open<'_>) -> Result<Box<dyn Source>, SourceError> {
        let before = self.cell.state();
        self.cell.set_state(State::Starting);
        let mut opened = open();
        self.beat();
        if let Ok(source) = &mut opened {
            let Capture {
                writer, cell, line, ..
            } = self;
            line.opened(source.controls(), &|| beat(writer, cell));
        }
        self.beat();
        self.cell.set_state(before);
        opened
    }

    /// Publishes what the source yields, until it fails, all is to stop or rest, or the ring is lost.
    fn pump(&mut self, source: &mut dyn Source, stopping: Stopping<'_>) -> Result<(), SourceError> {
        self.gate.forget();
        self.same.forget();
        self.last_frame = Instant::now();
        self.obstacle = None;
        let granted = source.granted();
        self.show(granted, (granted.width, granted.height));
        while !stopping() && !self.ring_lost {
            self.beat();
            self.heed(source.controls());
            if self.line.resting() {
                break;
            }
            let fixed_size = source.granted().width > 0;
            match source.next(self.writer.next_id(), TICK)? {
                Event::Frame(grab) => {
                    if let Some(size) = self.publish(&grab, fixed_size) {
                        self.show(source.granted(), size);
                        self.published();
                    }
                }
                Event::Dropped(cause, n) => self.dropped(cause, n, meaning(cause)),
                Event::NoSignal(reason) => {
                    self.last_frame = Instant::now();
                    self.no_signal(Fault::NoSignal, &reason);
                }
                Event::Idle => {}
            }
            if is_silent(self.last_frame, Instant::now()) {
                let reason = match &self.obstacle {
                    Some(why) => format!("every frame is dropped: {why}"),
                    None => format!("no frame comes from {}", source.granted().detail),
                };
                self.no_signal(Fault::NoSignal, &reason);
            }
        }
        Ok(())
    }

    /// Puts a frame into the ring if it is whole, or drops it. Gives its size in pixels.
    fn publish(&mut self, grab: &Grab<'_>, fixed_size: bool) -> Option<(u32, u32)> {
        let whole;
        let (format, (width, height), bytes) = match grab.image {
            Image::Jpeg(jpeg) => match self.gate.check(jpeg, fixed_size) {
                Ok((info, jpeg)) => {
                    whole = jpeg;
                    match self.form {
                        Form::Jpeg => (*b"MJPG", (info.width.into(), info.height.into()), &*whole),
                        Form::Bgr24 => match picture::decode_bgr(&whole, &mut self.pixels) {
                            Ok(size) => (*b"BGR3", size, self.pixels.as_slice()),
                            Err(e) => return self.corrupt(&e.to_string()),
                        },
                    }
                }
                Err(refusal) => {
                    self.dropped(refusal.cause(), 1, &refusal.to_string());
                    return None;
                }
            },
            Image::Bgr {
                pixels,
                width,
                height,
            } => (*b"BGR3", (width, height), pixels),
        };
        let meta = FrameMeta {
            format,
            width,
            height,
            flags: grab.relays.into(),
            sequence: grab.sequence,
            captured_ns: grab.captured_ns,
        };
        if self.same.drops(bytes, Instant::now()) {
            // As it was asked: nothing to warn of.
            self.cell.slot().add_dropped(DropCause::Same, 1);
            return None;
        }
        let published = self.writer.publish(bytes, &meta);
        if published.is_err() {
            self.same.forget(); // what nobody saw
        }
        match published {
            Ok(_) => {
                self.cell.slot().add_frame(bytes.len() as u64);
                return Some((width, height));
            }
            Err(shm_ring::Error::FrameTooLarge { len, needed, .. }) => {
                let why = format!("one of {len} bytes takes --ring {}M", needed >> 20);
                self.dropped(DropCause::TooLarge, 1, &why);
            }
            // The supervisor sees it, too, and says it.
            Err(shm_ring::Error::Truncated { .. }) => self.ring_lost = true,
            Err(e) => return self.corrupt(&e.to_string()),
        }
        None
    }

    fn corrupt(&mut self, why: &str) -> Option<(u32, u32)> {
        self.dropped(DropCause::Corrupt, 1, why);
        None
    }

    fn published(&mut self) {
        let now = Instant::now();
        self.last_frame = now;
        self.obstacle = None;
        if self.live {
            return;
        }
        self.live = true;
        self.writer.set_signal(Signal::Live, "");
        self.cell.set_state(State::Serving);
        if self.introduced != self.shown {
            self.introduced = self.shown.clone();
            tracing::info!("live: {}", introduction(&self.shown));
        }
        if let Some(lasted) = self.outage.end(now) {
            tracing::info!("live again after {:.0} s", lasted.as_secs_f64());
        }
    }

    fn dropped(&mut self, cause: DropCause, n: u64, why: &str) {
        self.cell.slot().add_dropped(cause, n);
        if self.said.insert(cause) {
            tracing::warn!(
                "frame dropped ({}): {why}; from now on only counted",
                cause.name()
            );
        }
        // Those are no property of the frames, and do not explain that none is left.
        if !matches!(
            cause,
            DropCause::Late | DropCause::Driver | DropCause::Stale
        ) {
            self.obstacle.get_or_insert_with(|| why.to_owned());
        }
    }

    fn no_signal(&mut self, fault: Fault, why: &str) {
        self.live = false;
        self.writer.set_signal(Signal::NoSignal, &fault.reason(why));
        if self.outage.fail(why, Instant::now()) {
            tracing::warn!("{}: {why}", fault.to_string().to_lowercase());
        }
    }

    /// Waits, alive and with the source closed, until somebody watches or all is to stop.
    fn rest(&mut self, stopping: Stopping<'_>) {
        self.live = false;
        self.outage.forget();
        self.writer.set_signal(Signal::Resting, "nobody watches");
        // No failure to start, should it die now.
        self.cell.set_state(State::Idle);
        tracing::info!("resting: nobody watches, so the source is closed");
        while self.line.resting() && !stopping() {
            self.beat();
            self.line.wait(TICK);
            self.heed(None);
        }
        if !self.line.resting() {
            self.writer.set_signal(Signal::Starting, "");
            self.cell.set_state(State::Starting); // to open it may take long
            tracing::info!("somebody watches: opening the source");
        }
    }

    /// Does what the supervisor says, until controls were set once: a device may take long for that.
    /// `controls` are those of the open source.
    fn heed(&mut self, controls: Option<&mut dyn Controls>) {
        let Capture {
            writer, cell, line, ..
        } = self;
        let beat = || beat(writer, cell);
        while let Some(order) = line.next() {
            if matches!(order, Order::Set { .. }) {
                return line.follow(order, controls, &beat);
            }
            line.follow(order, None, &beat);
        }
    }

    fn ended(&mut self, reason: &str, stopping: Stopping<'_>) -> i32 {
        tracing::info!("{reason}: ending in {} s", FAREWELL.as_secs());
        self.writer.set_signal(Signal::Ended, reason);
        self.pause(FAREWELL, stopping);
        if stopping() {
            exit::OK
        } else {
            exit::INPUT_ENDED
        }
    }

    /// Tells the board what was granted, where it changed. What a frame's header says of its size
    /// goes before what the device said.
    fn show(&mut self, granted: &Granted, (width, height): (u32, u32)) {
        let shown = &self.shown;
        let same = (shown.width, shown.height) == (width, height)
            && (shown.kind.as_str(), &shown.detail) == (granted.kind, &granted.detail)
            && (&shown.format, shown.fps) == (&granted.format, granted.fps);
        if !same {
            self.shown = SourceInfo {
                kind: granted.kind.to_owned(),
                detail: granted.detail.clone(),
                width,
                height,
                format: granted.format.clone(),
                fps: granted.fps,
            };
            self.cell.slot().set_source(&self.shown);
        }
    }

    fn beat(&self) {
        beat(&self.writer, &self.cell);
    }

    /// Waits, alive, until `time` has passed or all is to stop.
    fn pause(&mut self, time: Duration, stopping: Stopping<'_>) {
        let until = Instant::now() + time;
        while !stopping() {
            self.beat();
            self.heed(None);
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return;
            }
            self.line.wait(rest.min(TICK));
        }
    }
}

/// Shows life.
fn beat(writer: &Writer, cell: &Cell<'_>) {
    writer.beat();
    cell.beat();
}

/// What is known of a source that may not be there yet.
fn unopened(cfg: &Config) -> Granted {
    Granted {
        kind: cfg.choice.kind(),
        detail: cfg.choice.to_string(),
        width: 0,
        height: 0,
        format: String::new(),
        fps: 0.0,
    }
}

fn introduction(source: &SourceInfo) -> String {
    let SourceInfo {
        detail,
        width,
        height,
        format,
        fps,
        ..
    } = source;
    let rate = if *fps > 0.0 {
        format!("at {} fps", (fps * 100.0).round() / 100.0)
    } else {
        "at its own rate".to_owned()
    };
    format!("{detail}: {width}x{height} {format} {rate}")
}

/// What it means that a source itself gave up a frame.
fn meaning(cause: DropCause) -> &'static str {
    match cause {
        DropCause::Corrupt => "no whole JPEG came",
        DropCause::Driver => "it was lost before it came here, in the driver or its server",
        DropCause::Flagged => "the driver marked it as damaged",
        DropCause::Late => {
            "it could not be encoded or paced in time: lower --size or --fps, or free the CPU"
        }
        DropCause::TooLarge => "it is longer than it may be: 64 MiB, or the driver's buffer",
        DropCause::Truncated => "it is cut short",
        DropCause::Empty => "the driver gave an empty buffer",
        DropCause::Same => "it is the same picture as the one before it",
        DropCause::Stale => "it is no newer than the one before it",
    }
}

#[cfg(test)]
mod tests;

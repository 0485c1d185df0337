//! Another camera over HTTP: an MJPEG stream (`multipart/x-mixed-replace`) as ESP32-CAM, IP cameras,
//! µStreamer, mjpg-streamer and seqcast send it, or a picture (`image/jpeg`) that is asked for again
//! and again.
//!
//! Here is the thin shell: a socket, clocks, and when to ask again. A source that fails says why and
//! is opened anew by the loop. Nothing here waits longer than it is told to: a stop is heeded at once.
//!
//! - [`url`]: the address, and how much of it may be shown.
//! - [`connect`]: from a name to a connection.
//! - [`exchange`]: request and answer; in it [`multipart`] and [`tags`], what a picture's headers say.
//!
//! Not here: TLS; whether a picture is a whole JPEG, and when to open again (the capture loop).

mod connect;
pub mod exchange;
pub mod multipart;
pub mod tags;
pub(crate) mod url;

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::thread;
use std::time::{Duration, Instant};
use std::{fmt, mem};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use worker::{DropCause, unix_ns};

pub(crate) use connect::Connector;
use exchange::{Exchange, Found};
use tags::Tags;
pub use url::Url;

use crate::config::MAX_FRAME;
use crate::source::{Event, Grab, Granted, Image, Source, SourceError};

/// How long a connection may take, and how long nothing at all may come from a server that owes
/// something. Shorter than the loop's own patience, so that the reason shown is the one that is known.
const SILENCE: Duration = Duration::from_secs(4);

/// How long bytes may come without a picture among them. A large one takes its time over a bad link.
const FRUITLESS: Duration = Duration::from_secs(10);

/// Where the exchange with the server stands.
enum Phase {
    /// On the way to a connection, since then.
    Connecting(Instant),
    /// Asked.
    Asked(Box<Asked>),
    /// The next picture is asked for at that time, over that connection or a new one.
    Resting(Instant, Option<TcpStream>),
}

struct Asked {
    stream: TcpStream,
    exchange: Exchange,
    /// The connection has served before: it may be closed by now without anybody's fault.
    again: bool,
    /// When it was asked.
    at: Instant,
    /// When the last byte came, or it was asked.
    heard: Instant,
    /// When a picture was found last, even a broken one, or it was asked.
    found: Instant,
}

/// A camera over HTTP.
pub(crate) struct HttpSource {
    granted: Granted,
    /// Where pictures are asked for now: behind a redirect, elsewhere.
    url: Url,
    redirected: bool,
    connector: Connector,
    phase: Phase,
    /// From one picture to the next where each is asked for.
    period: Duration,
    fps: u32,
    /// A picture was found and not yet lent.
    waiting: Option<Tags>,
    /// Another seqcast's number of the last picture.
    last: Option<u64>,
}

impl HttpSource {
    /// A camera at `url`; `fps` is how often a picture is asked for where each takes a request.
    pub(crate) fn new(url: &Url, fps: u32, connector: Connector) -> HttpSource {
        HttpSource {
            granted: Granted {
                kind: "http",
                detail: url.to_string(),
                width: 0,
                height: 0,
                format: "MJPG".to_owned(),
                fps: 0.0,
            },
            url: url.clone(),
            redirected: false,
            connector,
            phase: Phase::Connecting(Instant::now()),
            period: Duration::from_secs(1) / fps.max(1),
            fps,
            waiting: None,
            last: None,
        }
    }

    /// Finds the next picture, or says what was found instead by the deadline.
    fn find(&mut self, deadline: Instant) -> Result<Option<Event<'static>>, SourceError> {
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            let found = match &mut self.phase {
                Phase::Connecting(since) => {
                    let since = *since;
                    self.connect(since, rest)?;
                    None
                }
                Phase::Resting(due, _) => {
                    let pause = due.saturating_duration_since(Instant::now());
                    thread::sleep(pause.min(rest));
                    if pause <= rest {
                        self.ask_again()?;
                    }
                    None
                }
                Phase::Asked(asked) => match asked.exchange.advance() {
                    Ok(None) => self.read(rest)?,
                    Ok(found) => found,
                    Err(refusal) => return Err(self.no_signal(&refusal)),
                },
            };
            if let Some(found) = found {
                let event = self.take(found)?;
                if event.is_some() || self.waiting.is_some() {
                    return Ok(event);
                }
            } else if rest.is_zero() {
                return Ok(Some(Event::Idle));
            }
        }
    }

    fn connect(&mut self, since: Instant, rest: Duration) -> Result<(), SourceError> {
        let (host, port) = (self.url.host(), self.url.port());
        match self.connector.wait(host, port, rest) {
            Some(Ok(stream)) => self.ask(stream, false),
            Some(Err(e)) => Err(self.no_signal(&plain(&e))),
            None if since.elapsed() >= SILENCE => {
                Err(self.no_signal(&format_args!("no connection within {SILENCE:?}")))
            }
            None => Ok(()),
        }
    }

    fn ask_again(&mut self) -> Result<(), SourceError> {
        let connecting = Phase::Connecting(Instant::now());
        match mem::replace(&mut self.phase, connecting) {
            Phase::Resting(_, Some(stream)) => self.ask(stream, true),
            _ => Ok(()),
        }
    }

    fn ask(&mut self, mut stream: TcpStream, again: bool) -> Result<(), SourceError> {
        let (exchange, request) =
            Exchange::ask(&self.url, MAX_FRAME).map_err(|e| self.no_signal(&e))?;
        let now = Instant::now();
        // Nothing is unsent, so the request fits.
        let sent = stream
            .set_nonblocking(true)
            .and_then(|()| stream.write_all(&request));
        self.phase = match sent {
            Ok(()) => Phase::Asked(Box::new(Asked {
                stream,
                exchange,
                again,
                at: now,
                heard: now,
                found: now,
            })),
            Err(_) if again => Phase::Connecting(now),
            Err(e) => return Err(self.no_signal(&plain(&e))),
        };
        Ok(())
    }

    /// Waits for bytes; gives what their end, if that is what came, brings to light.
    fn read(&mut self, rest: Duration) -> Result<Option<Found>, SourceError> {
        let Phase::Asked(asked) = &mut self.phase else {
            return Ok(None);
        };
        let mut fds = [PollFd::new(asked.stream.as_fd(), PollFlags::POLLIN)];
        let patience = SILENCE.saturating_sub(asked.heard.elapsed());
        // Rounded up: a wait that ends a moment early would only be begun again.
        let wait = rest.min(patience) + Duration::from_micros(999);
        let wait = if rest.is_zero() { rest } else { wait };
        let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
        let got = match poll(&mut fds, wait) {
            Ok(0) if patience.is_zero() => {
                let begun = asked.exchange.has_begun();
                let what = if begun { "silent" } else { "no answer" };
                return Err(self.no_signal(&format_args!("{what} for {SILENCE:?}")));
            }
            Ok(0) => return Ok(None),
            Ok(_) => asked.exchange.fill(|room| asked.stream.read(room)),
            Err(e) => Err(e.into()),
        };
        match got {
            Ok(1..) => {
                asked.heard = Instant::now();
                if asked.found.elapsed() >= FRUITLESS {
                    return Err(self.no_signal(&format_args!("no picture for {FRUITLESS:?}")));
                }
                return Ok(None);
            }
            Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {
                return Ok(None);
            }
            Ok(0) | Err(_) if asked.again && !asked.exchange.has_begun() => {
                self.phase = Phase::Connecting(Instant::now());
                return Ok(None);
            }
            Ok(0) => {}
            Err(e) => return Err(self.no_signal(&plain(&e))),
        }
        let left = asked.exchange.closed();
        left.map_err(|e| self.no_signal(&e))
    }

    /// What follows from it; a picture is then waiting.
    fn take(&mut self, found: Found) -> Result<Option<Event<'static>>, SourceError> {
        let Phase::Asked(asked) = &mut self.phase else {
            return Ok(None);
        };
        let still = asked.exchange.is_still();
        asked.found = Instant::now();
        match found {
            Found::Picture(tags) if tags.is_placeholder => {
                let reason = format!("{}: it has no signal itself", self.granted.detail);
                return Ok(Some(Event::NoSignal(reason)));
            }
            Found::Picture(tags) => {
                self.waiting = Some(tags);
                let missed = tags.missed_since(self.last);
                self.last = tags.number;
                if still {
                    self.granted.fps = self.fps.into();
                } else if missed > 0 {
                    return Ok(Some(Event::Dropped(DropCause::Driver, missed)));
                }
            }
            Found::TooLong => return Ok(Some(Event::Dropped(DropCause::TooLarge, 1))),
            Found::Broken => return Ok(Some(Event::Dropped(DropCause::Corrupt, 1))),
            Found::End if still => {
                let due = asked.at + self.period;
                let kept = asked.exchange.is_reusable();
                self.phase = match mem::replace(&mut self.phase, Phase::Resting(due, None)) {
                    Phase::Asked(asked) if kept => Phase::Resting(due, Some(asked.stream)),
                    _ => Phase::Resting(due, None),
                };
            }
            Found::End => return Err(self.no_signal(&"the stream ended")),
            Found::Elsewhere(_) if self.redirected => {
                return Err(self.no_signal(&"it redirects more than once"));
            }
            Found::Elsewhere(location) => {
                let elsewhere = self.url.join(&location);
                self.url = elsewhere.map_err(|why| {
                    let to = url::redacted(&location);
                    self.no_signal(&format_args!("it redirects to {to}: {why}"))
                })?;
                self.redirected = true;
                self.phase = Phase::Connecting(Instant::now());
            }
        }
        Ok(None)
    }

    fn no_signal(&self, why: &dyn fmt::Display) -> SourceError {
        SourceError::no_signal(format!("{}: {why}", self.granted.detail))
    }
}

impl Source for HttpSource {
    fn granted(&self) -> &Granted {
        &self.granted
    }

    fn next(&mut self, _next_id: u64, timeout: Duration) -> Result<Event<'_>, SourceError> {
        if self.waiting.is_none()
            && let Some(event) = self.find(Instant::now() + timeout)?
        {
            return Ok(event);
        }
        let (Some(tags), Phase::Asked(asked)) = (self.waiting.take(), &self.phase) else {
            return Ok(Event::Idle);
        };
        Ok(Event::Frame(Grab {
            image: Image::Jpeg(asked.exchange.picture()),
            captured_ns: tags.captured_ns(unix_ns()),
            sequence: tags.number.unwrap_or(0),
            relays: 0,
        }))
    }
}

/// An error without its number.
fn plain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => Errno::from_raw(code).desc().to_lowercase(),
        None => error.to_string(),
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

//! The watch itself: one epoll set around all viewers, level-triggered, one read per wake-up into
//! one buffer. Thin: it moves bytes and time to the viewers.
//!
//! Not here: what becomes of the bytes (`viewer`).

use std::io::{self, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::connection;
use crate::progress::{Progress, Snapshot};
use crate::report::{Percentiles, Report};
use crate::skew::Skew;
use crate::tally::Arrival;
use crate::url::Target;
use crate::viewer::{Client, Stage};
use crate::{Error, Options, Stall};

/// For a connection to be made, and again for the head of the response to be complete.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest sleep: how late `stop` and missed deadlines may be seen.
const TICK_MS: u8 = 100;
/// Bytes taken at once: a whole receive buffer of the default size.
const BUFFER: usize = 256 * 1024;

/// Watches the stream until [`Options::duration`] is over, `stop` returns true (asked at least
/// every 100 ms) or every viewer has ended.
pub fn run(options: &Options, stop: impl Fn() -> bool) -> Result<Report, Error> {
    let target = Target::parse(&options.stream)?;
    if options.viewers == 0 {
        return Err(Error::NoViewers);
    }
    let addresses = resolve(&target)?;
    let mut watch = Watch::new(options, target.request, addresses)?;
    watch.run(options.duration, stop)?;
    Ok(watch.report())
}

fn resolve(target: &Target) -> Result<Vec<SocketAddr>, Error> {
    let failed = |source| Error::Resolve {
        host: target.host.clone(),
        source,
    };
    let addresses: Vec<_> = (target.host.as_str(), target.port)
        .to_socket_addrs()
        .map_err(failed)?
        .collect();
    if addresses.is_empty() {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    Ok(addresses)
}

enum StallState {
    Ahead(Stall),
    /// Until so long after the start.
    Holding {
        until: Duration,
    },
    Over,
}

struct Watch {
    epoll: Epoll,
    start: Instant,
    /// None where the server speaks first.
    request: Option<String>,
    addresses: Vec<SocketAddr>,
    rcvbuf: usize,
    granted_rcvbuf: usize,
    clients: Vec<Client>,
    /// When each is to connect, since the start; so many have begun to.
    due: Vec<Duration>,
    begun: usize,
    skew: Skew,
    stall: StallState,
    progress: Option<Progress>,
    buffer: Box<[u8]>,
}

impl Watch {
    fn new(
        options: &Options,
        request: Option<String>,
        addresses: Vec<SocketAddr>,
    ) -> Result<Self, Error> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(epoll_error)?;
        let mut watch = Self {
            epoll,
            start: Instant::now(),
            request,
            addresses,
            rcvbuf: options.rcvbuf,
            granted_rcvbuf: 0,
            clients: Vec::with_capacity(options.viewers),
            due: due(options.viewers, options.spread),
            begun: 0,
            skew: Skew::new(),
            stall: options.stall.map_or(StallState::Over, StallState::Ahead),
            progress: Progress::new(options.progress),
            buffer: vec![0; BUFFER].into_boxed_slice(),
        };
        for _ in 0..options.viewers {
            let client = Client::new(&options.stream, options.timeline, watch.now());
            watch.clients.push(client);
        }
        Ok(watch)
    }

    fn now(&self) -> Arrival {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Arrival {
            mono_ns: self.start.elapsed().as_nanos() as u64,
            unix_ns: unix.unwrap_or_default().as_nanos() as u64,
        }
    }

    fn run(&mut self, duration: Option<Duration>, stop: impl Fn() -> bool) -> Result<(), Error> {
        let mut events = [EpollEvent::empty(); 256];
        let mut ticks = 0;
        let mut seconds = 0;
        self.connect_due(Duration::ZERO)?;
        while self.begun < self.due.len() || self.clients.iter().any(|client| client.open.is_some())
        {
            let elapsed = self.start.elapsed();
            if stop() || duration.is_some_and(|duration| elapsed >= duration) {
                break;
            }
            let tick = elapsed.as_millis() / u128::from(TICK_MS);
            if tick != ticks {
                ticks = tick;
                self.give_up_the_silent()?;
            }
            if elapsed.as_secs() != seconds {
                seconds = elapsed.as_secs();
                self.show_progress(seconds);
            }
            self.connect_due(elapsed)?;
            self.turn_stall(elapsed)?;
            let timeout = self.timeout(elapsed, duration);
            let count = match self.epoll.wait(&mut events, timeout) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(errno) => return Err(epoll_error(errno)),
            };
            for event in &events[..count] {
                self.ready(event.data() as usize)?;
            }
        }
        Ok(())
    }

    /// Until the next thing that no socket announces.
    fn timeout(&self, elapsed: Duration, duration: Option<Duration>) -> EpollTimeout {
        let stall = match self.stall {
            // One that is due and has not begun waits for its stream.
            StallState::Ahead(stall) => Some(stall.at).filter(|&at| at > elapsed),
            StallState::Holding { until } => Some(until),
            StallState::Over => None,
        };
        let next = self.due.get(self.begun).copied();
        let left = [duration, stall, next]
            .into_iter()
            .flatten()
            .map(|at| at.saturating_sub(elapsed))
            .fold(Duration::from_millis(TICK_MS.into()), Duration::min);
        EpollTimeout::from(left.as_micros().div_ceil(1000) as u8)
    }

    /// Opens the connections whose time has come.
    fn connect_due(&mut self, elapsed: Duration) -> Result<(), Error> {
        while self.due.get(self.begun).is_some_and(|&due| due <= elapsed) {
            self.begun += 1;
            self.connect(self.begun - 1, 0)?;
        }
        Ok(())
    }

    fn ready(&mut self, index: usize) -> Result<(), Error> {
        match self.clients[index].open {
            Some((ref stream, Stage::Connecting(address))) => {
                let asked = connection::established(stream).and_then(|()| match &self.request {
                    Some(request) => connection::ask(stream, request),
                    None => Ok(()),
                });
                match asked {
                    Ok(()) => self.await_answer(index),
                    Err(error) => self.connect_elsewhere(index, address, &error),
                }
            }
            Some(_) => {
                self.read(index);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn await_answer(&mut self, index: usize) -> Result<(), Error> {
        let client = &mut self.clients[index];
        client.deadline = Instant::now() + PATIENCE;
        if let Some((stream, stage)) = &mut client.open {
            *stage = Stage::Answering;
            let mut event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
            self.epoll.modify(stream, &mut event).map_err(epoll_error)?;
        }
        Ok(())
    }

    /// Tries this address and, where that fails at once, those after it.
    fn connect(&mut self, index: usize, address: usize) -> Result<(), Error> {
        match connection::begin(self.addresses[address], self.rcvbuf) {
            Ok(stream) => {
                if self.granted_rcvbuf == 0 {
                    self.granted_rcvbuf = connection::granted_rcvbuf(&stream).unwrap_or(0);
                }
                let event = EpollEvent::new(EpollFlags::EPOLLOUT, index as u64);
                self.epoll.add(&stream, event).map_err(epoll_error)?;
                let client = &mut self.clients[index];
                client.deadline = Instant::now() + PATIENCE;
                client.open = Some((stream, Stage::Connecting(address)));
                Ok(())
            }
            Err(source) if out_of_files(&source) => Err(Error::Socket {
                viewer: index,
                source,
            }),
            Err(error) => self.connect_elsewhere(index, address, &error),
        }
    }

    fn connect_elsewhere(
        &mut self,
        index: usize,
        failed: usize,
        error: &io::Error,
    ) -> Result<(), Error> {
        self.clients[index].open = None;
        if failed + 1 < self.addresses.len() {
            return self.connect(index, failed + 1);
        }
        let address = self.addresses[failed];
        let now = self.now();
        self.clients[index].end(format!("could not connect to {address}: {error}"), now);
        Ok(())
    }

    fn read(&mut self, index: usize) {
        let Some((stream, _)) = &mut self.clients[index].open else {
            return;
        };
        let read = stream.read(&mut self.buffer);
        let now = self.now();
        let client = &mut self.clients[index];
        match read {
            Ok(0) => client.cut("the server closed the connection", now),
            Ok(len) => client.received(&self.buffer[..len], now, &mut self.skew),
            // Level-triggered: what is there is announced again.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(error) => client.cut(&error.to_string(), now),
        }
    }

    fn give_up_the_silent(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        for index in 0..self.clients.len() {
            let client = &self.clients[index];
            if now < client.deadline {
                continue;
            }
            match client.open {
                Some((_, Stage::Connecting(address))) => {
                    let error = io::ErrorKind::TimedOut.into();
                    self.connect_elsewhere(index, address, &error)?;
                }
                Some((_, Stage::Answering)) => {
                    let seconds = PATIENCE.as_secs();
                    let end = format!("no answer within {seconds} s");
                    let now = self.now();
                    self.clients[index].end(end, now);
                }
                Some((_, Stage::Streaming)) | None => {}
            }
        }
        Ok(())
    }

    /// Takes viewer 0 out of the epoll set, or back in: out of it, not even the end of the
    /// connection is seen.
    fn turn_stall(&mut self, elapsed: Duration) -> Result<(), Error> {
        let now = self.now();
        let client = &mut self.clients[0];
        match self.stall {
            StallState::Ahead(stall) if elapsed >= stall.at => match &client.open {
                Some((stream, Stage::Streaming)) => {
                    self.epoll.delete(stream).map_err(epoll_error)?;
                    let until = elapsed.saturating_add(stall.duration);
                    self.stall = StallState::Holding { until };
                }
                Some(_) => {}
                None => self.stall = StallState::Over,
            },
            StallState::Holding { until } if elapsed >= until => {
                if let Some((stream, _)) = &client.open {
                    let event = EpollEvent::new(EpollFlags::EPOLLIN, 0);
                    self.epoll.add(stream, event).map_err(epoll_error)?;
                    client.tally.resume(now);
                }
                self.stall = StallState::Over;
            }
            _ => {}
        }
        Ok(())
    }

    fn show_progress(&mut self, seconds: u64) {
        let now = self.now();
        let Some(progress) = &mut self.progress else {
            return;
        };
        let mut snapshot = Snapshot {
            seconds,
            viewers: self.clients.len(),
            ..Snapshot::default()
        };
        for client in &self.clients {
            let tally = &client.tally;
            snapshot.streaming += usize::from(client.is_streaming());
            snapshot.frames += tally.frames + tally.unnumbered;
            snapshot.lost += tally.lost;
            snapshot.invalid += tally.invalid_count;
            snapshot.worst_gap_ms = snapshot.worst_gap_ms.max(client.gap_ns(now) / 1_000_000);
        }
        progress.show(&snapshot);
    }

    fn report(self) -> Report {
        let now = self.now();
        Report {
            viewers: self
                .clients
                .into_iter()
                .map(|client| client.report(now))
                .collect(),
            skew_ms: Percentiles::of(&self.skew.into_spreads()),
            rcvbuf: self.granted_rcvbuf,
        }
    }
}

/// When each of so many viewers connects: each in its own share of `spread`, at a place in it
/// that moves by the golden ratio, whose multiples are never in step with anything (Weyl 1916).
fn due(viewers: usize, spread: Duration) -> Vec<Duration> {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    let place = |index: usize| (index as f64 * GOLDEN).fract();
    let share = |index| (index as f64 + place(index)) / viewers as f64;
    (0..viewers)
        .map(|index| spread.mul_f64(share(index)))
        .collect()
}

/// No other address will help.
fn out_of_files(error: &io::Error) -> bool {
    [Errno::EMFILE, Errno::ENFILE]
        .map(|errno| Some(errno as i32))
        .contains(&error.raw_os_error())
}

fn epoll_error(errno: Errno) -> Error {
    Error::Epoll(errno.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_connect_at_once_or_each_in_its_own_time() {
        assert_eq!(due(3, Duration::ZERO), [Duration::ZERO; 3]);
        let due = due(10, Duration::from_secs(1));
        let tenths: Vec<_> = due.iter().map(|at| at.as_millis() / 100).collect();
        assert_eq!(tenths, (0..10).collect::<Vec<_>>());
        // Not all at the same place in a period of 100 ms.
        let mut places: Vec<_> = due.iter().map(|at| at.as_millis() % 100).collect();
        places.sort_unstable();
        let wide = places.windows(2).all(|pair| pair[1] - pair[0] < 20);
        assert!(wide && places[9] > 80, "{places:?}");
    }
}

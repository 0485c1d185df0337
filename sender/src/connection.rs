//! One connection's life: read one request, give one answer, close. A machine that never waits:
//! each step goes as far as it can and says what the next one waits for.
//!
//! Not here: what a request is (`http`), a stream once it has begun (`stream`), and the waiting
//! (`blocking`, `multiplex`).

use std::borrow::Cow;
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use worker::{Engaged, Slot, Viewer, signals, status};

use crate::Sender;
use crate::awaiting::Await;
use crate::end::End;
use crate::http::page;
use crate::http::reply::{self, Code, Reply};
use crate::http::request::{self, MAX_HEAD, Parsed, Request};
use crate::http::route::{Route, route};
use crate::snapshot::{Snapshot, Taken};
use crate::socket::{SLICE, is_later};
use crate::spill::Spill;
use crate::stream::Stream;

/// For the whole request to arrive.
const REQUEST: Duration = Duration::from_secs(5);
/// For its first byte: the listener has waited for it before it gave the connection out.
const FIRST_BYTE: Duration = Duration::from_secs(2);
/// For any of them when nobody is left to answer the next one.
const WHEN_SHORT: Duration = Duration::from_millis(250);
/// For a reply to be taken.
const REPLY: Duration = Duration::from_secs(30);
/// For that when nobody is left: a reply that is under way is worth more time than a silence.
const REPLY_WHEN_SHORT: Duration = Duration::from_secs(1);
/// For the client to close after it.
const LINGER: Duration = Duration::from_secs(1);
/// Reads off a client that goes on sending, in one step.
const READS: usize = 16;

/// A connection that has been accepted.
pub(crate) struct Connection<'a> {
    sender: &'a Sender<'a>,
    slot: &'a Slot,
    socket: TcpStream,
    address: SocketAddr,
    phase: Phase<'a>,
    _engaged: Engaged<'a>,
}

enum Phase<'a> {
    /// Reading the request: what there is of it, and since when.
    Request(Vec<u8>, Instant),
    /// Waiting for a fresh frame.
    Snapshot(Snapshot, HeadOnly),
    /// Sending a reply, since when.
    Reply(Spill, Instant),
    Stream(Box<Stream<'a>>),
    /// All is said; the client is to close, since when. A close over unread bytes would reset the
    /// connection and take the reply with it.
    Linger(Instant),
}

type HeadOnly = bool;

/// Where a phase has led.
enum Led<'a> {
    Wait(Await),
    To(Phase<'a>),
    Out,
}

impl<'a> Connection<'a> {
    /// A connection that has just been accepted, to be counted in `slot`. `socket` is non-blocking.
    pub fn new(
        socket: TcpStream,
        address: SocketAddr,
        slot: &'a Slot,
        sender: &'a Sender<'a>,
        now: Instant,
    ) -> Self {
        Connection {
            sender,
            slot,
            socket,
            // A viewer over IPv4 on an IPv6 socket is shown as what it is.
            address: SocketAddr::new(address.ip().to_canonical(), address.port()),
            phase: Phase::Request(Vec::new(), now),
            _engaged: sender.cell.engage(),
        }
    }

    /// The peer's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is to be waited on.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Goes as far as it can without waiting. `None`: the connection is over.
    pub fn step(&mut self, now: Instant) -> Option<Await> {
        loop {
            let led = match &mut self.phase {
                Phase::Request(bytes, began) => {
                    match read_request(&self.socket, bytes, *began, self.sender, now) {
                        Ok(verdict) => self.answer(verdict, now),
                        Err(wait) => Led::Wait(wait),
                    }
                }
                Phase::Snapshot(snapshot, head_only) => {
                    let head_only = *head_only;
                    match snapshot.step(self.sender.ring, now) {
                        Taken::Wait(wait) => Led::Wait(wait),
                        Taken::Frame(info, jpeg) => {
                            let reply = Reply::snapshot(info.id, info.meta.captured_ns, jpeg);
                            say(reply, head_only, now)
                        }
                        Taken::None(why) => {
                            say(Reply::error(Code::Unavailable, &why), head_only, now)
                        }
                    }
                }
                Phase::Reply(spill, began) => {
                    send_reply(&self.socket, spill, *began, self.sender, now)
                }
                Phase::Stream(stream) => match stream.step(&self.socket, now) {
                    Ok(wait) => Led::Wait(wait),
                    Err(end) => {
                        stream.ended(&end, now);
                        match end {
                            End::Stopped { whole: true } => Led::To(Phase::Linger(now)),
                            _ => Led::Out,
                        }
                    }
                },
                Phase::Linger(began) => read_off(&self.socket, *began, self.sender, now),
            };
            match led {
                Led::Wait(wait) => return Some(wait),
                Led::To(Phase::Linger(_)) if self.socket.shutdown(Shutdown::Write).is_err() => {
                    return None;
                }
                Led::To(phase) => self.phase = phase,
                Led::Out => return None,
            }
        }
    }

    /// The socket was found broken while it was waited on.
    pub fn broken(mut self, error: io::Error) {
        if let Phase::Stream(stream) = &mut self.phase {
            stream.ended(&End::from(error), Instant::now());
        }
    }

    fn answer(&self, verdict: Parsed, now: Instant) -> Led<'a> {
        let Request {
            head_only,
            path,
            query,
        } = match verdict {
            Parsed::Request(request) => request,
            Parsed::Reject(reject) => {
                tracing::debug!("{}: {}", self.address, reject.why);
                return say(reject.into(), false, now);
            }
            Parsed::NeedMore => return Led::Out, // nothing was asked
        };
        let reply = match route(&path, &query) {
            Route::Stream { key } => return self.stream(key, head_only, now),
            Route::Snapshot => {
                let snapshot = Snapshot::new(self.sender.ring, now);
                return Led::To(Phase::Snapshot(snapshot, head_only));
            }
            Route::Status => status_reply(self.sender),
            Route::Page => page::page(),
            Route::NotFound => Reply::error(
                Code::NotFound,
                "Here are: / (the page), /stream, /snapshot and /status.",
            ),
        };
        say(reply, head_only, now)
    }

    fn stream(&self, key: Option<String>, head_only: bool, now: Instant) -> Led<'a> {
        let board = self.sender.board;
        let Some(seat) = board.take_seat() else {
            if !head_only {
                board.add_refused();
                let address = self.address;
                tracing::info!("viewer {address} turned away: all places are taken");
            }
            return say(full(board.seats()), head_only, now);
        };
        if head_only {
            drop(seat); // the stream itself may be asked for next
            return say_bytes(&reply::stream_head(), now);
        }
        let viewer = Viewer {
            addr: self.address,
            protocol: Cow::Borrowed("http-stream"),
            key,
        };
        let mut stream = Box::new(Stream::new(&viewer, self.slot, seat, self.sender, now));
        match stream.set_up(&self.socket) {
            Ok(()) => Led::To(Phase::Stream(stream)),
            Err(error) => {
                stream.ended(&End::from(error), now);
                Led::Out
            }
        }
    }
}

/// A verdict, or what to wait for until there is one. `NeedMore` stands for a connection without
/// anything to answer.
fn read_request(
    mut socket: &TcpStream,
    bytes: &mut Vec<u8>,
    began: Instant,
    sender: &Sender<'_>,
    now: Instant,
) -> Result<Parsed, Await> {
    let mut chunk = [0; MAX_HEAD];
    loop {
        // Never nothing: at MAX_HEAD bytes there is a verdict.
        match socket.read(&mut chunk[..MAX_HEAD - bytes.len()]) {
            Ok(0) => return Ok(Parsed::NeedMore),
            Ok(count) => {
                bytes.extend_from_slice(&chunk[..count]);
                let parsed = request::parse(bytes, sender.config.loopback_only);
                if parsed != Parsed::NeedMore {
                    return Ok(parsed);
                }
            }
            Err(error) if is_later(&error) => break,
            Err(_) => return Ok(Parsed::NeedMore),
        }
    }
    // A browser's spare connection has said nothing and expects nothing.
    let (limit, verdict) = match bytes.len() {
        0 => (FIRST_BYTE, Parsed::NeedMore),
        _ => (REQUEST, Parsed::Reject(request::TOO_LATE)),
    };
    let deadline = began + patience(limit, sender);
    if signals::stopping() || now >= deadline {
        return Ok(verdict);
    }
    Err(Await::Readable(deadline.min(now + SLICE)))
}

fn say<'a>(reply: Reply, head_only: bool, now: Instant) -> Led<'a> {
    say_bytes(&reply.into_bytes(head_only), now)
}

fn say_bytes<'a>(bytes: &[u8], now: Instant) -> Led<'a> {
    let mut spill = Spill::default();
    spill.refill().extend_from_slice(bytes);
    Led::To(Phase::Reply(spill, now))
}

fn send_reply<'a>(
    socket: &TcpStream,
    spill: &mut Spill,
    began: Instant,
    sender: &Sender<'_>,
    now: Instant,
) -> Led<'a> {
    while !spill.is_empty() {
        match spill.write_to(socket) {
            Ok(_) => {}
            Err(error) if is_later(&error) => {
                let limit = patience(REPLY, sender).max(REPLY_WHEN_SHORT);
                let deadline = began + limit;
                if signals::stopping() || now >= deadline {
                    return Led::Out;
                }
                return Led::Wait(Await::Writable(deadline.min(now + SLICE)));
            }
            Err(_) => return Led::Out,
        }
    }
    Led::To(Phase::Linger(now))
}

/// Reads off what the peer still sends until it ends its own side.
fn read_off<'a>(
    mut socket: &TcpStream,
    began: Instant,
    sender: &Sender<'_>,
    now: Instant,
) -> Led<'a> {
    let deadline = began + patience(LINGER, sender);
    if now >= deadline {
        return Led::Out;
    }
    let mut scrap = [0; 4096];
    for _ in 0..READS {
        match socket.read(&mut scrap) {
            Ok(0) => return Led::Out,
            Ok(_) => {}
            Err(error) if is_later(&error) => {
                return Led::Wait(Await::Readable(deadline.min(now + SLICE)));
            }
            Err(_) => return Led::Out,
        }
    }
    Led::Wait(Await::Turn)
}

/// How long to wait for a client that makes others wait.
fn patience(limit: Duration, sender: &Sender<'_>) -> Duration {
    match sender.board.free_slots() {
        0 => limit.min(WHEN_SHORT),
        _ => limit,
    }
}

fn full(seats: usize) -> Reply {
    let sentence = match seats {
        1 => {
            "The one place is taken. Try again later, or start seqcast with more --clients.".into()
        }
        _ => format!(
            "All {seats} places are taken. Try again later, or start seqcast with more --clients."
        ),
    };
    Reply::error(Code::Unavailable, &sentence)
}

fn status_reply(sender: &Sender<'_>) -> Reply {
    let config = sender.config;
    let status = status::collect(&config.instance, sender.board, sender.ring, false);
    match serde_json::to_vec(&status) {
        Ok(json) => Reply::ok("application/json", json),
        Err(error) => {
            tracing::error!("the status cannot be shown as JSON: {error}");
            Reply::error(Code::InternalError, "The status cannot be shown.")
        }
    }
}

//! One connection's life. HTTP: read one request, give one answer, close. Raw: nothing is read, the
//! answer is the stream. A machine that never waits: each step goes as far as it can and says what
//! the next one waits for.
//!
//! Not here: what a request is (`http`), what is answered (`answer`), a stream once it has begun (`stream`), and the waiting
//! (`blocking`, `multiplex`).

mod answer;

use std::io::{self, Read};
use std::time::{Duration, Instant};

use worker::{Engaged, Slot, signals};

use crate::accept::Arrival;
use crate::auth::User;
use crate::awaiting::Await;
use crate::caller::Caller;
use crate::clip::Clip;
use crate::desk::Question;
use crate::end::End;
use crate::framing::Framing;
use crate::http::ask::StreamAsk;
use crate::http::host::Hosts;
use crate::http::mjpg::Command;
use crate::http::origin::Origin;
use crate::http::reply::{Code, Reply};
use crate::http::request::{self, MAX_REQUEST, Parsed};
use crate::snapshot::{Snapshot, Taken};
use crate::socket::{SLICE, is_later};
use crate::spill::Spill;
use crate::stream::Stream;
use crate::tls;
use crate::transport::Transport;
use crate::{Protocol, Sender};
use answer::{snapshot_reply, unauthorized};

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
/// For who gave a wrong password to be told.
const DENIED: Duration = Duration::from_secs(1);
/// For the supervisor to answer, which gives the capture process 2 s and looks twice a second.
const ANSWER: Duration = Duration::from_secs(3);
/// Between two looks for its answer.
const LOOK: Duration = Duration::from_millis(20);
/// Reads off a client that goes on sending, in one step.
const READS: usize = 16;

/// A connection that has been accepted.
pub(crate) struct Connection<'a> {
    sender: &'a Sender<'a>,
    slot: &'a Slot,
    socket: Transport,
    caller: Caller,
    /// Who asks, where a password is asked for.
    user: Option<&'a User>,
    /// Where the request comes from.
    origin: Origin,
    phase: Phase<'a>,
    _engaged: Engaged<'a>,
}

enum Phase<'a> {
    /// Waiting for the first byte where TLS is spoken, since when.
    Hello(Instant),
    /// A raw viewer has come: its stream begins with nothing asked.
    Raw,
    /// Reading the request: what there is of it, and since when.
    Request(Vec<u8>, Instant),
    /// Letting who gave a wrong password wait, since when.
    Denied(Instant, HeadOnly),
    /// Waiting for a fresh frame.
    Snapshot(Snapshot<'a>, HeadOnly),
    Clip(Box<Clip<'a>>),
    /// Waiting for the supervisor's answer, since when, and what then.
    Controls(Question<'a>, Instant, HeadOnly, Then),
    /// Sending a reply, since when.
    Reply(Spill, Instant),
    Stream(Box<Stream<'a>>),
    /// All is said; the client is to close, since when. A close over unread bytes would reset the
    /// connection and take the reply with it.
    Linger(Instant),
}

type HeadOnly = bool;

/// What becomes of an answer about controls.
#[derive(Debug, Clone)]
enum Then {
    /// It is said.
    Say,
    /// It is said as mjpg-streamer says it.
    InputJson,
    /// The controls are known, by which the command is understood: it is given.
    Give(Command),
    /// The command was given: what came of it is said.
    Given(Command),
}

/// Where a phase has led.
enum Led<'a> {
    Wait(Await),
    To(Phase<'a>),
    Out,
}

impl<'a> Connection<'a> {
    /// A connection that has just been accepted, to be counted in `slot`.
    pub fn new(arrival: Arrival, slot: &'a Slot, sender: &'a Sender<'a>, now: Instant) -> Self {
        let tls = sender.config.tls.is_some() && arrival.transport.tcp().is_some();
        Connection {
            sender,
            slot,
            socket: arrival.transport,
            caller: Caller::new(arrival.address),
            user: None,
            origin: Origin::default(),
            phase: match arrival.protocol {
                Protocol::Http if tls => Phase::Hello(now),
                Protocol::Http => Phase::Request(Vec::new(), now),
                Protocol::Raw => Phase::Raw,
            },
            _engaged: sender.cell.engage(),
        }
    }

    /// Who is at the other end.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// What is to be waited on.
    pub fn socket(&self) -> &Transport {
        &self.socket
    }

    /// Goes as far as it can without waiting. `None`: the connection is over.
    pub fn step(&mut self, now: Instant) -> Option<Await> {
        loop {
            let led = match &mut self.phase {
                Phase::Hello(began) => {
                    let began = *began;
                    self.hello(began, now)
                }
                Phase::Raw => match self.take_seat() {
                    Some(seat) => self.stream(Framing::Raw, &StreamAsk::default(), seat, now),
                    None => Led::Out,
                },
                Phase::Request(bytes, began) => {
                    let caller = self.caller;
                    match read_request(&mut self.socket, bytes, *began, caller, self.sender, now) {
                        Ok(verdict) => self.answer(verdict, now),
                        Err(wait) => Led::Wait(wait),
                    }
                }
                Phase::Denied(began, head_only) => {
                    let until = *began + patience(DENIED, self.sender);
                    if now < until && !signals::stopping() {
                        let until = until.min(now + SLICE);
                        Led::Wait(Await::Change(self.sender.ring.ticket(), until))
                    } else {
                        say(unauthorized(), *head_only, now)
                    }
                }
                Phase::Snapshot(snapshot, head_only) => {
                    let head_only = *head_only;
                    match snapshot.step(self.sender, now) {
                        Taken::Wait(wait) => Led::Wait(wait),
                        Taken::Frame(info, jpeg) => {
                            say(snapshot_reply(self.sender, &info, jpeg), head_only, now)
                        }
                        Taken::None(why) => {
                            say(Reply::error(Code::Unavailable, &why), head_only, now)
                        }
                    }
                }
                Phase::Clip(clip) => match clip.step(&mut self.socket, now) {
                    Ok(Some(wait)) => Led::Wait(wait),
                    Ok(None) => {
                        clip.ended("is out");
                        Led::To(Phase::Linger(now))
                    }
                    Err(end) => {
                        clip.ended(&end.to_string());
                        Led::Out
                    }
                },
                Phase::Controls(question, began, head_only, then) => {
                    let answer = question.answer();
                    let over = now >= *began + ANSWER || signals::stopping();
                    if answer.is_none() && !over {
                        Led::Wait(Await::Change(self.sender.ring.ticket(), now + LOOK))
                    } else {
                        let (head_only, then) = (*head_only, then.clone());
                        self.answered(answer, then, head_only, now)
                    }
                }
                Phase::Reply(spill, began) => {
                    send_reply(&mut self.socket, spill, *began, self.sender, now)
                }
                Phase::Stream(stream) => match stream.step(&mut self.socket, now) {
                    Ok(wait) => Led::Wait(wait),
                    Err(end) => {
                        stream.ended(&end, now);
                        match end {
                            End::Stopped { whole: true } => Led::To(Phase::Linger(now)),
                            _ => Led::Out,
                        }
                    }
                },
                Phase::Linger(began) => read_off(&mut self.socket, *began, self.sender, now),
            };
            match led {
                Led::Wait(wait) => return Some(wait),
                Led::To(Phase::Linger(_)) if self.socket.shut_down().is_err() => {
                    return None;
                }
                Led::To(mut phase) => {
                    if let (Phase::Reply(reply, _), Some(allow)) =
                        (&mut phase, &self.sender.config.allow_origin)
                    {
                        allow.mark(reply.head());
                    }
                    self.phase = phase;
                }
                Led::Out => return None,
            }
        }
    }

    /// The socket was found broken while it was waited on.
    pub fn broken(mut self, error: io::Error) {
        match &mut self.phase {
            Phase::Stream(stream) => stream.ended(&End::from(error), Instant::now()),
            Phase::Clip(clip) => clip.ended(&End::from(error).to_string()),
            _ => {}
        }
    }

    /// Has TLS spoken with who speaks it; a request that is not encrypted gets an answer in kind.
    fn hello(&mut self, began: Instant, now: Instant) -> Led<'a> {
        let Some(identity) = &self.sender.config.tls else {
            return Led::To(Phase::Request(Vec::new(), began));
        };
        match self.socket.peek() {
            Ok(Some(tls::HELLO)) => match self.socket.begin_tls(identity) {
                Ok(()) => Led::To(Phase::Request(Vec::new(), began)),
                Err(error) => {
                    tracing::warn!("no TLS with {}: {error}", self.caller);
                    Led::Out
                }
            },
            Ok(Some(b'A'..=b'Z')) => {
                let why = "This is a TLS port: use https:// instead of http://.";
                say(Reply::error(Code::BadRequest, why), false, now)
            }
            Err(error) if is_later(&error) => {
                let deadline = began + patience(FIRST_BYTE, self.sender);
                match signals::stopping() || now >= deadline {
                    true => Led::Out,
                    false => Led::Wait(Await::Readable(deadline.min(now + SLICE))),
                }
            }
            Ok(_) | Err(_) => Led::Out,
        }
    }
}

/// A verdict, or what to wait for until there is one. `NeedMore` stands for a connection without
/// anything to answer.
fn read_request(
    socket: &mut Transport,
    bytes: &mut Vec<u8>,
    began: Instant,
    caller: Caller,
    sender: &Sender<'_>,
    now: Instant,
) -> Result<Parsed, Await> {
    let hosts = match caller.is_unix() {
        true => Hosts::Any,
        false => sender.config.hosts(),
    };
    let mut chunk = [0; MAX_REQUEST];
    loop {
        // Never nothing: at MAX_REQUEST bytes there is a verdict.
        match socket.read(&mut chunk[..MAX_REQUEST - bytes.len()]) {
            Ok(0) => return Ok(Parsed::NeedMore),
            Ok(count) => {
                bytes.extend_from_slice(&chunk[..count]);
                let parsed = request::parse(bytes, hosts);
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
        0 if socket.is_handshaking() => (REQUEST, Parsed::NeedMore),
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
    socket: &mut Transport,
    spill: &mut Spill,
    began: Instant,
    sender: &Sender<'_>,
    now: Instant,
) -> Led<'a> {
    while !spill.is_empty() {
        match spill.write_to(&mut *socket) {
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
    socket: &mut Transport,
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

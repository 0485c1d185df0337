//! What each route is answered with, and who may ask for it.
//!
//! Not here: reading the request, waiting for what takes time, and sending (`connection`).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use shm_ring::FrameInfo;
use worker::message::{Answer, Ask};
use worker::status::Status;
use worker::{Seat, Viewer, Wants, status, unix_ns};

use super::{Connection, Led, Phase, Then, say, say_bytes};
use crate::Sender;
use crate::beginning::Beginning;
use crate::clip::{self, Clip, Cut};
use crate::convert::Shared;
use crate::end::End;
use crate::framing::Framing;
use crate::http::ask::StreamAsk;
use crate::http::clip::ClipAsk;
use crate::http::controls::{self, Rules};
use crate::http::gate::{Verdict, gate};
use crate::http::mjpg::{self, Command};
use crate::http::multipart::Clocks;
use crate::http::reply::{self, Code, Reply};
use crate::http::request::{Parsed, Post, Request};
use crate::http::route::{Route, route};
use crate::http::{cors, health, metrics, page, state};
use crate::snapshot::{self, Snapshot};
use crate::stream::Stream;
use worker::when::When;

impl<'a> Connection<'a> {
    pub(super) fn answer(&mut self, verdict: Parsed, now: Instant) -> Led<'a> {
        let Request {
            head_only,
            path,
            query,
            post,
            authorization,
            origin,
            forwarded_for,
        } = match verdict {
            Parsed::Request(request) => request,
            Parsed::Reject(reject) => {
                tracing::debug!("{}: {}", self.caller, reject.why);
                return say(reject.into(), false, now);
            }
            Parsed::Options { takes_post } => {
                let allow_origin = self.sender.config.allow_origin.as_ref();
                return say(cors::options(takes_post, allow_origin), false, now);
            }
            Parsed::NeedMore => return Led::Out, // nothing was asked
        };
        self.caller = self.caller.speaking_for(forwarded_for);
        self.origin = origin;
        let route = route(&path, &query);
        if let Some(guard) = &self.sender.guard {
            match gate(&route, || guard.recognise(authorization.as_ref())) {
                Verdict::Enter(user) => self.user = user,
                Verdict::Ask => return say(unauthorized(), head_only, now),
                Verdict::Deny => {
                    guard.complain(&self.caller.host(), now);
                    return Led::To(Phase::Denied(now, head_only));
                }
            }
        }
        let reply = match route {
            Route::Stream(ask) => return self.http_stream(&ask, head_only, now),
            Route::Snapshot {
                at: None | Some(When::Next),
            } => {
                let snapshot = Snapshot::new(self.sender, now);
                return Led::To(Phase::Snapshot(snapshot, head_only));
            }
            Route::Snapshot { at: Some(at) } => self.past(at),
            Route::Clip(ask) => return self.clip(&ask, head_only, now),
            Route::Status => as_json(serde_json::to_vec(&status(self.sender))),
            Route::State => as_json(state::state(
                &status(self.sender),
                self.sender.config.quality,
            )),
            Route::Metrics => metrics::metrics(&status(self.sender), status::private_bytes),
            Route::Health { within } => health::health(&status::liveness(self.sender.ring), within),
            Route::History => as_json(serde_json::to_vec(&self.sender.board.history())),
            Route::InputJson => return self.ask(Ask::List, Then::InputJson, head_only, now),
            Route::ProgramJson => mjpg::program_json(&status(self.sender)),
            Route::Command(query) => return self.command(&query, head_only, now),
            Route::Controls => return self.controls(post, head_only, now),
            Route::Page => page::page(),
            Route::Invalid(why) => Reply::error(Code::BadRequest, &why),
            Route::NotFound => Reply::error(
                Code::NotFound,
                "Here are: / (the page), /stream, /snapshot, /clip, /controls, /status, /state, /metrics, /healthz and /history.",
            ),
        };
        say(reply, head_only, now)
    }

    fn http_stream(&self, ask: &StreamAsk, head_only: bool, now: Instant) -> Led<'a> {
        let board = self.sender.board;
        if head_only {
            // The stream itself may be asked for next: no seat is kept, no refusal counted.
            return match board.take_seat() {
                Some(_) => {
                    let begins = Beginning::new(ask, number(), self.sender, now);
                    say_bytes(&reply::stream_head(&begins.headers), now)
                }
                None => say(full(board.seats()), head_only, now),
            };
        }
        match self.take_seat() {
            Some(seat) => self.stream(Framing::Multipart(ask.wants), ask, seat, now),
            None => say(full(board.seats()), head_only, now),
        }
    }

    fn past(&self, at: When) -> Reply {
        let unix_ns = unix_ns();
        match snapshot::held(self.sender, at.offset(unix_ns), unix_ns) {
            Ok((info, jpeg)) => snapshot_reply(self.sender, &info, jpeg),
            Err(why) => Reply::error(Code::NotFound, &why),
        }
    }

    fn clip(&self, ask: &ClipAsk, head_only: bool, now: Instant) -> Led<'a> {
        if !clip::has_room(self.sender.board) {
            let why = "As many clips are being sent as there may be. Try again later.";
            return say(Reply::error(Code::Unavailable, why), head_only, now);
        }
        match Cut::new(ask, self.sender) {
            Ok(cut) if head_only => say_bytes(&cut.head, now),
            Ok(mut cut) => {
                if let Some(allow) = &self.sender.config.allow_origin {
                    allow.mark(&mut cut.head);
                }
                let viewer = Viewer {
                    addr: self.caller.address(),
                    via: self.caller.via(),
                    user: self.user.map(|user| user.name.clone()),
                    protocol: Cow::Borrowed(clip::PROTOCOL),
                    key: None,
                    id: number(),
                    wants: Wants::default(),
                };
                let clip = Clip::new(cut, &viewer, self.slot, self.sender, now);
                Led::To(Phase::Clip(Box::new(clip)))
            }
            Err(reply) => say(reply, head_only, now),
        }
    }

    fn controls(&self, post: Option<Post>, head_only: bool, now: Instant) -> Led<'a> {
        let rules = self.rules();
        let ask = match post.map(|post| controls::settings(&post, rules)) {
            None => Ask::List,
            Some(Ok(settings)) => Ask::Set(settings),
            Some(Err(reply)) => return say(reply, head_only, now),
        };
        self.ask(ask, Then::Say, head_only, now)
    }

    fn command(&self, query: &str, head_only: bool, now: Instant) -> Led<'a> {
        if head_only {
            let reply = Reply {
                headers: "Allow: GET\r\n".into(),
                ..Reply::error(Code::MethodNotAllowed, "A command is given by GET.")
            };
            return say(reply, head_only, now);
        }
        let permitted = match self.rules().refusal_of_get() {
            Some(why) => Err(Reply::error(Code::Forbidden, why)),
            None => Ok(()),
        };
        match permitted.and_then(|()| Command::new(query)) {
            Ok(command) => self.ask(Ask::List, Then::Give(command), head_only, now),
            Err(reply) => say(reply, head_only, now),
        }
    }

    /// Asks the supervisor.
    fn ask(&self, ask: Ask, then: Then, head_only: bool, now: Instant) -> Led<'a> {
        match self.sender.desk.ask(ask) {
            Ok(question) => Led::To(Phase::Controls(question, now, head_only, then)),
            Err(error) => {
                tracing::debug!("the supervisor cannot be asked: {error}");
                self.answered(None, then, head_only, now)
            }
        }
    }

    /// It has answered; none: not in time.
    pub(super) fn answered(
        &self,
        answer: Option<Answer>,
        then: Then,
        head_only: bool,
        now: Instant,
    ) -> Led<'a> {
        let reply = match then {
            Then::Say => controls::reply(answer, self.rules()),
            Then::InputJson => mjpg::input_json(answer, &status(self.sender)),
            Then::Given(command) => command.reply(answer),
            Then::Give(command) => match answer {
                Some(Ok(controls)) => match command.setting(&controls) {
                    Ok(setting) => {
                        let ask = Ask::Set(vec![setting]);
                        return self.ask(ask, Then::Given(command), head_only, now);
                    }
                    Err(reply) => reply,
                },
                other => command.reply(other),
            },
        };
        say(reply, head_only, now)
    }

    fn rules(&self) -> Rules<'_> {
        let config = self.sender.config;
        Rules {
            read_only: config.read_only,
            loopback_only: config.loopback_only,
            allow_origin: config.allow_origin.as_ref(),
            rights: self.user.map(|user| user.rights),
            origin: &self.origin,
        }
    }

    /// A seat for the viewer; if there is none, that is counted and said.
    pub(super) fn take_seat(&self) -> Option<Seat<'a>> {
        let board = self.sender.board;
        let seat = board.take_seat();
        if seat.is_none() {
            board.add_refused();
            let caller = self.caller;
            tracing::info!("viewer {caller} turned away: all places are taken");
        }
        seat
    }

    /// Whether the viewer's address has more streams with this one than it may have: so many. Each says who it is
    /// before it counts, so no two get the last place; but both may be turned away.
    fn is_one_too_many(&self, viewer: &Viewer) -> Option<usize> {
        let most = self.sender.config.per_address?;
        self.slot.set_viewer(Some(viewer));
        let host = viewer.host();
        let board = self.sender.board;
        let is_stream_there = |other: &Viewer| other.host() == host && !clip::is_clip(other);
        if board.count_viewers(is_stream_there) <= most {
            return None;
        }
        self.slot.set_viewer(None);
        board.add_refused();
        let address = &viewer.addr;
        tracing::info!("viewer {address} turned away: its address has all places that it may have");
        Some(most)
    }

    pub(super) fn stream(
        &self,
        framing: Framing,
        ask: &StreamAsk,
        seat: Seat<'a>,
        now: Instant,
    ) -> Led<'a> {
        let id = number();
        let begins = Beginning::new(ask, id, self.sender, now);
        let viewer = Viewer {
            addr: self.caller.address(),
            via: self.caller.via(),
            user: self.user.map(|user| user.name.clone()),
            protocol: Cow::Borrowed(framing.name()),
            key: ask.key.clone(),
            id,
            wants: ask.wants,
        };
        if let Some(most) = self.is_one_too_many(&viewer) {
            drop(seat);
            return match framing {
                Framing::Raw => Led::Out,
                Framing::Multipart(_) => say(too_many(most), false, now),
            };
        }
        let stream = Stream::new(&viewer, framing, begins, self.slot, seat, self.sender, now);
        let mut stream = Box::new(stream);
        match stream.set_up(&self.socket) {
            Ok(()) => Led::To(Phase::Stream(stream)),
            Err(error) => {
                stream.ended(&End::from(error), now);
                Led::Out
            }
        }
    }
}

/// A number that hardly another viewer has: the process and the moment, well mixed (splitmix64).
fn number() -> u64 {
    let mixed = unix_ns() ^ u64::from(std::process::id()) << 40;
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
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

fn too_many(most: usize) -> Reply {
    let streams = if most == 1 { "stream" } else { "streams" };
    let sentence = format!(
        "Your address may have {most} {streams} at once. Close one, or start seqcast with more --clients-per-address."
    );
    Reply::error(Code::Unavailable, &sentence)
}

pub(super) fn unauthorized() -> Reply {
    let why = "A name and a password are wanted here.";
    Reply::error(Code::Unauthorized, why)
}

pub(super) fn snapshot_reply(sender: &Sender<'_>, info: &FrameInfo, jpeg: Shared) -> Reply {
    let name = sender.config.instance.name();
    Reply::snapshot(name, info, Arc::unwrap_or_clone(jpeg), Clocks::now())
}

fn status(sender: &Sender<'_>) -> Status {
    status::collect(&sender.config.instance, sender.board, sender.ring, false)
}

fn as_json(json: serde_json::Result<Vec<u8>>) -> Reply {
    match json {
        Ok(json) => Reply::ok("application/json", json),
        Err(error) => {
            tracing::error!("the status cannot be shown as JSON: {error}");
            Reply::error(Code::InternalError, "The status cannot be shown.")
        }
    }
}

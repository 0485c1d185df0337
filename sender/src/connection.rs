//! One connection's life: read one request, give one answer, close.
//!
//! Not here: what a request is (`http`), and a stream once it has begun (`stream`).

use std::borrow::Cow;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use worker::{Viewer, signals, status, title};

use crate::http::page;
use crate::http::reply::{self, Code, Reply};
use crate::http::request::{self, MAX_HEAD, Parsed, Request};
use crate::http::route::{Route, route};
use crate::{Sender, snapshot, socket, stream};

/// For the whole request to arrive.
const REQUEST: Duration = Duration::from_secs(5);
/// For its first byte: the listener has waited for it before it gave the connection out.
const FIRST_BYTE: Duration = Duration::from_secs(2);
/// For any of them when nobody is left to answer the next one.
const WHEN_SHORT: Duration = Duration::from_millis(250);
/// For a reply to be taken.
const REPLY: Duration = Duration::from_secs(30);
/// For that when nobody is left.
const REPLY_WHEN_SHORT: Duration = Duration::from_secs(1);
/// For the client to close after it.
const LINGER: Duration = Duration::from_secs(1);

/// Serves a connection that has just been accepted.
pub(crate) fn serve(socket: &TcpStream, address: SocketAddr, sender: &Sender<'_>) {
    // A viewer over IPv4 on an IPv6 socket is shown as what it is.
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let request = match read_request(socket, sender) {
        Parsed::Request(request) => request,
        Parsed::Reject(reject) => {
            tracing::debug!("{address}: {}", reject.why);
            return send(socket, reject.into(), false, sender);
        }
        Parsed::NeedMore => return,
    };
    let Request {
        head_only,
        path,
        query,
    } = request;
    let reply = match route(&path, &query) {
        Route::Stream { key } => {
            let Some(seat) = sender.board.take_seat() else {
                if !head_only {
                    sender.board.add_refused();
                    tracing::info!("viewer {address} turned away: all places are taken");
                }
                return send(socket, full(sender.board.seats()), head_only, sender);
            };
            if head_only {
                drop(seat); // the stream itself may be asked for next
                return send_bytes(socket, &reply::stream_head(), sender);
            }
            let viewer = Viewer {
                addr: address,
                protocol: Cow::Borrowed("http-stream"),
                key,
            };
            title::set(&format!("seqcast: sender {address}"));
            stream::serve(socket, &viewer, sender);
            return title::set(crate::IDLE_TITLE);
        }
        Route::Snapshot => snapshot_reply(sender),
        Route::Status => status_reply(sender),
        Route::Page => page::page(),
        Route::NotFound => Reply::error(
            Code::NotFound,
            "Here are: / (the page), /stream, /snapshot and /status.",
        ),
    };
    send(socket, reply, head_only, sender);
}

/// Reads until there is a verdict. `NeedMore` stands for a connection without anything to answer.
fn read_request(mut socket: &TcpStream, sender: &Sender<'_>) -> Parsed {
    let began = Instant::now();
    let mut bytes = [0; MAX_HEAD];
    let mut filled = 0;
    loop {
        match socket.read(&mut bytes[filled..]) {
            Ok(0) => return Parsed::NeedMore,
            Ok(count) => {
                filled += count;
                let parsed = request::parse(&bytes[..filled], sender.config.loopback_only);
                if parsed != Parsed::NeedMore {
                    return parsed;
                }
            }
            Err(error) if socket::is_later(&error) => {
                let deadline = began + REQUEST;
                if socket::wait(socket, PollFlags::POLLIN, deadline).is_err() {
                    return Parsed::NeedMore;
                }
            }
            Err(_) => return Parsed::NeedMore,
        }
        // A browser's spare connection has said nothing and expects nothing.
        let (limit, verdict) = match filled {
            0 => (FIRST_BYTE, Parsed::NeedMore),
            _ => (REQUEST, Parsed::Reject(request::TOO_LATE)),
        };
        if !go_on(sender) || began.elapsed() >= patience(limit, sender) {
            return verdict;
        }
    }
}

fn send(socket: &TcpStream, reply: Reply, head_only: bool, sender: &Sender<'_>) {
    send_bytes(socket, &reply.into_bytes(head_only), sender);
}

fn send_bytes(socket: &TcpStream, bytes: &[u8], sender: &Sender<'_>) {
    let began = Instant::now();
    let taken = socket::write_all(socket, bytes, began + REPLY, || {
        // A reply that is under way is worth more time than a silence.
        go_on(sender) && began.elapsed() < patience(REPLY, sender).max(REPLY_WHEN_SHORT)
    });
    if taken.is_ok() {
        let began = Instant::now();
        socket::linger(socket, began + LINGER, || {
            go_on(sender) && began.elapsed() < patience(LINGER, sender)
        });
    }
}

/// How long to wait for a client that makes others wait.
fn patience(limit: Duration, sender: &Sender<'_>) -> Duration {
    match sender.board.idle_senders() {
        0 => limit.min(WHEN_SHORT),
        _ => limit,
    }
}

/// Shows life; asked after every wait.
fn go_on(sender: &Sender<'_>) -> bool {
    sender.cell.beat();
    !signals::stopping()
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

fn snapshot_reply(sender: &Sender<'_>) -> Reply {
    match snapshot::take(sender.ring, || go_on(sender)) {
        Ok((info, jpeg)) => Reply::snapshot(info.id, info.meta.captured_ns, jpeg),
        Err(why) => Reply::error(Code::Unavailable, &why),
    }
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

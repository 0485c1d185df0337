//! What `serve` tells the person who started it: where to look, what is shown, how to stop; and
//! at the end what came of it.
//!
//! Not here: events while it runs (they are logged), and `status`.

use std::time::Duration;

use sender::auth::Users;
use shm_ring::{Reader, Signal};
use worker::status::{Status, Worker};
use worker::{Board, CAPTURE_CELL, SourceInfo};

use crate::address::Place;
use crate::output::say;
use crate::policy::Moment;
use crate::{address, units};

/// A source that shows nothing for so long is announced as it is.
const PATIENCE: Duration = Duration::from_secs(3);

/// Prints where the instance answers over `http` and sends `raw` frames; `tls`: HTTP over TCP is
/// encrypted.
pub fn addresses(http: &[Place], raw: &[Place], tls: bool) {
    let scheme = if tls { "https" } else { "http" };
    for at in address::reachable(http) {
        say!("page      {scheme}://{at}/");
        say!("stream    {scheme}://{at}/stream");
        say!("snapshot  {scheme}://{at}/snapshot");
    }
    for place in http {
        if let Place::Unix(path) = place {
            let path = path.display();
            say!("stream    unix:{path}  (curl --unix-socket {path} http://localhost/stream)");
        }
    }
    for at in address::reachable(raw) {
        say!("raw       {at}  (BGR frames to whoever connects)");
    }
    for place in raw {
        if let Place::Unix(_) = place {
            say!("raw       {place}  (BGR frames to whoever connects)");
        }
    }
}

/// Prints who can look there; `users`: those who are asked for a password over HTTP; `tls`: over
/// TCP it is encrypted.
pub fn who_may(http: &[Place], raw: &[Place], users: Option<&Users>, tls: bool) {
    let tcp = http.iter().find_map(Place::tcp);
    let port = tcp.map_or(8080, |at| at.port());
    let (http_here, raw_here) = (address::loopback_only(http), address::loopback_only(raw));
    if http_here && raw_here {
        say!("          only this machine; for your network: --http 0.0.0.0:{port}");
    }
    match users {
        None if http_here && raw_here => {}
        None => say!("WARNING   anyone who reaches these addresses can look: there is no password"),
        Some(users) => {
            say!("password  {}", rights(users.count(), users.controlling()));
            if !http_here && !tls {
                say!(
                    "WARNING   names, passwords and pictures can be read on their way: this is plain HTTP (--tls-cert)"
                );
            }
            if !raw_here {
                say!(
                    "WARNING   anyone who reaches the raw address can look: raw frames know no password"
                );
            }
        }
    }
}

/// Prints how to stop it.
pub fn how_to_stop() {
    say!("stop      Ctrl-C");
}

/// Prints where frames are published to.
pub fn publishing(address: &broker::Address) {
    say!("publish   {address}");
}

/// Of so many users, how many may do what.
fn rights(users: usize, controlling: usize) -> String {
    let of_all = match users {
        1 => "1 user may look".to_owned(),
        _ => format!("{users} users may look"),
    };
    match controlling {
        0 => format!("{of_all}, none may set controls"),
        all if all == users => format!("{of_all} and set controls"),
        some => format!("{of_all}, {some} of them may set controls"),
    }
}

/// The part that waits for the source: said once, when the first frame is there or none is.
#[derive(Debug)]
pub struct Announcement {
    asked: String,
    done: bool,
}

impl Announcement {
    /// Nothing said yet; `asked`: the source, for people.
    pub fn new(asked: String) -> Self {
        Announcement { asked, done: false }
    }

    /// Whether all is said.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Prints the source as granted, once it is known.
    pub fn tick(&mut self, now: Moment, board: &Board, ring: &Reader) {
        if self.done {
            return;
        }
        let head = ring.bounds().head;
        let newest = ring.frame(head).ok().map(|frame| *frame.info());
        let granted = board.cell(CAPTURE_CELL).slot().source();
        let signal = ring.signal();
        match (granted, newest) {
            (Some(source), Some(frame)) if source.width > 0 => {
                say!("source    {}", describe(&source));
                say!("ring      {}", holds(ring.arena(), frame.len, source.fps));
            }
            _ if signal.signal == Signal::NoSignal => say!(
                "source    {}: no picture yet: {}; tried again every second",
                self.asked,
                signal.reason
            ),
            _ if now > PATIENCE => say!("source    {}: no picture yet", self.asked),
            _ => return,
        }
        self.done = true;
    }
}

/// A source in a line.
pub fn describe(source: &SourceInfo) -> String {
    let rate = if source.fps > 0.0 {
        format!(" at {} fps", source.fps)
    } else {
        String::new()
    };
    let what = match source.kind.as_str() {
        // Their details say the kind.
        "test" | "stdin" | "http" | "amqp" | "replay" => source.detail.clone(),
        kind => format!("{kind} {}", source.detail),
    };
    format!(
        "{what}, {}x{} {}{rate}",
        source.width, source.height, source.format
    )
}

/// How the instance does, in a line, for a service manager; `seats`: viewers that it takes.
pub fn condition(status: &Status, seats: usize) -> String {
    let source = &status.source;
    let state = source.fault.as_deref().unwrap_or(source.state);
    let why = match source.reason.as_str() {
        "" if source.width > 0 => format!("{}x{} {}", source.width, source.height, source.format),
        reason => reason.to_owned(),
    };
    let why = if why.is_empty() {
        why
    } else {
        format!(": {why}")
    };
    format!("{state}{why}; {} of {seats} viewers", status.totals.viewers)
}

/// How far back the ring reaches, judged by one frame.
fn holds(arena: u64, frame: usize, fps: f64) -> String {
    let frames = arena / frame.max(1) as u64;
    let arena = units::show_bytes(arena);
    if fps > 0.0 {
        let seconds = frames as f64 / fps;
        format!("{arena}, about {seconds:.0} s of frames like the first")
    } else {
        format!("{arena}, about {frames} frames like the first")
    }
}

/// Prints what came of it; `viewers` are those, and the bridge, who were there when the stop was asked for.
pub fn summary(status: &Status, viewers: &[Worker]) {
    let totals = &status.totals;
    let dropped: Vec<_> = status
        .source
        .dropped
        .iter()
        .map(|(cause, count)| format!("{cause} {count}"))
        .collect();
    let dropped = match dropped.as_slice() {
        [] => "none dropped".into(),
        causes => format!("dropped: {}", causes.join(", ")),
    };
    say!("captured  {} frames, {dropped}", totals.frames_captured);
    say!(
        "sent      {} frames, {} skipped, {} torn; {} streams refused",
        totals.frames_sent,
        totals.frames_skipped,
        totals.torn,
        totals.refused
    );
    for Worker {
        target,
        frames,
        skipped,
        ..
    } in viewers
    {
        if let Some(target) = target {
            say!("published {frames} frames to {target}, {skipped} skipped");
        }
    }
    for viewer in viewers {
        let Some(address) = &viewer.viewer else {
            continue;
        };
        say!(
            "viewer    {address}: {} sent, {} skipped",
            viewer.frames,
            viewer.skipped
        );
    }
    say!("restarts  {}", totals.restarts);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_in_a_line() {
        let mut source = SourceInfo {
            kind: "camera".into(),
            detail: "/dev/video0 (UVC)".into(),
            width: 1280,
            height: 720,
            format: "MJPG".into(),
            fps: 30.0,
        };
        assert_eq!(
            describe(&source),
            "camera /dev/video0 (UVC), 1280x720 MJPG at 30 fps"
        );
        (source.kind, source.detail) = ("stdin".into(), "standard input".into());
        source.fps = 0.0;
        assert_eq!(describe(&source), "standard input, 1280x720 MJPG");
    }

    #[test]
    fn how_many_may_what() {
        assert_eq!(rights(1, 0), "1 user may look, none may set controls");
        assert_eq!(rights(1, 1), "1 user may look and set controls");
        assert_eq!(rights(3, 1), "3 users may look, 1 of them may set controls");
    }

    #[test]
    fn how_far_back() {
        assert_eq!(
            holds(16 << 20, 100_000, 30.0),
            "16 MiB, about 6 s of frames like the first"
        );
        assert_eq!(
            holds(16 << 20, 1 << 20, 0.0),
            "16 MiB, about 16 frames like the first"
        );
    }
}

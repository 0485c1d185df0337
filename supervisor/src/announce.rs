//! What `serve` tells the person who started it: where to look, what is shown, how to stop; and
//! at the end what came of it.
//!
//! Not here: events while it runs (they are logged), and `status`.

use std::net::SocketAddr;
use std::time::Duration;

use shm_ring::{Reader, Signal};
use worker::status::{Status, Worker};
use worker::{Board, CAPTURE_CELL, SourceInfo};

use crate::output::say;
use crate::policy::Moment;
use crate::{address, units};

/// A source that shows nothing for so long is announced as it is.
const PATIENCE: Duration = Duration::from_secs(3);

/// Prints where the instance answers over `http` and sends `raw` frames, and who can look.
pub fn addresses(http: &[SocketAddr], raw: &[SocketAddr]) {
    for at in address::reachable(http) {
        say!("page      http://{at}/");
        say!("stream    http://{at}/stream");
        say!("snapshot  http://{at}/snapshot");
    }
    for at in address::reachable(raw) {
        say!("raw       {at}  (BGR frames to whoever connects)");
    }
    let port = http.first().map_or(8080, SocketAddr::port);
    if address::loopback_only(http) && address::loopback_only(raw) {
        say!("          only this machine; for your network: --http 0.0.0.0:{port}");
    } else {
        say!("WARNING   anyone who reaches these addresses can look: there is no password");
    }
    say!("stop      Ctrl-C");
}

/// Prints where frames are published to.
pub fn publishing(address: &broker::Address) {
    say!("publish   {address}");
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
        "test" | "stdin" | "http" | "amqp" => source.detail.clone(),
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

//! Starts a server of each design.
//!
//! Not here: who watches it, what is measured, and whether the machine carries it (`limits`).

mod originals;
mod ours;
mod peers;
mod port;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bench::jpeg::Material;
use bench::process::Process;
use bench::reference;

use crate::record::{Case, Design, Frames};

pub use originals::{BROKER, ORIGINALS};

/// What servers are started from.
pub struct Parts {
    /// The binary `seqcast`.
    pub seqcast: PathBuf,
    /// A Python 3, for the originals; with pika for that of 2019.
    pub python: PathBuf,
    /// A V4L2 device for a server that takes its frames from nowhere else.
    pub device: Option<PathBuf>,
    /// What is sent.
    pub material: Material,
}

/// A server that serves. Its processes end with it.
pub struct Served {
    /// In the order in which they end.
    pub processes: Vec<Process>,
    /// What stands for a camera, and is not counted; ours and the originals have theirs inside.
    pub camera: Option<Process>,
    /// As `bench::drain` names it; the broker's port of the design of 2019.
    pub stream: String,
    /// Who is hit by a kill.
    pub victim: Victim,
    /// Files that it works with.
    _files: Option<tempfile::TempDir>,
}

/// The process that serves a viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Victim {
    /// One of seqcast's senders that has a viewer, of the instance of that name.
    Sender(String),
    /// A child of the server's process.
    Child,
    /// The only one.
    Only,
    /// The Erlang machine of that pid.
    Broker(i32),
}

impl Served {
    /// A server that is one process.
    fn one(process: Process, stream: String) -> Served {
        Served {
            processes: vec![process],
            camera: None,
            stream,
            victim: Victim::Only,
            _files: None,
        }
    }

    /// The processes from which all others of the server descend.
    pub fn roots(&self) -> Vec<i32> {
        self.processes.iter().map(Process::pid).collect()
    }

    /// As a shell takes them.
    pub fn commands(&self) -> Vec<String> {
        let all = self.camera.iter().chain(&self.processes);
        all.map(|process| process.command().to_owned()).collect()
    }

    /// Ends it.
    ///
    /// # Errors
    /// Where a process had to be killed.
    pub fn stop(&mut self) -> Result<()> {
        for process in self.processes.iter_mut().chain(&mut self.camera) {
            process.stop()?;
        }
        Ok(())
    }
}

/// Starts the server of a case with room for its clients, and returns when it serves.
///
/// # Errors
/// Where it does not come up; nothing is left of it then.
pub fn start(case: &Case, parts: &Parts) -> Result<Served> {
    match case.design {
        Design::Process | Design::ProcessOf5 | Design::Thread | Design::Multiplex => {
            ours::start(case, parts)
        }
        Design::Epoll => reference(reference::Kind::Epoll, parts),
        Design::Forked => reference(reference::Kind::Forked, parts),
        Design::Threads2017 => originals::threads(case.frames, parts),
        Design::Rabbitmq2019 => originals::rabbitmq(case.frames, parts),
        Design::Gstreamer => peers::gstreamer(parts),
        Design::MjpgStreamer => peers::mjpg_streamer(parts),
        Design::Ustreamer => peers::ustreamer(parts),
        Design::Ffmpeg => peers::ffmpeg(parts),
    }
    .with_context(|| format!("{:?} does not come up", case.design))
}

/// What of a design is missing on this machine, and how to get it; none where all is there.
///
/// # Errors
/// Where it cannot be found out.
pub fn missing(design: Design, parts: &Parts) -> Result<Option<String>> {
    match design {
        Design::Process | Design::ProcessOf5 | Design::Thread | Design::Multiplex => Ok(None),
        Design::Epoll | Design::Forked => Ok(None),
        Design::Threads2017 | Design::Rabbitmq2019 => originals::missing(design, parts),
        Design::Gstreamer | Design::MjpgStreamer | Design::Ustreamer | Design::Ffmpeg => {
            Ok(peers::missing(design, parts))
        }
    }
}

fn reference(kind: reference::Kind, parts: &Parts) -> Result<Served> {
    let (process, address) = reference::start(kind, &parts.material.still())?;
    let mut served = Served::one(process, format!("http://{address}/stream"));
    if kind == reference::Kind::Forked {
        served.victim = Victim::Child;
    }
    Ok(served)
}

/// `WIDTHxHEIGHT`
fn size(frames: Frames) -> &'static str {
    match frames {
        Frames::Raw160 => "160x120",
        Frames::Raw640 => "640x480",
        Frames::Jpeg720 => "1280x720",
    }
}

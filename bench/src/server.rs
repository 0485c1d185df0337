//! Starts and stops the servers: seqcast and the references.
//!
//! Whatever way a [`Server`] is left, its processes end with it.
//! Not here: who watches them, and what they cost.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use crate::FPS;
use crate::jpeg::Material;
use crate::reference;
use crate::sys;

/// For a server to serve, and again for it to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
const GLANCE: Duration = Duration::from_millis(50);

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ours.
    Seqcast,
    /// One that does less.
    Reference(reference::Kind),
}

/// (a)
pub const EPOLL: Kind = Kind::Reference(reference::Kind::Epoll);
/// (b)
pub const FORKED: Kind = Kind::Reference(reference::Kind::Forked);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Kind::Seqcast => "seqcast",
            EPOLL => "(a) one epoll process",
            Kind::Reference(_) => "(b) a forked process per socket",
        })
    }
}

/// What servers are started from.
pub struct Parts {
    /// The binary `seqcast`.
    pub seqcast: PathBuf,
    /// What it is started with beside what each run needs.
    pub options: Vec<String>,
    /// What is sent.
    pub material: Material,
}

/// A server that serves.
pub struct Server {
    kind: Kind,
    process: Child,
    /// Of the stream.
    pub url: String,
    /// Of seqcast: which process is what. Empty of references.
    pub workers: Vec<Worker>,
}

/// A process of seqcast, as its status says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Worker {
    /// `capture` or `sender`.
    pub role: String,
    pub pid: i32,
    state: String,
}

/// What is needed of `seqcast status --json`.
#[derive(Debug, Deserialize)]
struct Status {
    http: String,
    source: Source,
    viewers_per_sender: usize,
    workers: Vec<Worker>,
}

#[derive(Debug, Deserialize)]
struct Source {
    state: String,
    reason: String,
}

impl Server {
    /// Starts it with room for `viewers` and returns when it serves.
    ///
    /// # Errors
    /// Where it does not come up; nothing is left of it then.
    pub fn start(kind: Kind, viewers: usize, parts: &Parts) -> Result<Server> {
        match kind {
            Kind::Seqcast => Server::seqcast(viewers, parts),
            Kind::Reference(which) => Server::reference(which, parts),
        }
        .with_context(|| format!("{kind} does not start"))
    }

    /// The process from which all others of this server descend.
    pub fn root(&self) -> i32 {
        self.process.id() as i32
    }

    /// Ends it.
    ///
    /// # Errors
    /// Where it had to be killed.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn seqcast(viewers: usize, parts: &Parts) -> Result<Server> {
        let name = format!("fanout-{}", std::process::id());
        let mut command = Command::new(&parts.seqcast);
        command
            .args(["--clients", &viewers.to_string()])
            .arg("--source")
            .arg(parts.material.movie())
            .args(["--fps", &FPS.to_string(), "--http", "127.0.0.1:0"])
            .args(["--name", &name, "--log", "warn"])
            .args(&parts.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = sys::stop_with_us(&mut command)
            .spawn()
            .with_context(|| parts.seqcast.display().to_string())?;
        let mut server = Server {
            kind: Kind::Seqcast,
            process,
            url: String::new(),
            workers: Vec::new(),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(code) = server.process.try_wait()? {
                bail!("it ended with {code}");
            }
            let status = status(&parts.seqcast, &name)?;
            if let Some(status) = &status
                && status.is_ready(viewers)
            {
                server.url = format!("http://{}/stream", status.http);
                server.workers.clone_from(&status.workers);
                return Ok(server);
            }
            if Instant::now() >= deadline {
                let source = status.map(|status| status.source);
                let said = source.map_or("no status".to_owned(), |source| {
                    format!("source {}, {}", source.state, source.reason)
                });
                bail!("it does not serve after {} s: {said}", PATIENCE.as_secs());
            }
            sleep(GLANCE);
        }
    }

    fn reference(which: reference::Kind, parts: &Parts) -> Result<Server> {
        let kind = match which {
            reference::Kind::Epoll => "epoll",
            reference::Kind::Forked => "forked",
        };
        let mut process = Command::new(std::env::current_exe()?)
            .args(["reference", kind])
            .arg(parts.material.still())
            .arg(FPS.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take();
        let mut server = Server {
            kind: Kind::Reference(which),
            process,
            url: String::new(),
            workers: Vec::new(),
        };
        let mut address = String::new();
        BufReader::new(stdout.context("its standard output is piped")?).read_line(&mut address)?;
        ensure!(!address.is_empty(), "it ended before it said its address");
        server.url = format!("http://{}/stream", address.trim_end());
        Ok(server)
    }

    /// Asks it to end, waits, and kills it if need be. Does nothing the second time.
    fn end(&mut self) -> Result<()> {
        if self.process.try_wait()?.is_some() {
            return Ok(());
        }
        match self.kind {
            // Not reaped, so the pid is still its own.
            Kind::Seqcast => kill(Pid::from_raw(self.root()), Signal::SIGTERM)?,
            Kind::Reference(_) => drop(self.process.stdin.take()),
        }
        let deadline = Instant::now() + PATIENCE;
        while self.process.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                self.process.kill()?;
                self.process.wait()?;
                bail!("{} did not end when asked", self.kind);
            }
            sleep(GLANCE);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(e) = self.end() {
            eprintln!("fanout: {e:#}");
        }
    }
}

impl Status {
    fn is_ready(&self, viewers: usize) -> bool {
        let idle = self.workers.iter().filter(|worker| worker.is_idle_sender());
        self.source.state == "live" && idle.count() * self.viewers_per_sender >= viewers
    }
}

impl Worker {
    /// Waits for a viewer.
    pub fn is_idle_sender(&self) -> bool {
        self.role == "sender" && self.state == "idle"
    }
}

/// None while there is no such instance.
fn status(seqcast: &Path, name: &str) -> Result<Option<Status>> {
    let output = Command::new(seqcast)
        .args(["status", "--json", "--name", name])
        .stderr(Stdio::null())
        .output()?;
    if !output.status.success() {
        return Ok(None);
    }
    let status = serde_json::from_slice(&output.stdout).context("its status")?;
    Ok(Some(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_a_live_source_and_room_for_each_viewer() {
        let json = r#"{"http": "127.0.0.1:1", "source": {"state": "live", "reason": ""}, "viewers_per_sender": 1, "workers": [
            {"role": "capture", "pid": 1, "state": "serving"},
            {"role": "sender", "pid": 2, "state": "idle"},
            {"role": "sender", "pid": 3, "state": "starting"}]}"#;
        let mut status: Status = serde_json::from_str(json).unwrap();
        assert!(status.is_ready(1));
        assert!(!status.is_ready(2));
        status.viewers_per_sender = 2;
        assert!(status.is_ready(2));
        status.source.state = "starting".into();
        assert!(!status.is_ready(1));
    }
}

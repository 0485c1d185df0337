//! Starts seqcast and asks what it does.
//!
//! Not here: which options are measured, who watches, and what it costs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::FPS;
use crate::process::{Ask, GLANCE, PATIENCE, Process};

/// An instance that serves.
#[derive(Debug)]
pub struct Seqcast {
    /// The supervisor.
    pub process: Process,
    /// What it said when it had room for all.
    pub status: Status,
}

/// What is needed of `seqcast status --json`.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    /// Address of the HTTP listener.
    pub http: String,
    /// Address of the raw listener.
    #[serde(default)]
    pub raw: Option<String>,
    source: Source,
    viewers_per_sender: usize,
    /// Its processes, but for the supervisor.
    pub workers: Vec<Worker>,
}

#[derive(Debug, Clone, Deserialize)]
struct Source {
    state: String,
    reason: String,
}

/// A process of seqcast.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Worker {
    /// `capture` or `sender`.
    pub role: String,
    /// Its pid.
    pub pid: i32,
    state: String,
}

impl Seqcast {
    /// Starts it under that name with room for `viewers`, and returns when it has live frames and a sender for each.
    ///
    /// # Errors
    /// Where it does not come up; nothing is left of it then.
    pub fn start(binary: &Path, name: &str, viewers: usize, options: &[String]) -> Result<Seqcast> {
        let mut command = Command::new(binary);
        command
            .args(["--clients", &viewers.to_string()])
            .args(["--fps", &FPS.to_string(), "--http", "127.0.0.1:0"])
            .args(["--name", name, "--log", "error"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut process = Process::start("seqcast", &mut command, Ask::Terminate)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(code) = process.ended()? {
                bail!("seqcast ended with {code}: {}", process.command());
            }
            let status = status(binary, name)?;
            match status {
                Some(status) if status.is_ready(viewers) => {
                    return Ok(Seqcast { process, status });
                }
                status if Instant::now() >= deadline => {
                    let source = status.map(|status| status.source);
                    let said = source.map_or("no status".to_owned(), |source| {
                        format!("source {}, {}", source.state, source.reason)
                    });
                    let seconds = PATIENCE.as_secs();
                    bail!("seqcast does not serve after {seconds} s: {said}");
                }
                _ => sleep(GLANCE),
            }
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

    /// Has one.
    pub fn is_serving_sender(&self) -> bool {
        self.role == "sender" && self.state == "serving"
    }
}

/// What the instance of that name says; none while there is no such instance.
///
/// # Errors
/// Where the program does not run, or what it says is no status.
pub fn status(binary: &Path, name: &str) -> Result<Option<Status>> {
    let output = Command::new(binary)
        .args(["status", "--json", "--name", name])
        .stderr(Stdio::null())
        .output()
        .with_context(|| binary.display().to_string())?;
    if !output.status.success() {
        return Ok(None);
    }
    let status = serde_json::from_slice(&output.stdout).context("its status")?;
    Ok(Some(status))
}

/// The binary to measure: the one that was named, or that beside the program that runs.
///
/// # Errors
/// Where there is none.
pub fn find(named: Option<&Path>) -> Result<std::path::PathBuf> {
    let beside = || Ok::<_, anyhow::Error>(std::env::current_exe()?.with_file_name("seqcast"));
    let path = named.map_or_else(beside, |path| Ok(path.to_owned()))?;
    ensure!(
        path.is_file(),
        "no {}: build it with `cargo build --release -p supervisor`, or name it with --seqcast",
        path.display()
    );
    Ok(path)
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
        assert_eq!(status.raw, None);
    }
}

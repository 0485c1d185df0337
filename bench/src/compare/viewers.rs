//! The viewers of a server: `bench::drain` for all, but for the design of 2019, whose protocol only its own consumers
//! speak, a process each; they write down what came when, and the account is kept by `watch` all the same.
//!
//! Not here: what is made of the report (`outcome`).

use std::io::{BufReader, Read as _};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use bench::drain::{self, Drain, Report};
use bench::process::{Ask, Process};
use nix::sys::signal::Signal;
use watch::recorded::{Arrived, Recording};

use crate::launch::{BROKER, ORIGINALS};
use crate::stop;

/// Connections are opened over this time, each at its own place in it (see `watch::Options::spread`): a server whose
/// readers sleep is not to have them all sleep in step.
const SPREAD: Duration = Duration::from_secs(1);

/// When and how long viewer 0 does not read, since the viewers were started.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stall {
    pub at: Duration,
    pub duration: Duration,
}

/// They end with it.
pub struct Viewers {
    pub began: Instant,
    began_ns: u64,
    duration: Duration,
    kind: Kind,
}

enum Kind {
    Drain(Drain),
    Consumers(Consumers),
}

struct Consumers {
    all: Vec<Consumer>,
    stall: Option<Stall>,
    resumed_ns: Option<u64>,
}

struct Consumer {
    process: Process,
    output: BufReader<ChildStdout>,
}

impl Viewers {
    /// Starts them for so long. Consumers have all subscribed when this returns; connections of the others are made
    /// afterwards.
    ///
    /// # Errors
    /// Where they do not start.
    pub fn start(
        stream: &str,
        count: u16,
        duration: Duration,
        stall: Option<Stall>,
        python: &Path,
    ) -> Result<Viewers> {
        let kind = match stream.strip_prefix(BROKER) {
            Some(port) => Kind::Consumers(Consumers {
                all: consumers(port, count, python)?,
                stall,
                resumed_ns: None,
            }),
            None => Kind::Drain(Drain::start(&drain::Args {
                spread: SPREAD.as_secs_f64(),
                stall_at: stall.map(|stall| stall.at.as_secs_f64()),
                stall_for: stall.map(|stall| stall.duration.as_secs_f64()),
                timeline: true,
                ..drain::Args::new(stream, count.into(), duration)
            })?),
        };
        Ok(Viewers {
            began: Instant::now(),
            began_ns: unix_ns(),
            duration,
            kind,
        })
    }

    fn processes(&self) -> Vec<&Process> {
        match &self.kind {
            Kind::Drain(drain) => vec![drain.process()],
            Kind::Consumers(consumers) => {
                let all = consumers.all.iter();
                all.map(|consumer| &consumer.process).collect()
            }
        }
    }

    /// Their processes.
    pub fn pids(&self) -> Vec<i32> {
        self.processes()
            .iter()
            .map(|process| process.pid())
            .collect()
    }

    /// As a shell takes them.
    pub fn commands(&self) -> Vec<String> {
        let processes = self.processes();
        processes
            .iter()
            .map(|process| process.command().to_owned())
            .collect()
    }

    /// Waits until so long after their start, and lets the stall happen meanwhile.
    ///
    /// # Errors
    /// When a person asked for the end.
    pub fn wait(&mut self, until: Duration) -> Result<()> {
        if let Kind::Consumers(consumers) = &mut self.kind {
            consumers.stall(self.began, until)?;
        }
        stop::sleep_until(self.began + until)
    }

    /// Waits for their end and takes their report.
    ///
    /// # Errors
    /// Where there is none.
    pub fn report(mut self) -> Result<Report> {
        self.wait(self.duration)?;
        match self.kind {
            Kind::Drain(drain) => drain.report(),
            Kind::Consumers(mut consumers) => {
                let ended_ns = unix_ns();
                let recordings = consumers.recordings()?;
                let resumed_ns = consumers.resumed_ns;
                let report =
                    watch::recorded::report(recordings, self.began_ns, ended_ns, resumed_ns);
                Ok(serde_json::from_value(serde_json::to_value(report)?)?)
            }
        }
    }
}

impl Consumers {
    /// What of the stall is due until then: the first is stopped, and goes on.
    fn stall(&mut self, began: Instant, until: Duration) -> Result<()> {
        let Some(stall) = self.stall else {
            return Ok(());
        };
        let process = &mut self.all[0].process;
        let resume = stall.at + stall.duration;
        if began.elapsed() < stall.at && until >= stall.at {
            stop::sleep_until(began + stall.at)?;
            process.signal(Signal::SIGSTOP)?;
        }
        if self.resumed_ns.is_none() && until >= resume {
            stop::sleep_until(began + resume)?;
            process.signal(Signal::SIGCONT)?;
            self.resumed_ns = Some(unix_ns());
        }
        Ok(())
    }

    /// Ends all, and takes what they wrote down.
    fn recordings(&mut self) -> Result<Vec<Recording>> {
        let mut ends = Vec::new();
        for consumer in &mut self.all {
            let ended = consumer.process.ended()?;
            ends.push(ended.map(|status| format!("it ended with {status}")));
        }
        for consumer in &mut self.all {
            consumer.process.signal(Signal::SIGTERM)?;
        }
        let mut recordings = Vec::new();
        for (consumer, end) in self.all.iter_mut().zip(ends) {
            let frames = consumer.arrivals()?;
            recordings.push(Recording { frames, end });
        }
        Ok(recordings)
    }
}

impl Drop for Consumers {
    fn drop(&mut self) {
        // Who ends alone ends slowly, so first all are asked; who is stopped does not hear it.
        for consumer in &mut self.all {
            for signal in [Signal::SIGCONT, Signal::SIGTERM] {
                let _ = consumer.process.signal(signal);
            }
        }
    }
}

impl Consumer {
    fn arrivals(&mut self) -> Result<Vec<Arrived>> {
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        self.process.wait()?;
        serde_json::from_str(&text).context("a consumer left no account")
    }
}

fn consumers(port: &str, count: u16, python: &Path) -> Result<Vec<Consumer>> {
    let start = |_| {
        let mut command = Command::new(python);
        command
            .arg(Path::new(ORIGINALS).join("fanout.py"))
            .args(["consume", "-p", port, "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        Process::start("a consumer", &mut command, Ask::Terminate)
    };
    let mut started = (0..count).map(start).collect::<Result<Vec<_>>>()?;
    for process in &mut started {
        stop::check()?;
        process.line()?; // "consuming"
    }
    let with_output = |mut process: Process| {
        let output = process.take_stdout().context("its output is piped")?;
        Ok(Consumer { process, output })
    };
    started.into_iter().map(with_output).collect()
}

fn unix_ns() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    unix.unwrap_or_default().as_nanos() as u64
}

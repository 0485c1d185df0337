//! The viewers: crate `watch` in a process of its own, the same for every server.
//!
//! Not here: what is made of its report.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

/// The hidden subcommand `drain`.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct Args {
    pub url: String,
    pub viewers: usize,
    /// How long, in seconds
    pub seconds: f64,
    /// When the first viewer stops reading, in seconds
    #[arg(long, requires = "stall_for")]
    pub stall_at: Option<f64>,
    /// For so many seconds
    #[arg(long, requires = "stall_at")]
    pub stall_for: Option<f64>,
}

/// Watches, and prints the report as JSON.
pub fn run(args: &Args) -> Result<()> {
    let stall = args.stall_at.zip(args.stall_for);
    let options = watch::Options {
        viewers: args.viewers,
        duration: Some(Duration::from_secs_f64(args.seconds)),
        stall: stall.map(|(at, duration)| watch::Stall {
            at: Duration::from_secs_f64(at),
            duration: Duration::from_secs_f64(duration),
        }),
        ..watch::Options::new(&args.url)
    };
    let report = watch::run(&options, || false)?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// What is needed of [`watch::Report`].
#[derive(Debug, Clone, Deserialize)]
pub struct Report {
    pub viewers: Vec<Viewer>,
    pub skew_ms: Percentiles,
    pub rcvbuf: usize,
}

/// What is needed of [`watch::Viewer`].
#[derive(Debug, Clone, Deserialize)]
pub struct Viewer {
    pub frames: u64,
    pub fps: f64,
    pub lost: u64,
    pub invalid: Vec<String>,
    pub latency_ms: Percentiles,
    pub unnumbered: u64,
    pub stale_after_stall: Option<u64>,
    pub end: Option<String>,
}

/// [`watch::Percentiles`]
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Percentiles {
    pub p50: Option<f64>,
    pub p99: Option<f64>,
}

impl Report {
    /// # Errors
    /// Where a viewer had no whole and valid stream of frames: it says nothing about cost.
    pub fn valid(self) -> Result<Report> {
        for (index, viewer) in self.viewers.iter().enumerate() {
            let what = match (&viewer.end, viewer.invalid.first(), viewer.unnumbered) {
                (Some(end), ..) => end.clone(),
                (None, Some(sentence), _) => sentence.clone(),
                (None, None, 0) if viewer.frames > 1 => continue,
                (None, None, 0) => "no frames".to_owned(),
                (None, None, n) => format!("{n} placeholders or parts without an id"),
            };
            bail!("viewer {index}: {what}");
        }
        Ok(self)
    }
}

/// Viewers that are watching; they end with it.
pub struct Drain(Child);

impl Drain {
    /// Starts them.
    pub fn start(args: &Args) -> Result<Drain> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("drain")
            .arg(&args.url)
            .arg(args.viewers.to_string())
            .arg(args.seconds.to_string())
            .stdout(Stdio::piped());
        for (flag, seconds) in [
            ("--stall-at", args.stall_at),
            ("--stall-for", args.stall_for),
        ] {
            if let Some(seconds) = seconds {
                command.arg(flag).arg(seconds.to_string());
            }
        }
        Ok(Drain(command.spawn()?))
    }

    /// Whether they still do.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// Waits for the report.
    pub fn report(mut self) -> Result<Report> {
        let mut stdout = self.0.stdout.take().context("its output is piped")?;
        let report: Option<Report> = serde_json::from_reader(&mut stdout).ok();
        let status = self.0.wait()?;
        ensure!(status.success(), "the viewers ended with {status}");
        report.context("the viewers left no report")
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        // Both only fail if it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report with one viewer, of whom `fields` say something else.
    fn report(fields: &str) -> Report {
        let mut json: serde_json::Value = serde_json::from_str(
            r#"{"viewers": [{"frames": 60, "fps": 30.0, "lost": 0, "invalid": [],
                "latency_ms": {"p50": 0.5, "p99": 1.0}, "gap_ms": 34.0, "bytes": 6000, "cut": false,
                "connected": true, "invalid_count": 0, "unnumbered": 0,
                "stale_after_stall": null, "end": null}],
                "skew_ms": {"p50": null, "p99": null}, "rcvbuf": 262144}"#,
        )
        .unwrap();
        let fields: serde_json::Value = serde_json::from_str(fields).unwrap();
        for (name, value) in fields.as_object().unwrap() {
            json["viewers"][0][name] = value.clone();
        }
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn only_whole_streams_count() {
        let fault = |fields| report(fields).valid().map(drop).unwrap_err().to_string();
        assert!(report(r#"{"lost": 5}"#).valid().is_ok());
        assert_eq!(fault(r#"{"end": "cut off"}"#), "viewer 0: cut off");
        assert_eq!(
            fault(r#"{"invalid": ["part 3: no"]}"#),
            "viewer 0: part 3: no"
        );
        assert_eq!(fault(r#"{"frames": 0}"#), "viewer 0: no frames");
        assert!(fault(r#"{"unnumbered": 2}"#).contains("2 placeholders"));
    }
}

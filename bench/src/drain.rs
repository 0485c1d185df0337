//! The viewers: crate `watch` in a process of its own, the same for every server.
//!
//! Not here: what is made of its report.

use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use watch::{Options, Stall, Stream};

use crate::process::{Ask, Process};

/// The hidden subcommand `drain`.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct Args {
    /// A URL, or `raw:HOST:PORT`, or `multipart:HOST:PORT`
    pub stream: String,
    /// How many
    pub viewers: usize,
    /// How long, in seconds
    pub seconds: f64,
    /// The connections are opened over so many seconds
    #[arg(long, default_value_t = 0.0)]
    pub spread: f64,
    /// When the first viewer stops reading, in seconds
    #[arg(long, requires = "stall_for")]
    pub stall_at: Option<f64>,
    /// For so many seconds
    #[arg(long, requires = "stall_at")]
    pub stall_for: Option<f64>,
    /// Second by second, too
    #[arg(long)]
    pub timeline: bool,
}

impl Args {
    /// So many viewers, all at once, for so long, without a stall.
    pub fn new(stream: &str, viewers: usize, duration: Duration) -> Args {
        Args {
            stream: stream.to_owned(),
            viewers,
            seconds: duration.as_secs_f64(),
            spread: 0.0,
            stall_at: None,
            stall_for: None,
            timeline: false,
        }
    }
}

/// The stream that is meant by [`Args::stream`].
pub fn stream(text: &str) -> Stream {
    if let Some(address) = text.strip_prefix("raw:") {
        Stream::Raw(address.to_owned())
    } else if let Some(address) = text.strip_prefix("multipart:") {
        Stream::Multipart(address.to_owned())
    } else {
        Stream::Http(text.to_owned())
    }
}

/// Watches, and prints the report as JSON.
///
/// # Errors
/// Where nothing can be watched.
pub fn run(args: &Args) -> Result<()> {
    let stall = args.stall_at.zip(args.stall_for);
    let options = Options {
        viewers: args.viewers,
        spread: Duration::from_secs_f64(args.spread),
        duration: Some(Duration::from_secs_f64(args.seconds)),
        stall: stall.map(|(at, duration)| Stall {
            at: Duration::from_secs_f64(at),
            duration: Duration::from_secs_f64(duration),
        }),
        timeline: args.timeline,
        ..Options::of(stream(&args.stream))
    };
    let report = watch::run(&options, || false)?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// What is needed of [`watch::Report`]; the fields are explained there.
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Report {
    pub viewers: Vec<Viewer>,
    pub skew_ms: Percentiles,
    pub rcvbuf: usize,
}

/// What is needed of [`watch::Viewer`].
#[derive(Debug, Clone, Deserialize)]
#[allow(missing_docs)]
pub struct Viewer {
    pub frames: u64,
    pub fps: f64,
    pub lost: u64,
    pub invalid: Vec<String>,
    pub latency_ms: Percentiles,
    pub invalid_count: u64,
    pub repeated: u64,
    pub unnumbered: u64,
    pub stale_after_stall: Option<u64>,
    pub end: Option<String>,
    #[serde(default)]
    pub timeline: Vec<Tick>,
}

/// [`watch::Tick`]
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[allow(missing_docs)]
pub struct Tick {
    pub frames: u32,
    pub lost: u64,
    pub latency_max_ms: Option<f64>,
}

/// [`watch::Percentiles`]
#[derive(Debug, Clone, Copy, Deserialize)]
#[allow(missing_docs)]
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
pub struct Drain(Process);

impl Drain {
    /// Starts them. Whoever calls has [`Args`] as its subcommand `drain`.
    ///
    /// # Errors
    /// Where they do not start.
    pub fn start(args: &Args) -> Result<Drain> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("drain")
            .arg(&args.stream)
            .arg(args.viewers.to_string())
            .arg(args.seconds.to_string())
            .arg(format!("--spread={}", args.spread))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        for (flag, seconds) in [
            ("--stall-at", args.stall_at),
            ("--stall-for", args.stall_for),
        ] {
            if let Some(seconds) = seconds {
                command.arg(flag).arg(seconds.to_string());
            }
        }
        if args.timeline {
            command.arg("--timeline");
        }
        let process = Process::start("the viewers' process", &mut command, Ask::Terminate)?;
        Ok(Drain(process))
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.0
    }

    /// How they ended; none while they watch.
    ///
    /// # Errors
    /// Those of `waitpid(2)`.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.0.ended()
    }

    /// Waits for the report.
    ///
    /// # Errors
    /// Where there is none.
    pub fn report(mut self) -> Result<Report> {
        let stdout = self.0.take_stdout().context("its output is piped")?;
        let report: Option<Report> = serde_json::from_reader(stdout).ok();
        let status = self.0.wait()?;
        ensure!(status.success(), "the viewers ended with {status}");
        report.context("the viewers left no report")
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
                "connected": true, "invalid_count": 0, "repeated": 0, "unnumbered": 0,
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

    #[test]
    fn a_stream_is_named_in_one_word() {
        let address = "127.0.0.1:80".to_owned();
        assert_eq!(stream("raw:127.0.0.1:80"), Stream::Raw(address.clone()));
        assert_eq!(stream("multipart:127.0.0.1:80"), Stream::Multipart(address));
        assert_eq!(stream("http://x/"), Stream::Http("http://x/".to_owned()));
    }
}

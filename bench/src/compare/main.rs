//! `compare`: the models of seqcast, the two originals, two references that only write, and other people's servers,
//! on the same machine by the same viewers, one after the other.
//!
//! Here: the command line, and the way through the cases. What is run says `grid`; how one case is measured, `case`; what is kept,
//! `store` and `record`; what is drawn, `draw`.

mod case;
mod draw;
mod grid;
mod launch;
mod limits;
mod loc;
mod outcome;
mod plan;
mod probe;
mod progress;
mod ps;
mod record;
mod sampler;
mod stop;
mod store;
mod viewers;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use bench::jpeg::Material;
use bench::{drain, feed, reference, seqcast};
use clap::{Args, Parser, Subcommand};
use serde::de::DeserializeOwned;

use crate::grid::Wanted;
use crate::launch::Parts;
use crate::progress::Progress;
use crate::record::{Case, Design, Frames, Outcome, Record, Scenario};
use crate::stop::Stopped;
use crate::store::Store;

/// It could not be measured (2 is clap's, for what cannot be asked).
const FAILED: u8 = 3;
/// By a person (128 + SIGINT, as a shell has it).
const STOPPED: u8 = 130;

/// Compares seqcast's models with the originals, with references that only write, and with other servers.
#[derive(Debug, Parser)]
#[command(
    name = "compare",
    args_conflicts_with_subcommands = true,
    after_help = "What was measured is kept in DIR/cases, and not measured again: the same command goes on where it \
                  ended.\nExit codes: 0 all cases are done with; 3 it could not be measured; 130 stopped by Ctrl-C or \
                  SIGTERM."
)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    asked: Asked,
}

/// The processes that the bench starts of itself.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Reference(reference::Args),
    #[command(hide = true)]
    Drain(drain::Args),
    #[command(hide = true)]
    Feed(feed::Args),
}

#[derive(Debug, Args)]
struct Asked {
    /// Also 50, 100 and 200 clients, 640x480 frames, and five viewers to a process
    #[arg(long)]
    full: bool,
    /// Where records, charts and report go
    #[arg(long, value_name = "DIR", default_value = "target/compare")]
    out: PathBuf,
    /// Seconds that each case measures, after the warm-up
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Times that all is run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Only these numbers of clients; stalls and kills are of 10
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=4096))]
    clients: Option<Vec<u16>>,
    /// Only these: process, process-of5, thread, multiplex, epoll, forked, threads2017, rabbitmq2019, gstreamer,
    /// mjpg-streamer, ustreamer, ffmpeg
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = named::<Design>)]
    designs: Option<Vec<Design>>,
    /// Only these: raw160, raw640, jpeg720
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = named::<Frames>)]
    frames: Option<Vec<Frames>>,
    /// Only these: steady, stall, kill
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = named::<Scenario>)]
    scenarios: Option<Vec<Scenario>>,
    /// The binary to measure; else the one beside this
    #[arg(long, value_name = "PATH")]
    seqcast: Option<PathBuf>,
    /// For the originals; that of 2019 needs pika
    #[arg(long, value_name = "PATH", env = "PYTHON", default_value = "python3")]
    python: PathBuf,
    /// A V4L2 device that delivers 1280x720 MJPEG, for servers that take frames from nowhere else
    #[arg(long, value_name = "PATH")]
    device: Option<PathBuf>,
    /// Forgets what was measured before
    #[arg(long)]
    fresh: bool,
    /// Only says what would be run, and what is done
    #[arg(long)]
    list: bool,
}

/// A word of a record.
fn named<T: DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(word.into()).map_err(|e| e.to_string())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.part {
        Some(Part::Reference(args)) => reference::run(args),
        Some(Part::Drain(args)) => drain::run(args),
        Some(Part::Feed(args)) => feed::run(args),
        None => compare(&cli.asked),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("compare: {e:#}");
            ExitCode::from(if e.is::<Stopped>() { STOPPED } else { FAILED })
        }
    }
}

fn compare(asked: &Asked) -> Result<()> {
    let parts = Parts {
        seqcast: seqcast::find(asked.seqcast.as_deref())?,
        python: asked.python.clone(),
        device: asked.device.clone(),
        material: Material::make()?,
    };
    let cases = grid::cases(&asked.wanted());
    let plan = plan::plan(&parts, asked.seconds)?;
    let store = Store::open(&asked.out, &plan, asked.fresh)?;
    let ahead: Vec<_> = cases
        .iter()
        .filter(|case| !store.is_measured(case))
        .collect();
    let mut runner = Runner {
        seconds: asked.seconds,
        parts: &parts,
        missing: BTreeMap::new(),
        records: cases.iter().filter_map(|case| store.record(case)).collect(),
    };
    let mut left = Duration::ZERO;
    for &case in &ahead {
        if runner.reason_against(case)?.is_none() {
            left += case::expected(case, asked.seconds);
        }
    }
    if asked.list {
        for case in &cases {
            let state = match store.is_measured(case) {
                true => "measured".to_owned(),
                false => runner.reason_against(case)?.unwrap_or("to do".to_owned()),
            };
            println!("{} {state}", store::name(case));
        }
        println!(
            "{} of {} to look at, about {}",
            ahead.len(),
            cases.len(),
            progress::spell(left)
        );
        return Ok(());
    }
    stop::listen()?;
    let progress = Progress::new(cases.len() - ahead.len(), cases.len(), left);
    for case in ahead {
        let record = runner.record(case, &progress)?;
        store.keep(&record)?;
        progress.end(&summary(&record.outcome));
        runner.records.push(record);
    }
    drop(progress);
    println!("{} cases in {}", cases.len(), asked.out.display());
    if let Some(report) = draw::all(&asked.out)?.first() {
        println!("{}", report.display());
    }
    Ok(())
}

impl Asked {
    fn wanted(&self) -> Wanted {
        Wanted {
            full: self.full,
            clients: self.clients.clone(),
            designs: self.designs.clone(),
            frames: self.frames.clone(),
            scenarios: self.scenarios.clone(),
            runs: self.runs,
        }
    }
}

/// What cases are run with.
struct Runner<'a> {
    seconds: u64,
    parts: &'a Parts,
    /// What each design lacks here, once it was looked for.
    missing: BTreeMap<Design, Option<String>>,
    /// So far.
    records: Vec<Record>,
}

impl Runner<'_> {
    /// Why a case is not to be run.
    fn reason_against(&mut self, case: &Case) -> Result<Option<String>> {
        if !self.missing.contains_key(&case.design) {
            let missing = launch::missing(case.design, self.parts)?;
            self.missing.insert(case.design, missing);
        }
        if let Some(Some(missing)) = self.missing.get(&case.design) {
            return Ok(Some(missing.clone()));
        }
        Ok(limits::too_much(
            case,
            &limits::Machine::this()?,
            &self.records,
        ))
    }

    /// Runs it, if nothing speaks against it.
    ///
    /// # Errors
    /// When a person asked for the end; what else goes wrong is in the record.
    fn record(&mut self, case: &Case, progress: &Progress) -> Result<Record> {
        stop::check()?;
        let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let load_before = load()?;
        let mut commands = Vec::new();
        let outcome = match self.reason_against(case)? {
            Some(reason) => {
                progress.begin(&store::name(case), Duration::ZERO);
                Outcome::Skipped(reason)
            }
            None => {
                progress.begin(&store::name(case), case::expected(case, self.seconds));
                let measured = case::run(case, self.seconds, self.parts, &mut commands);
                // A Ctrl-C in the terminal also ends what was started here: then that is no failure.
                stop::check()?;
                match measured {
                    Ok(measured) => Outcome::Measured(Box::new(measured)),
                    Err(e) => Outcome::Failed(format!("{e:#}")),
                }
            }
        };
        Ok(Record {
            case: *case,
            began,
            commands,
            load_before,
            outcome,
        })
    }
}

/// Of the last minute.
fn load() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().context("/proc/loadavg")
}

/// In half a line.
fn summary(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Measured(measured) => format!(
            "{:.1} µs a frame, {:.2} CPUs, {:.1} fps at least, {} lost",
            measured.cpu_us,
            measured.cpu_cores,
            bench::stats::min(measured.fps.iter().copied()),
            measured.lost
        ),
        Outcome::Skipped(why) => format!("skipped, {why}"),
        Outcome::Failed(why) => format!("FAILED: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line() {
        Cli::command().debug_assert();
        let asked = Cli::parse_from(["compare"]).asked;
        assert_eq!((asked.seconds, asked.runs), (20, 1));
        assert_eq!(grid::cases(&asked.wanted()).len(), 84);
        let args = [
            "compare",
            "--designs",
            "process-of5,epoll",
            "--frames",
            "jpeg720",
        ];
        let wanted = Cli::parse_from(args).asked.wanted();
        assert_eq!(
            wanted.designs,
            Some(vec![Design::ProcessOf5, Design::Epoll])
        );
        assert_eq!(wanted.frames, Some(vec![Frames::Jpeg720]));
        let error = Cli::try_parse_from(["compare", "--designs", "tv"]).unwrap_err();
        assert!(error.to_string().contains("unknown variant `tv`"));
    }
}

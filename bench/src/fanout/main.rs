//! `fanout`: what it costs seqcast to bring a frame to many viewers, as a ratio to two references
//! that do nothing but write, in the same run.
//!
//! For each number of viewers runs of ours and of the references take turns (ours, (a), ours,
//! (b), …), each with a server of its own, so that each ratio is of neighbours in time; what is
//! reported is the median of the pairs. Here: the command line and that order. How one run is
//! measured says `measure`; what the references are, `bench::reference`; what is held against what, `verdict`.

mod measure;
mod report;
mod server;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bench::jpeg::Material;
use bench::{FPS, drain, reference, seqcast};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::report::{Cell, Machine, Report, Round, Stall};
use crate::server::{EPOLL, FORKED, Kind, Parts};
use crate::verdict::JUDGED_VIEWERS;

/// A bound was missed, and that was asked for.
const MISSED: u8 = 1;
/// What was asked could not be measured (2 is clap's, for what cannot be asked).
const FAILED: u8 = 3;

/// Measures what seqcast spends on a delivered frame, over two references that only write.
#[derive(Debug, Parser)]
#[command(
    name = "fanout",
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 measured, whatever came out; 1 a bound is missed (only with --check); 3 the \
                  measurement failed."
)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    plan: Plan,
}

/// The processes that the bench starts of itself.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Reference(reference::Args),
    #[command(hide = true)]
    Drain(drain::Args),
}

#[derive(Debug, Args)]
struct Plan {
    /// Numbers of viewers
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,5,10,20,100", value_parser = clap::value_parser!(u16).range(1..=4096))]
    viewers: Vec<u16>,
    /// Seconds that each run measures, after 2 s to warm up
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
    /// Pairs of runs with each reference
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: u16,
    /// Seconds for which one of 10 viewers does not read, in a run apart; 0: no such run
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=600))]
    stall: u16,
    /// How seqcast is to divide its viewers among processes: its own --model
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Its own --viewers-per-sender
    #[arg(long, value_name = "K")]
    viewers_per_sender: Option<u16>,
    /// Where the JSON goes; else it is the last line on standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The binary to measure; else the one beside this
    #[arg(long, value_name = "PATH")]
    seqcast: Option<PathBuf>,
    /// Ends with 1 if a bound is missed
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.part {
        Some(Part::Reference(args)) => reference::run(args).map(|()| ExitCode::SUCCESS),
        Some(Part::Drain(args)) => drain::run(args).map(|()| ExitCode::SUCCESS),
        None => bench(&cli.plan),
    };
    done.unwrap_or_else(|e| {
        eprintln!("fanout: {e:#}");
        ExitCode::from(FAILED)
    })
}

fn bench(plan: &Plan) -> Result<ExitCode> {
    if plan.check && !plan.judges_all() {
        let text = format!("--check needs {JUDGED_VIEWERS} among --viewers, and a stall");
        Cli::command()
            .error(ErrorKind::ArgumentConflict, text)
            .exit();
    }
    let machine = machine()?;
    let parts = Parts {
        seqcast: seqcast::find(plan.seqcast.as_deref())?,
        options: plan.options(),
        material: Material::make()?,
    };
    let cells = plan.viewers.iter().map(|&n| cell(n.into(), plan, &parts));
    let cells = cells.collect::<Result<Vec<_>>>()?;
    let stall = stall(plan, &parts)?;
    let report = Report {
        machine,
        options: parts.options.clone(),
        fps: FPS,
        frame_bytes: parts.material.frame_bytes,
        seconds: plan.seconds.into(),
        pairs: plan.pairs.into(),
        verdicts: verdict::verdicts(&cells, stall.as_ref()),
        cells,
        stall,
    };
    println!("{report}");
    let json = serde_json::to_string(&report)?;
    match &plan.json {
        Some(path) => {
            std::fs::write(path, json + "\n").with_context(|| path.display().to_string())?
        }
        None => println!("{json}"),
    }
    let missed = plan.check && report.verdicts.iter().any(|verdict| !verdict.pass);
    Ok(if missed {
        ExitCode::from(MISSED)
    } else {
        ExitCode::SUCCESS
    })
}

impl Plan {
    /// What seqcast is started with beside what each run needs.
    fn options(&self) -> Vec<String> {
        let model = self.model.clone().map(|model| ["--model".into(), model]);
        let each = self.viewers_per_sender.map(|each| each.to_string());
        let each = each.map(|each| ["--viewers-per-sender".into(), each]);
        model.into_iter().chain(each).flatten().collect()
    }

    fn judges_all(&self) -> bool {
        self.stall > 0
            && self
                .viewers
                .iter()
                .any(|&n| usize::from(n) == JUDGED_VIEWERS)
    }
}

/// The rounds at one number of viewers.
fn cell(viewers: usize, plan: &Plan, parts: &Parts) -> Result<Cell> {
    let window = Duration::from_secs(plan.seconds.into());
    let run = |kind: Kind| {
        let run = measure::run(kind, viewers, window, parts)?;
        eprintln!("{viewers} viewers, {kind}: {:.1} µs a frame", run.cpu_us);
        Ok::<_, anyhow::Error>(run)
    };
    let mut rounds = Vec::new();
    for _ in 0..plan.pairs {
        // Fields are evaluated in the order in which they are written.
        rounds.push(Round {
            ours_beside_epoll: run(Kind::Seqcast)?,
            epoll: run(EPOLL)?,
            ours_beside_forked: run(Kind::Seqcast)?,
            forked: run(FORKED)?,
        });
    }
    Cell::new(viewers, rounds).context("no pairs")
}

fn stall(plan: &Plan, parts: &Parts) -> Result<Option<Stall>> {
    if plan.stall == 0 {
        return Ok(None);
    }
    let seconds = Duration::from_secs(plan.stall.into());
    let run = |kind: Kind| {
        eprintln!("one of 10 viewers stalls, {kind}");
        measure::stall(kind, seconds, parts)
    };
    Ok(Some(Stall {
        seconds: plan.stall.into(),
        ours: run(Kind::Seqcast)?,
        epoll: run(EPOLL)?,
        forked: run(FORKED)?,
    }))
}

fn machine() -> Result<Machine> {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).context(path.to_owned());
    let load = read("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    Ok(Machine {
        cpus: std::thread::available_parallelism()?.get(),
        kernel: read("/proc/sys/kernel/osrelease")?.trim_end().to_owned(),
        load_before: load.parse().context("/proc/loadavg")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(args: &[&str]) -> Plan {
        Cli::parse_from([&["fanout"], args].concat()).plan
    }

    #[test]
    fn the_command_line() {
        Cli::command().debug_assert();
        let bare = plan(&[]);
        assert_eq!(bare.viewers, [1, 5, 10, 20, 100]);
        assert_eq!((bare.seconds, bare.pairs, bare.stall), (10, 5, 10));
        assert!(bare.options().is_empty());
        let asked = plan(&["--model", "process", "--viewers-per-sender", "4"]).options();
        assert_eq!(asked, ["--model", "process", "--viewers-per-sender", "4"]);
        assert!(Cli::try_parse_from(["fanout", "--viewers", "5,0"]).is_err());
    }

    #[test]
    fn a_check_checks_everything() {
        assert!(plan(&["--check"]).judges_all());
        assert!(!plan(&["--check", "--stall", "0"]).judges_all());
        assert!(!plan(&["--check", "--viewers", "5,10"]).judges_all());
    }
}

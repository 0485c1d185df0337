//! `bench-ring`: what shm-ring costs, held against iceoryx2, `write(2)` and memcpy, as ratios
//! within one run.
//!
//! Both sides of a ratio take turns, so that each is of neighbours in time, and what is judged is
//! the median of the ratios. Here: the command line and the order. How a row is measured says its
//! file in `rows`.

mod chart;
mod clock;
mod fleet;
mod leftovers;
mod memory;
mod ours;
mod reader;
mod report;
mod rows;
mod sender;
mod side;
mod stats;
mod sys;
mod theirs;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::leftovers::Leftovers;
use crate::report::{Figure, Machine, Report, Row};
use crate::rows::{Effort, copying, fanout, history, joining, sending, wall};

/// Measures shm-ring against iceoryx2, write(2) and memcpy.
#[derive(Debug, Parser)]
#[command(name = "bench-ring", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    plan: Plan,
}

/// The processes that the bench starts of itself.
#[derive(Debug, PartialEq, Subcommand)]
enum Part {
    #[command(hide = true)]
    Reader {
        #[command(subcommand)]
        kind: reader::Kind,
    },
    #[command(hide = true)]
    Sink,
    #[command(hide = true)]
    Sender { ring: String, port: u16, len: usize },
}

#[derive(Debug, Args)]
struct Plan {
    /// What to measure; else everything
    rows: Vec<Row>,
    /// Fewer rounds and numbers of readers: about a minute
    #[arg(long)]
    quick: bool,
    /// Where the figures go as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the chart over the number of readers goes
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.part {
        Some(Part::Reader { kind }) => reader::run(kind),
        Some(Part::Sink) => sender::sink(),
        Some(Part::Sender { ring, port, len }) => sender::run(ring, *port, *len),
        None => bench(&cli.plan),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench-ring: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(plan: &Plan) -> Result<()> {
    let machine = machine()?;
    let leftovers = Leftovers::new()?;
    raise_descriptors()?;
    let began = Instant::now();
    let figures = measure(plan, &leftovers.tag)?;
    let report = Report {
        machine,
        quick: plan.quick,
        seconds: began.elapsed().as_secs_f64(),
        figures,
    };
    println!("{report}");
    let save = |path: &Path, text: String| {
        std::fs::write(path, text).with_context(|| path.display().to_string())
    };
    if let Some(path) = &plan.json {
        save(path, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    if let Some(path) = &plan.svg {
        let svg = chart::svg(&report.figures);
        save(path, svg.context("--svg needs the rows wake and publish")?)?;
    }
    Ok(())
}

/// Measures what was asked for, in the table's order.
fn measure(plan: &Plan, tag: &str) -> Result<Vec<Figure>> {
    let effort = Effort { quick: plan.quick };
    let wanted = |row: Row| plan.rows.is_empty() || plan.rows.contains(&row);
    let mut figures = Vec::new();
    // Two rows each come from the same processes.
    if wanted(Row::Wake) || wanted(Row::Publish) {
        figures.extend(fanout::run(effort, tag)?);
    }
    if wanted(Row::Memory) || wanted(Row::Join) {
        figures.extend(joining::run(effort, tag)?);
    }
    if wanted(Row::Send) {
        figures.extend(sending::run(effort, tag)?);
    }
    if wanted(Row::Copy) {
        figures.extend(copying::run(effort, tag)?);
    }
    if wanted(Row::Wall) {
        figures.extend(wall::run(effort, tag)?);
    }
    if wanted(Row::History) {
        figures.extend(history::run(tag)?);
    }
    figures.retain(|figure| wanted(figure.row));
    Ok(figures)
}

/// Lets this process have a few descriptors for each of 400 readers.
fn raise_descriptors() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

fn machine() -> Result<Machine> {
    let read = |path: &str| std::fs::read_to_string(path).context(path.to_owned());
    let load = read("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo")?;
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    Ok(Machine {
        cpus: std::thread::available_parallelism()?.get(),
        cpu: model.map_or("unknown", |(_, name)| name).to_owned(),
        kernel: read("/proc/sys/kernel/osrelease")?.trim_end().to_owned(),
        load_before: load.parse().context("/proc/loadavg")?,
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line() {
        Cli::command().debug_assert();
        let plan = |line: &[&str]| Cli::parse_from([&["bench-ring"], line].concat()).plan;
        assert!(plan(&[]).rows.is_empty());
        assert_eq!(
            plan(&["--quick", "wake", "join"]).rows,
            [Row::Wake, Row::Join]
        );
        assert!(Cli::try_parse_from(["bench-ring", "nothing"]).is_err());
    }
}

//! `stress`: one writer at full speed, readers that verify every byte, and kills and stops of all
//! of them, for as long as asked. Nothing torn may be accepted, no id may repeat or fall.
//!
//! Built with `RUSTFLAGS="--cfg shm_ring_unchecked"` the ring's second check is left out: then
//! `stress --expect-torn` must find torn frames, or this program proves nothing (`stress.sh`).
//! Here: the command line. What happens in a run says `driver`; what to whom and when,
//! `schedule`; what is in a frame, `payload`.

mod child;
mod driver;
mod event;
mod order;
mod payload;
mod random;
mod reader;
mod report;
mod schedule;
mod sys;
mod tally;
mod writer;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::driver::Plan;
use crate::report::Report;
use crate::schedule::{Limits, Pace};
use crate::tally::READERS;

/// Something was found that must not be.
const MISSED: u8 = 1;
/// The run failed (2 is clap's, for what cannot be asked).
const FAILED: u8 = 3;

/// Kills and stops the readers and writers of a ring, and looks for torn frames.
#[derive(Debug, Parser)]
#[command(
    name = "stress",
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 all is well (with --expect-torn: torn frames were found); 1 a torn frame was \
                  accepted, an id repeated or fell, or a bound was missed (only with --strict); 3 the run failed, \
                  for instance because the writer hung."
)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    args: RunArgs,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Kills waiters of a pthread event in shared memory, and of the ring, until the setter hangs
    Event {
        /// Trials; each takes 2 to 4 seconds
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
        trials: u32,
        /// The result as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// For how long; 10 where neither --reads nor --kills is given, 30 with --expect-torn
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// Until so many frames were accepted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    reads: Option<u64>,
    /// Kills nothing but readers, as fast as they come back, until so many were
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    kills: Option<u64>,
    /// Reader processes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=READERS as i64))]
    readers: u16,
    /// The ring's arena, KiB; a small one has more frames overwritten while they are read
    #[arg(long, value_name = "KIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(64..=1 << 20))]
    arena: u64,
    /// Holds stalls and takeovers against a frame at 30 fps, too
    #[arg(long, conflicts_with = "expect_torn")]
    strict: bool,
    /// Ends at the first torn frame, and fails without one
    #[arg(long)]
    expect_torn: bool,
    /// The result as JSON
    #[arg(long)]
    json: bool,
}

impl RunArgs {
    fn plan(&self) -> Plan {
        let unbounded = self.reads.is_none() && self.kills.is_none();
        let default = match (self.expect_torn, unbounded) {
            (true, _) => Some(30),
            (false, true) => Some(10),
            (false, false) => None,
        };
        let seconds = self.seconds.or(default);
        Plan {
            readers: self.readers.into(),
            arena: self.arena << 10,
            pace: match self.kills {
                Some(_) => Pace::ReaderKills,
                None => Pace::Mixed,
            },
            limits: Limits {
                elapsed: seconds.map(|s| Duration::from_secs(s.into())),
                reads: self.reads,
                kills: self.kills,
                torn: self.expect_torn,
            },
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.part {
        Some(Part::Event { trials, json }) => event(trials, json),
        None => run(&cli.args),
    };
    done.unwrap_or_else(|e| {
        eprintln!("stress: {e:#}");
        ExitCode::from(FAILED)
    })
}

fn run(args: &RunArgs) -> Result<ExitCode> {
    let plan = args.plan();
    let report = Report::new(&plan, &driver::run(&plan)?);
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    let fine = if args.expect_torn {
        report.reads.torn > 0
    } else {
        report.passes(args.strict)
    };
    Ok(exit(fine))
}

fn event(trials: u32, json: bool) -> Result<ExitCode> {
    let trials = (0..trials).map(|number| {
        let trial = event::trial(number)?;
        if !json {
            println!("raw_sync Event  {}", trial.event);
            println!("ring            {}", trial.futex);
        }
        Ok(trial)
    });
    let trials = trials.collect::<Result<Vec<_>>>()?;
    if json {
        println!("{}", serde_json::to_string(&trials)?);
    }
    Ok(exit(trials.iter().all(|trial| !trial.futex.hung)))
}

fn exit(fine: bool) -> ExitCode {
    if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(MISSED)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn plan(args: &[&str]) -> Plan {
        Cli::parse_from([&["stress"], args].concat()).args.plan()
    }

    #[test]
    fn the_command_line() {
        Cli::command().debug_assert();
        let seconds = |args| plan(args).limits.elapsed.map(|it| it.as_secs());
        assert_eq!(seconds(&[]), Some(10));
        assert_eq!(seconds(&["--reads", "5"]), None);
        assert_eq!(seconds(&["--expect-torn"]), Some(30));
        assert_eq!(seconds(&["--kills", "5", "--seconds", "7"]), Some(7));
        assert_eq!(plan(&["--kills", "5"]).pace, Pace::ReaderKills);
        assert_eq!((plan(&[]).readers, plan(&[]).arena), (3, 1 << 20));
    }
}

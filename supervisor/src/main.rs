//! `seqcast`: one camera, many viewers, live; no viewer can hurt another.
//!
//! What belongs in this crate: the command line, the decisions about workers and the thin shell
//! that carries them out. What does not: frames, pictures, protocols.

mod address;
mod announce;
mod choose;
mod cli;
mod demand;
mod devices;
mod errands;
mod failure;
mod fork;
mod limits;
mod model;
mod notify;
mod output;
mod policy;
mod publish;
mod ring;
mod ring_dump;
mod ring_group;
mod ring_view;
mod serve;
mod status;
mod switchboard;
mod sys;
mod units;
mod watching;

use std::process::ExitCode;

use clap::Parser as _;

use output::complain;

/// Something on the command line that clap does not check.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

fn main() -> ExitCode {
    worker::title::init();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let result = run(&cli);
    let code = result.unwrap_or_else(|error| {
        complain!("{}", failure::line(&error));
        failure::code(&error)
    });
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn run(cli: &cli::Cli) -> anyhow::Result<i32> {
    // Before anything is mapped, and before workers are forked, which inherit it.
    shm_ring::survive_truncation()?;
    match &cli.command {
        None => serve::run(&cli.serve),
        Some(cli::Command::Serve(asked)) => serve::run(asked),
        Some(cli::Command::Status(asked)) => status::run(asked),
        Some(cli::Command::Ring(asked)) => ring::run(asked),
        Some(cli::Command::Watch(asked)) => watching::run(asked),
        Some(cli::Command::Devices(asked)) => devices::run(asked),
    }
}

/// Help and version as clap prints them; a mistake in one line, like every other error.
fn misused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    complain!("{}", failure::misuse(error));
    ExitCode::from(2)
}

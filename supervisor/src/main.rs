//! `seqcast`: one camera, many viewers, live; no viewer can hurt another.
//!
//! What belongs in this crate: the command line, the decisions about workers and the thin shell
//! that carries them out. What does not: frames, pictures, protocols.

mod activation;
mod address;
mod announce;
mod auth_file;
mod choose;
mod cli;
mod demand;
mod devices;
mod errands;
mod failure;
mod fork;
mod former;
mod limits;
mod model;
mod notify;
mod output;
mod password;
mod policy;
mod publish;
mod replay;
mod ring;
mod ring_dump;
mod ring_group;
mod ring_view;
mod serve;
mod status;
mod switchboard;
mod sys;
mod units;
mod unix_socket;
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
    let passed = activation::take();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let result = run(&cli, passed);
    let code = result.unwrap_or_else(|error| {
        let line = failure::line(&error);
        match cli.logs_json() {
            // Not by the log: it may not have started, or be off.
            true => eprintln!("{}", worker::log::line_as_json("ERROR", &line)),
            false => complain!("{line}"),
        }
        failure::code(&error)
    });
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn run(cli: &cli::Cli, passed: activation::Passed) -> anyhow::Result<i32> {
    // Before anything is mapped, and before workers are forked, which inherit it.
    shm_ring::survive_truncation()?;
    match &cli.command {
        None => serve::run(&cli.serve, None, passed),
        Some(cli::Command::Serve(asked)) => serve::run(asked, None, passed),
        Some(cli::Command::Replay(asked)) => serve::run(&asked.serve, Some(asked), passed),
        Some(cli::Command::Status(asked)) => status::run(asked),
        Some(cli::Command::Ring(asked)) => ring::run(asked),
        Some(cli::Command::Watch(asked)) => watching::run(asked),
        Some(cli::Command::Devices(asked)) => devices::run(asked),
        Some(cli::Command::Password(asked)) => password::run(asked),
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

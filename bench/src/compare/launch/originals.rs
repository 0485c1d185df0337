//! The two originals, bench/originals.
//!
//! Not here: the viewers of the design of 2019, which are programs of its own (`viewers`).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use bench::FPS;
use bench::process::{Ask, Process};

use super::{Parts, Served, Victim, port, size};
use crate::record::{Design, Frames};

/// Where the programs are.
pub const ORIGINALS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/originals");
/// What [`Served::stream`] begins with where viewers ask a broker.
pub const BROKER: &str = "broker:";
/// As broker.sh looks for it.
const RABBITMQ: &str = "/usr/lib/rabbitmq/lib";

pub fn threads(frames: Frames, parts: &Parts) -> Result<Served> {
    let mut process = python(parts, "threads.py", &["-p", "0"], frames)?;
    let said = process.line()?;
    let address = said.strip_prefix("listening on ");
    let address = address.with_context(|| format!("threads.py says {said:?}"))?;
    Ok(Served::one(process, format!("raw:{address}")))
}

pub fn rabbitmq(frames: Frames, parts: &Parts) -> Result<Served> {
    let port = port::free(3)?.to_string();
    let mut command = Command::new(program("broker.sh"));
    command
        .arg(&port)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut broker = Process::start("the broker", &mut command, Ask::Terminate)?;
    let said = broker.line()?;
    let pid = said.rsplit(' ').next().and_then(|pid| pid.parse().ok());
    let pid = pid.with_context(|| format!("broker.sh says {said:?}"))?;
    let publisher = python(parts, "fanout.py", &["publish", "-p", &port], frames)?;
    let mut served = Served::one(publisher, format!("{BROKER}{port}"));
    served.processes.push(broker);
    served.victim = Victim::Broker(pid);
    Ok(served)
}

/// One that sends.
fn python(parts: &Parts, name: &str, args: &[&str], frames: Frames) -> Result<Process> {
    let mut command = Command::new(&parts.python);
    command
        .arg(program(name))
        .args(args)
        .args(["--size", size(frames), "--fps", &FPS.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    Process::start(name, &mut command, Ask::Terminate)
}

pub fn missing(design: Design, parts: &Parts) -> Result<Option<String>> {
    let python = parts.python.display();
    let runs = |code: &str| {
        let mut command = Command::new(&parts.python);
        command.args(["-c", code]).stdin(Stdio::null());
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !runs("") {
        return Ok(Some(format!("no such program here: {python}")));
    }
    if design != Design::Rabbitmq2019 {
        return Ok(None);
    }
    if !runs("import pika") {
        return Ok(Some(format!(
            "{python} has no pika: python3 -m venv DIR, DIR/bin/pip install pika, --python DIR/bin/python"
        )));
    }
    if !Path::new(RABBITMQ).is_dir() {
        let text = "no such program here: rabbitmq-server (Debian: rabbitmq-server)";
        return Ok(Some(text.to_owned()));
    }
    Ok(None)
}

fn program(name: &str) -> PathBuf {
    Path::new(ORIGINALS).join(name)
}

//! `seqcast status`: reads the board and the ring of an instance, whoever still lives of it.
//!
//! Not here: what is read and its JSON (`worker::status`).

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use shm_ring::Reader;
use worker::status::Status;
use worker::{Board, Instance, exit};

use crate::output::{complain, say};
use crate::{choose, cli, units};

/// Prints an instance's status, or the list of instances where several run and none is named.
///
/// # Errors
/// Shared memory that is no instance's, or of another version.
pub fn run(asked: &cli::Status) -> Result<i32> {
    let instance = match &asked.name {
        Some(name) => Instance::new(name)?,
        None => match choose::only(Instance::list(), Instance::is_alive) {
            Ok(instance) => instance,
            Err(several) => {
                return Ok(choose::list(
                    &several,
                    Instance::is_alive,
                    asked.json,
                    "status",
                ));
            }
        },
    };
    if !std::path::Path::new("/dev/shm")
        .join(instance.board())
        .exists()
    {
        return Ok(choose::none_runs(Some(&instance)));
    }
    let broken = || {
        format!("instance {instance} cannot be read: ask its owner, or stop it and start it anew")
    };
    let board = Board::attach(&instance).with_context(broken)?;
    let ring = Reader::attach(&instance.ring()).with_context(broken)?;
    let status = worker::status::collect(&instance, &board, &ring, true);
    if asked.json {
        say!("{}", serde_json::to_string(&status)?);
    } else {
        say!("{}", table(&status).trim_end());
    }
    if status.supervisor.alive {
        return Ok(exit::OK);
    }
    complain!(
        "{instance} does not run any more: its supervisor (pid {}) is gone; this is what it left",
        status.supervisor.pid
    );
    Ok(exit::NONE_RUNS)
}

/// The status as a person reads it at a glance.
fn table(status: &Status) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_table(&mut out, status);
    out
}

fn write_table(out: &mut String, status: &Status) -> std::fmt::Result {
    let source = &status.source;
    let totals = &status.totals;
    let supervisor = &status.supervisor;
    let life = match (supervisor.alive, supervisor.silent_s) {
        (false, _) => "gone".into(),
        (true, silent) if silent > 3.0 => format!("stuck for {silent:.0} s"),
        (true, _) => format!("up {}", units::show_seconds(supervisor.uptime_s)),
    };
    let raw = status.raw.as_ref();
    let raw = raw.map_or(String::new(), |at| format!("  raw {at}"));
    writeln!(
        out,
        "{}  supervisor {} {life}  http {}{raw}  model {}",
        status.name,
        supervisor.pid,
        status.http,
        model(status)
    )?;
    let reason = match source.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let fault = match &source.fault {
        Some(fault) => {
            let since = units::show_seconds(source.since_s);
            format!(" ({fault} for {since})")
        }
        None => String::new(),
    };
    writeln!(
        out,
        "source  {}{fault}{reason}  {} {} {}x{} {}  {:.1} fps",
        source.state,
        source.kind,
        source.detail,
        source.width,
        source.height,
        source.format,
        source.fps_measured
    )?;
    if let Some(why) = &source.controls_refused {
        writeln!(out, "refused {why}")?;
    }
    if !source.dropped.is_empty() {
        writeln!(out, "dropped {}", causes(&source.dropped))?;
    }
    writeln!(
        out,
        "ring    {} holding {:.1} s of {}, frames {} to {}, epoch {}",
        units::show_bytes(status.ring.bytes),
        status.ring.seconds_held,
        status.ring.format.as_deref().unwrap_or("nothing"),
        status.ring.oldest,
        status.ring.head,
        status.ring.epoch
    )?;
    writeln!(
        out,
        "totals  {} viewers, {} sent, {} skipped, {} torn, {} restarts, {} refused",
        totals.viewers,
        totals.frames_sent,
        totals.frames_skipped,
        totals.torn,
        totals.restarts,
        totals.refused
    )?;
    writeln!(
        out,
        "\n{:<8} {:>7} {:<9} {:<22} {:<11} {:>8} {:>8} {:>5} {:>8} {:>8} {:>8} {:>8}",
        "ROLE",
        "PID",
        "STATE",
        "VIEWER",
        "PROTOCOL",
        "FRAMES",
        "SKIPPED",
        "LAG",
        "LATENCY",
        "CPU s",
        "PSS",
        "RESTARTS"
    )?;
    let mut last = None;
    for worker in &status.workers {
        // What is a process's stands on its first line alone.
        let first = last.replace(worker.pid) != Some(worker.pid);
        let of_process = |text: String| if first { text } else { String::new() };
        let role = worker.role.name();
        let viewer = worker.viewer.as_ref().or(worker.target.as_ref());
        let viewer = viewer.map_or("-", String::as_str);
        let protocol = worker.protocol.as_deref().unwrap_or("-");
        writeln!(
            out,
            "{role:<8} {:>7} {:<9} {viewer:<22} {protocol:<11} {:>8} {:>8} {:>5} {:>8} {:>8} {:>8} {:>8}",
            worker.pid,
            format!("{:?}", worker.state).to_lowercase(),
            worker.frames,
            worker.skipped,
            worker.lag,
            worker
                .latency_ms
                .map_or("-".into(), |ms| format!("{ms:.1} ms")),
            of_process(format!("{:.2}", worker.cpu_s)),
            of_process(worker.pss_bytes.map_or("-".into(), units::show_bytes)),
            of_process(worker.restarts.to_string())
        )?;
        if let Some(condition) = &worker.condition {
            let causes = match causes(&worker.skip_causes) {
                causes if causes.is_empty() => causes,
                causes => format!("; skipped: {causes}"),
            };
            writeln!(out, "         {condition}{causes}")?;
        }
    }
    Ok(())
}

fn model(status: &Status) -> String {
    match (status.model.as_str(), status.viewers_per_sender) {
        ("process", each) if each > 1 => format!("process, {each} viewers each"),
        (model, _) => model.into(),
    }
}

fn causes(counts: &std::collections::BTreeMap<&'static str, u64>) -> String {
    let each: Vec<_> = counts.iter().map(|(c, n)| format!("{c} {n}")).collect();
    each.join(", ")
}

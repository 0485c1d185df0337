//! `seqcast status`: reads the board and the ring of an instance, whoever still lives of it.
//!
//! Not here: what is read and its JSON (`worker::status`).

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use shm_ring::Reader;
use worker::status::Status;
use worker::{Board, Instance, Role, exit};

use crate::output::{complain, say};
use crate::{cli, units};

/// Prints an instance's status, or the list of instances where several run and none is named.
///
/// # Errors
/// Shared memory that is no instance's, or of another version.
pub fn run(asked: &cli::Status) -> Result<i32> {
    let instance = match &asked.name {
        Some(name) => Instance::new(name)?,
        None => match only(Instance::list()) {
            Ok(instance) => instance,
            Err(several) if several.is_empty() => return Ok(none_runs("seqcast")),
            Err(several) => {
                say!("{}", list(&several, asked.json)?);
                return Ok(match several.iter().any(Instance::is_alive) {
                    true => exit::OK,
                    false => exit::NONE_RUNS,
                });
            }
        },
    };
    if !std::path::Path::new("/dev/shm")
        .join(instance.board())
        .exists()
    {
        return Ok(none_runs(&format!("instance named {instance}")));
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

fn none_runs(what: &str) -> i32 {
    complain!("no {what} runs on this machine; start one with: seqcast");
    exit::NONE_RUNS
}

/// The one instance to show: the only one, or the only living one.
fn only(mut found: Vec<Instance>) -> Result<Instance, Vec<Instance>> {
    let living: Vec<_> = found.iter().filter(|i| i.is_alive()).cloned().collect();
    match (living.as_slice(), found.len()) {
        ([one], _) => Ok(one.clone()),
        (_, 1) => Ok(found.remove(0)),
        _ => Err(found),
    }
}

fn list(instances: &[Instance], json: bool) -> Result<String> {
    let state = |i: &Instance| if i.is_alive() { "runs" } else { "gone" };
    if json {
        let names: Vec<_> = instances
            .iter()
            .map(|i| serde_json::json!({"name": i.name(), "alive": i.is_alive()}))
            .collect();
        return Ok(serde_json::json!({ "instances": names }).to_string());
    }
    let lines: Vec<_> = instances
        .iter()
        .map(|i| format!("{:<12} {}", i.name(), state(i)))
        .collect();
    Ok(format!(
        "{}\nchoose one: seqcast status --name NAME",
        lines.join("\n")
    ))
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
        (true, _) => format!("up {}", duration(supervisor.uptime_s)),
    };
    writeln!(
        out,
        "{}  supervisor {} {life}  http {}",
        status.name, supervisor.pid, status.http
    )?;
    let reason = match source.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    writeln!(
        out,
        "source  {}{reason}  {} {} {}x{} {}  {:.1} fps",
        source.state,
        source.kind,
        source.detail,
        source.width,
        source.height,
        source.format,
        source.fps_measured
    )?;
    if !source.dropped.is_empty() {
        writeln!(out, "dropped {}", causes(&source.dropped))?;
    }
    writeln!(
        out,
        "ring    {} holding {:.1} s, frames {} to {}, epoch {}",
        units::show_bytes(status.ring.bytes),
        status.ring.seconds_held,
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
        "\n{:<8} {:>7} {:<9} {:<22} {:>8} {:>8} {:>5} {:>8} {:>8} {:>8}",
        "ROLE", "PID", "STATE", "VIEWER", "FRAMES", "SKIPPED", "LAG", "CPU s", "PSS", "RESTARTS"
    )?;
    for worker in &status.workers {
        let role = match worker.role {
            Role::Capture => "capture",
            Role::Sender => "sender",
        };
        let viewer = worker.viewer.map_or("-".into(), |v| v.to_string());
        writeln!(
            out,
            "{role:<8} {:>7} {:<9} {viewer:<22} {:>8} {:>8} {:>5} {:>8.2} {:>8} {:>8}",
            worker.pid,
            format!("{:?}", worker.state).to_lowercase(),
            worker.frames,
            worker.skipped,
            worker.lag,
            worker.cpu_s,
            worker.pss_bytes.map_or("-".into(), units::show_bytes),
            worker.restarts
        )?;
    }
    Ok(())
}

fn causes(counts: &std::collections::BTreeMap<&'static str, u64>) -> String {
    let each: Vec<_> = counts.iter().map(|(c, n)| format!("{c} {n}")).collect();
    each.join(", ")
}

fn duration(seconds: f64) -> String {
    let s = seconds as u64;
    match (s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, _, _) => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_at_a_glance() {
        assert_eq!(duration(59.9), "59 s");
        assert_eq!(duration(61.0), "1 min 1 s");
        assert_eq!(duration(3600.0 * 25.0), "1 d 1 h");
    }
}

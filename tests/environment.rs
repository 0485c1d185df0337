//! What a parent may leave to the process that it starts: ignored signals, an odd environment.

mod common;

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use common::{Guard, SEQCAST, is_alive, left_in_shm, signal, status, unique, wait_for};
use nix::sys::signal::Signal;

/// Starts seqcast with signals as `env` is told, whatever the tests themselves were started with.
fn start(name: &str, signals: &str) -> Guard {
    Guard::spawn(
        Command::new("env")
            .args([signals, SEQCAST, "--source", "test", "--size", "64x48"])
            .args(["--http", "0", "--name", name])
            .env_clear()
            .env("SECRET", "y".repeat(300))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0),
    )
}

fn capture(name: &str) -> u32 {
    wait_for("a live capture process", || {
        let (status, _) = status(name);
        let workers = status["workers"].as_array()?;
        let worker = workers.iter().find(|w| w["role"] == "capture")?;
        let live = status["source"]["state"] == "live" && worker["state"] == "serving";
        live.then(|| worker["pid"].as_u64().unwrap() as u32)
    })
}

fn stop(mut seqcast: Guard, name: &str) {
    signal(seqcast.pid(), Signal::SIGTERM);
    assert_eq!(seqcast.wait("a clean stop").code(), Some(0));
    assert_eq!(left_in_shm(name), [""; 0]);
}

#[test]
fn with_sigchld_ignored_the_dead_are_succeeded_all_the_same() {
    let name = unique("sigchld");
    let seqcast = start(&name, "--ignore-signal=CHLD");
    let first = capture(&name);
    signal(first, Signal::SIGKILL);
    wait_for("a successor", || (capture(&name) != first).then_some(()));
    stop(seqcast, &name);
}

#[test]
fn under_nohup_a_hangup_ends_nothing_and_else_it_is_a_clean_stop() {
    let name = unique("nohup");
    let seqcast = start(&name, "--ignore-signal=HUP");
    let first = capture(&name);
    signal(seqcast.pid(), Signal::SIGHUP);
    // Signals are taken in order: had it heeded the first, the kill would not be repaired.
    signal(first, Signal::SIGKILL);
    wait_for("a successor", || (capture(&name) != first).then_some(()));
    assert!(is_alive(seqcast.pid()));
    stop(seqcast, &name);

    let mut seqcast = start(&name, "--default-signal=HUP");
    capture(&name);
    signal(seqcast.pid(), Signal::SIGHUP);
    assert_eq!(seqcast.wait("a clean stop").code(), Some(0));
}

#[test]
fn titles_show_nothing_of_the_environment() {
    let name = unique("title");
    let seqcast = start(&name, "--default-signal=HUP");
    let pid = capture(&name);
    let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(
        title.trim_end_matches('\0'),
        "seqcast: capture test picture"
    );
    stop(seqcast, &name);
}

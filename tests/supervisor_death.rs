//! The supervisor killed, stopped, or without anybody who reads what it says.

mod common;
mod exact;

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{
    Guard, Instance, SEQCAST, Watch, assert_clean, drain, is_alive, left_in_shm, pid, signal,
    status, unique, wait_for,
};
use exact::{Exact, SMALL, start};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP};

const LONG: f64 = 600.0;

#[test]
fn its_workers_end_with_it_and_a_new_start_clears_what_was_left() {
    let mut instance = start(SMALL, &[]);
    let watch = Watch::start(&instance.url("/stream?key=a"), 2, LONG, &[]);
    instance.viewer("a");
    let before = instance.status();
    let workers: Vec<u32> = before["workers"]
        .as_array()
        .unwrap()
        .iter()
        .map(pid)
        .collect();
    assert_eq!(workers.len(), 1 + 10 + 4, "{before}");
    // Also those that could not end by themselves.
    signal(workers[0], SIGSTOP);
    signal(workers[5], SIGSTOP);
    signal(instance.guard.pid(), SIGKILL);
    instance.guard.wait("its end");
    wait_for("the end of its workers", || {
        workers.iter().all(|&pid| !is_alive(pid)).then_some(())
    });
    let (report, code) = watch.report();
    assert_eq!(code, 4, "cut off: {report}");

    let (left, code) = status(&instance.name);
    assert_eq!(code, 3);
    assert_eq!(left["supervisor"]["alive"], false, "{left}");
    let (code, _, said) = common::run(&["status", "--name", &instance.name]);
    assert_eq!(code, 3);
    assert!(said.contains("does not run any more"), "{said}");
    assert!(!left_in_shm(&instance.name).is_empty());

    let next = Instance::start_named(&instance.name, &["--source", "test"], Stdio::null());
    let after = next.wait_live();
    assert!(
        after["ring"]["epoch"].as_u64() >= before["ring"]["epoch"].as_u64(),
        "{after}"
    );
    let name = instance.name.clone();
    assert_eq!(next.stop().0.code(), Some(0));
    assert_eq!(left_in_shm(&name), [""; 0]);
}

#[test]
fn killed_at_any_moment_of_its_start_it_leaves_nothing_that_hurts() {
    let name = unique("early");
    for tenths in 0..12 {
        let mut guard = Guard::spawn(
            Command::new(SEQCAST)
                .args(["--source", "test", "--http", "127.0.0.1:0", "--name", &name])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0),
        );
        std::thread::sleep(Duration::from_micros(700 * tenths * tenths));
        signal(guard.pid(), SIGKILL);
        guard.wait("its end");
        wait_for("the end of its workers", || {
            members(guard.pid()).is_empty().then_some(())
        });
    }
    let instance = Instance::start_named(&name, &["--source", "test"], Stdio::null());
    instance.wait_live();
    assert_eq!(instance.stop().0.code(), Some(0));
    assert_eq!(left_in_shm(&name), [""; 0]);
}

#[test]
fn while_it_is_stopped_the_show_goes_on() {
    let instance = start(SMALL, &["--lag", "100"]);
    let watch = Watch::start(&instance.url("/stream?key=before"), 2, LONG, &[]);
    instance.viewer("before");
    signal(instance.guard.pid(), SIGSTOP);
    // A viewer that comes, and one whose sender dies: nobody is there to see it.
    let late = Exact::start(instance.address(), "late", SMALL);
    instance.viewer("late");
    let doomed = Exact::start(instance.address(), "doomed", SMALL);
    signal(pid(&instance.viewer("doomed")), SIGKILL);
    wait_for("the doomed one's end", || doomed.account().ended);
    let (shown, code) = status(&instance.name);
    assert_eq!(code, 0, "{shown}");
    let silent = |s: &serde_json::Value| s["supervisor"]["silent_s"].as_f64() > Some(2.0);
    instance.wait_until("a stuck supervisor to show", silent);
    signal(instance.guard.pid(), SIGCONT);
    instance.wait_until("the dead sender's successor", |s| {
        s["totals"]["restarts"] == 1 && s["workers"].as_array().unwrap().len() == 1 + 10 + 4
    });
    let account = late.leave();
    assert_eq!(account.faults, [""; 0]);
    assert_eq!((account.lost, &account.ended), (0, &None), "{account:?}");
    assert_clean(watch);
}

#[test]
fn nobody_need_read_what_it_says() {
    let name = unique("unread");
    let mut guard = Guard::spawn(
        Command::new(SEQCAST)
            .args(["--source", "test", "--http", "127.0.0.1:0", "--name", &name])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    let mut first = [0; 1];
    guard
        .0
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    drop((guard.0.stdout.take(), guard.0.stderr.take()));
    let live = wait_for("a live picture", || {
        Some(status(&name).0).filter(|s| s["source"]["state"] == "live")
    });
    let url = format!("http://{}/stream", live["http"].as_str().unwrap());
    let watch = Watch::start(&url, 2, LONG, &[]);
    wait_for("its viewers", || {
        (status(&name).0["totals"]["viewers"] == 2).then_some(())
    });
    // A death is worth a line; it falls into the void.
    signal(pid(&live["workers"][0]), SIGKILL);
    wait_for("the restart", || {
        (status(&name).0["totals"]["restarts"] == 1).then_some(())
    });
    let head = |s: &serde_json::Value| s["ring"]["head"].as_u64().unwrap();
    let target = head(&status(&name).0) + 30;
    wait_for("frames", || (head(&status(&name).0) > target).then_some(()));
    assert_clean(watch);
    signal(guard.pid(), nix::sys::signal::Signal::SIGTERM);
    assert_eq!(guard.wait("a clean stop").code(), Some(0));
    assert_eq!(left_in_shm(&name), [""; 0]);
}

#[test]
fn a_reader_of_its_log_that_stands_still_stops_nobody() {
    // As a pager does, or a terminal after Ctrl-S: a pipe that is full.
    let (_reader, mut writer) = std::io::pipe().unwrap();
    let bytes = nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_GETPIPE_SZ).unwrap();
    writer.write_all(&vec![b'x'; bytes as usize]).unwrap();
    let name = unique("full");
    let mut guard = Guard::spawn(
        Command::new(SEQCAST)
            .args(["--source", "test", "--http", "127.0.0.1:0", "--name", &name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(writer),
    );
    for restarts in 1..4 {
        let live = wait_for("a worker at work", || {
            Some(status(&name).0).filter(|s| s["workers"][0]["state"] == "serving")
        });
        signal(pid(&live["workers"][0]), SIGKILL);
        wait_for("its successor", || {
            (status(&name).0["totals"]["restarts"] == restarts).then_some(())
        });
    }
    signal(guard.pid(), nix::sys::signal::Signal::SIGTERM);
    assert_eq!(guard.wait("a clean stop").code(), Some(0));
    assert_eq!(left_in_shm(&name), [""; 0]);
}

#[test]
fn a_stop_asked_of_the_whole_group_is_no_accident() {
    // As service managers and `timeout` do.
    let name = unique("group");
    let mut guard = Guard::spawn(
        Command::new(SEQCAST)
            .args(["--source", "test", "--http", "127.0.0.1:0", "--name", &name])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0),
    );
    wait_for("a live picture", || {
        (status(&name).0["source"]["state"] == "live").then_some(())
    });
    let group = nix::unistd::Pid::from_raw(guard.pid() as i32);
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(guard.wait("a clean stop").code(), Some(0));
    let said = drain(&mut guard.0.stdout);
    assert!(said.contains("restarts  0"), "{said}");
    assert_eq!(left_in_shm(&name), [""; 0]);
}

/// The living processes of a process group.
fn members(group: u32) -> Vec<u32> {
    let of_group = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // Behind the name: state, parent, group (proc(5)).
        let mine = stat.rsplit(')').next()?.split_whitespace().nth(2)?;
        (mine == group.to_string() && is_alive(pid)).then_some(pid)
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(of_group)
        .collect()
}

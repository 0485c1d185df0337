//! What people get wrong: one line that says what to do, the exit code of its kind, and nothing
//! left behind.
//!
//! Not here: bad requests (`http`), and shared memory that is not what it should be
//! (`hostile_shm`).

mod common;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Guard, Instance, SEQCAST, Watch, assert_clean, drain, left_in_shm, unique, wait_for};

/// Runs `seqcast ARGS` under a name and on a port of its own where it does not say another, and
/// asserts that it is refused.
fn refused(args: &[&str], code: i32, words: &[&str]) {
    refused_by(Command::new(SEQCAST), args, code, words);
}

/// Asserts that `command ARGS` ends with this code, one line on standard error that has all of
/// `words`, and nothing left in /dev/shm.
fn refused_by(mut command: Command, args: &[&str], code: i32, words: &[&str]) {
    let name = unique("refused");
    command.args(args);
    let is_serve = args.first().is_some_and(|first| first.starts_with('-'));
    for (option, value) in [("--http", "127.0.0.1:0"), ("--name", &name)] {
        if is_serve && !args.iter().any(|arg| arg.starts_with(option)) {
            command.args([option, value]);
        }
    }
    let mut guard = Guard::spawn(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    let end = guard.wait(&format!("{args:?} to be refused"));
    let (out, said) = (drain(&mut guard.0.stdout), drain(&mut guard.0.stderr));
    assert_eq!(end.code(), Some(code), "{args:?}: {said}");
    assert_eq!(out, "", "{args:?}");
    assert_eq!(said.trim_end().lines().count(), 1, "{args:?}: {said}");
    assert!(said.starts_with("seqcast: "), "{args:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{args:?} lacks {word:?}: {said}");
    }
    assert_eq!(left_in_shm(&name), [""; 0], "{args:?}");
}

/// The binary under a limit of open files, soft (`-Sn`) or both (`-n`).
fn with_open_files(kind: &str, limit: u32) -> Command {
    let mut shell = Command::new("sh");
    let script = format!(r#"ulimit {kind} {limit} && exec "$0" "$@""#);
    shell.args(["-c", &script, SEQCAST]);
    shell
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn sources_that_can_never_become_right() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    refused(
        &["--source", "tset"],
        2,
        &["tset", "auto, test, /dev/videoN"],
    );
    refused(
        &["--source", "/none/none.mjpeg"],
        2,
        &["no such file", "check the path"],
    );
    let dangling = dir.path().join("dangling.jpg");
    std::os::unix::fs::symlink("/none/none.jpg", &dangling).unwrap();
    refused(
        &["--source", text(&dangling)],
        2,
        &["dangling.jpg", "check the path"],
    );
    let circle = dir.path().join("circle.jpg");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    refused(
        &["--source", text(&circle)],
        2,
        &["cannot read", "circle.jpg"],
    );
    let below = file("plain.jpg", b"x").join("below.jpg");
    refused(
        &["--source", text(&below)],
        2,
        &["cannot read", "right to read"],
    );
    let picture = file("picture.jpg", b"GIF89a, or so");
    refused(
        &["--source", text(&picture)],
        2,
        &["holds no JPEG", "give a file"],
    );
    let empty = file("empty.mjpeg", b"");
    refused(&["--source", text(&empty)], 2, &["holds no JPEG"]);
    let folder = dir.path().join("folder.jpg");
    std::fs::create_dir(&folder).unwrap();
    refused(
        &["--source", text(&folder)],
        2,
        &["folder.jpg", "give a directory"],
    );
    let video = file("a b.mp4", b"");
    let line = format!("ffmpeg -re -i '{}'", text(&video));
    refused(
        &["--source", text(&video)],
        2,
        &[&line, "| seqcast --source -"],
    );
    refused(&["--source", "/dev/null"], 2, &["--source - < /dev/null"]);
}

#[test]
fn numbers_and_words_out_of_range() {
    for (option, values, words) in [
        (
            "--clients",
            &["0", "-1", "4097", "x", ""][..],
            &["--clients"][..],
        ),
        (
            "--size",
            &["0x0", "62x48", "641x480", "9000x480"],
            &["even numbers from 64x48"],
        ),
        (
            "--size",
            &["640", "x", "640x-1"],
            &["--size", "write it as 1280x720"],
        ),
        ("--fps", &["0", "241"], &["--fps 1 to 240"]),
        ("--fps", &["-1", "1.5", "x"], &["--fps"]),
        ("--quality", &["0", "101"], &["--quality 1 to 100"]),
        ("--quality", &["300", "x"], &["--quality"]),
        ("--lag", &["0", "-1", "x"], &["--lag"]),
        (
            "--stall",
            &["0", "-1", "x", "1e9"],
            &["--stall", "3 or 0.5"],
        ),
        (
            "--ring",
            &["0", "1k", "99999G"],
            &["--ring", "from 64 KiB to"],
        ),
        ("--ring", &["x", "-1", "1T"], &["--ring", "write it as 16M"]),
        (
            "--name",
            &["", "a/b", "ä", "a b"],
            &["--name", "A-Z a-z 0-9"],
        ),
        ("--log", &["wran", ""], &["--log", "error, warn, info"]),
        (
            "--http",
            &["x", "1.2.3.4:", "127.0.0.1:70000"],
            &["--http", "HOST:PORT"],
        ),
        ("--colour", &["red"], &["--colour", "--help"]),
    ] {
        for value in values {
            refused(
                &["--source", "test", &format!("{option}={value}")],
                2,
                words,
            );
        }
    }
    refused(&["stauts"], 2, &["stauts", "'status'"]);
    refused(&["watch"], 2, &["<URL>", "--help"]);
    refused(&["watch", "ftp://127.0.0.1/"], 2, &["ftp"]);
}

#[test]
fn an_address_that_cannot_be_had() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let args = ["--source", "test", "--http"];
    let refused = |address: &str, words: &[&str]| {
        refused(&[&args[..], &[address]].concat(), 5, words);
    };
    refused(&at, &[&at, "is in use", "another port"]);
    // TEST-NET-1 (RFC 5737): nobody's.
    refused("192.0.2.1:0", &["192.0.2.1", "no address of this machine"]);
    refused(
        "nowhere.invalid:80",
        &["nowhere.invalid:80", "no such host"],
    );
}

#[test]
fn shared_memory_that_is_too_small() {
    let words = ["/dev/shm is too small", "999 GiB needed", "free", "--ring"];
    refused(&["--source", "test", "--ring", "999G"], 7, &words);
}

#[test]
fn more_viewers_than_open_files_allow() {
    let args = ["--source", "test", "--clients", "300"];
    let words = ["open files", "200", "fewer --clients"];
    refused_by(with_open_files("-n", 200), &args, 2, &words);
    // What the system allows is asked for without further ado.
    let name = unique("many");
    let mut guard = Guard::spawn(
        with_open_files("-Sn", 50)
            .args(["--source", "test", "--clients", "80", "--name", &name])
            .args(["--http", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    wait_for("all workers", || {
        let (status, _) = common::status(&name);
        (status["workers"].as_array()?.len() == 1 + 80 + 4).then_some(())
    });
    common::signal(guard.pid(), nix::sys::signal::Signal::SIGTERM);
    assert_eq!(guard.wait("a clean stop").code(), Some(0));
}

#[test]
fn a_name_that_is_taken() {
    let instance = Instance::start(&["--source", "test", "--size", "320x240", "--lag", "100"]);
    instance.wait_live();
    let watch = Watch::start(&instance.url("/stream?key=watch"), 2, 600.0, &[]);
    instance.viewer("watch");
    let before = left_in_shm(&instance.name).len();
    let args = ["--source", "test", "--name", &instance.name];
    refused(&args, 4, &[&instance.name, "is running already", "--name"]);
    // Not even with the first one's own address is it harmed.
    let own = [&args[..], &["--http", instance.address()]].concat();
    refused(&own, 4, &["is running already"]);
    assert_eq!(left_in_shm(&instance.name).len(), before);
    let frames = instance.viewer("watch")["frames"].as_u64().unwrap();
    wait_for("more frames", || {
        (instance.viewer("watch")["frames"].as_u64() > Some(frames + 5)).then_some(())
    });
    assert_clean(watch);
}

#[test]
fn a_status_of_nobody() {
    let name = unique("nobody");
    let args = ["status", "--name", &name];
    refused(&args, 3, &[&name, "no instance", "start one with: seqcast"]);
    refused(&["status", "--name", "a/b"], 2, &["--name", "A-Z a-z 0-9"]);
}

#[test]
fn nothing_to_watch() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{free}/stream");
    let (code, _, said) = common::run(&["watch", "--seconds", "1", &url]);
    assert_eq!(code, 5, "{said}");
    refused(
        &["watch", "http://nowhere.invalid/"],
        5,
        &["nowhere.invalid"],
    );
}

#[test]
fn a_camera_that_may_still_come_is_no_error() {
    let instance = Instance::start(&["--source", "/dev/video4711"]);
    let missing = |s: &serde_json::Value| {
        s["source"]["state"] == "no-signal"
            && s["source"]["reason"]
                .as_str()
                .unwrap()
                .contains("/dev/video4711")
    };
    instance.wait_until("the reason", missing);
    let watch = Watch::start(&instance.url("/stream"), 1, 3.5, &[]);
    let (report, code) = watch.report();
    assert_eq!(code, 0, "{report}");
    let viewer = &report["viewers"][0];
    assert_eq!(viewer["frames"], 0, "{report}");
    assert!(viewer["unnumbered"].as_u64() >= Some(2), "{report}");
    let output = instance.output();
    assert!(output.contains("no picture yet"), "{output}");
    // Tried every second, logged once.
    let log = instance.log();
    assert_eq!(log.matches("no camera").count(), 1, "{log}");
    assert_eq!(instance.status()["totals"]["restarts"], 0);
    assert_eq!(instance.stop().0.code(), Some(0));
}

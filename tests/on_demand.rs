//! `--on-demand`: the source is closed when nobody has watched for so long, and opened for whoever
//! comes: a viewer, a snapshot, a raw viewer. Nobody is shown what was before.

mod common;

use std::io::Read as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use common::http::{Stream, connect, get};
use common::{Instance, MODELS, Watch, assert_clean, run, signal, wait_for};
use nix::sys::signal::Signal::SIGKILL;
use serde_json::Value;

/// A recording: which process has it open can be seen.
fn recording(dir: &Path) -> String {
    let mut jpeg = Vec::new();
    let mut all = Vec::new();
    let mut picture = picture::TestPicture::new(320, 240, 10, 80).unwrap();
    for id in 1..=10 {
        picture.render(id, id * 100_000_000, &mut jpeg);
        all.extend_from_slice(&jpeg);
    }
    let path = dir.join("recording.mjpeg");
    std::fs::write(&path, all).unwrap();
    path.to_str().unwrap().to_owned()
}

fn start(source: &str, more: &[&str]) -> Instance {
    let args = ["--source", source, "--on-demand", "1", "--fps", "10"];
    Instance::start(&[&args, more].concat())
}

fn wait_rest(instance: &Instance) -> Value {
    let resting =
        |s: &Value| s["source"]["state"] == "resting" && s["workers"][0]["state"] == "idle";
    instance.wait_until("the source at rest", resting)
}

/// Whether the capture process has that file open.
fn has_open(instance: &Instance, path: &str) -> bool {
    let fds = format!("/proc/{}/fd", instance.capture());
    std::fs::read_dir(fds)
        .unwrap()
        .any(|fd| std::fs::read_link(fd.unwrap().path()).is_ok_and(|to| to == Path::new(path)))
}

#[test]
fn rests_when_nobody_watches_and_wakes_for_a_viewer() {
    let dir = tempfile::tempdir().unwrap();
    let source = recording(dir.path());
    for model in MODELS {
        let instance = start(&source, model);
        let status = wait_rest(&instance);
        assert!(!has_open(&instance, &source), "it is still open");
        assert_eq!(status["source"]["reason"], "nobody watches", "{status}");
        let capture = instance.capture();
        let before = status["ring"]["head"].as_u64().unwrap();

        let mut stream = Stream::open(instance.address(), "/stream");
        let first = wait_for("a frame", || stream.next_part().unwrap().id());
        assert!(first > before, "frame {first} is from before the rest");
        assert!(has_open(&instance, &source));
        let watch = Watch::start(&instance.url("/stream"), 2, 600.0, &[]);
        wait_for("twenty frames", || {
            (stream.next_part().unwrap().id() > Some(first + 20)).then_some(())
        });
        assert_clean(watch);
        drop(stream);
        wait_rest(&instance);
        assert_eq!(instance.capture(), capture, "the same process as before");
        assert_eq!(instance.status()["totals"]["restarts"], 0);
        assert_eq!(instance.stop().0.code(), Some(0));
    }
}

#[test]
fn wakes_for_a_snapshot_which_is_of_now() {
    let instance = start("test", &[]);
    let before = wait_rest(&instance)["ring"]["head"].as_u64().unwrap();
    for _ in 0..2 {
        let reply = get(instance.address(), "/snapshot");
        assert_eq!(reply.code, 200, "{reply:?}");
        let id: u64 = reply.header("X-Seqcast-Frame").unwrap().parse().unwrap();
        assert!(id > before);
    }
    wait_rest(&instance);
}

#[test]
fn the_status_wakes_nobody_and_says_that_it_rests() {
    let instance = start("test", &[]);
    let head = wait_rest(&instance)["ring"]["head"].clone();
    for _ in 0..10 {
        let status: Value =
            serde_json::from_slice(&get(instance.address(), "/status").body).unwrap();
        assert_eq!(status["source"]["state"], "resting");
        assert_eq!(status["ring"]["head"], head);
        assert_eq!(get(instance.address(), "/").code, 200);
    }
}

#[test]
fn wakes_for_a_raw_viewer() {
    let instance = start("test", &["--raw", "127.0.0.1:0", "--size", "320x240"]);
    let head = wait_rest(&instance)["ring"]["head"].as_u64();
    let at = instance.status()["raw"].as_str().unwrap().to_owned();
    let mut viewer: TcpStream = connect(&at);
    let mut frame = vec![0; 8 + 320 * 240 * 3];
    // The first may be a placeholder.
    for _ in 0..5 {
        viewer.read_exact(&mut frame).unwrap();
        assert_eq!(frame[..8], [3, 0, 64, 1, 240, 0, 0, 0]);
    }
    assert!(instance.status()["ring"]["head"].as_u64() > head);
    drop(viewer);
    wait_rest(&instance);
}

#[test]
fn a_capture_process_at_rest_is_not_hung_and_its_successor_rests_too() {
    let instance = start("test", &["--stall", "1"]);
    wait_rest(&instance);
    let began = Instant::now();
    let capture = instance.capture();
    while began.elapsed() < Duration::from_secs(4) {
        assert_eq!(
            instance.status()["totals"]["restarts"],
            0,
            "{}",
            instance.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    // Twice: the second never was at work but for its rest.
    let mut last = capture;
    for restarts in 1..=2 {
        let head = instance.status()["ring"]["head"].clone();
        signal(last, SIGKILL);
        let status = instance.wait_until("a successor", |s| {
            s["totals"]["restarts"] == restarts && s["workers"][0]["state"] == "idle"
        });
        assert_eq!(status["source"]["state"], "resting", "{status}");
        assert_eq!(
            status["ring"]["head"], head,
            "it published while nobody watched"
        );
        last = instance.capture();
    }
    assert!(!instance.log().contains("next try"), "{}", instance.log());
    let watch = Watch::start(&instance.url("/stream?key=late"), 1, 600.0, &[]);
    instance.viewer("late");
    assert_clean(watch);
}

#[test]
fn while_a_viewer_watches_it_never_rests() {
    let instance = start("test", &[]);
    let watch = Watch::start(&instance.url("/stream?key=long"), 1, 600.0, &[]);
    instance.viewer("long");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        assert_ne!(instance.status()["source"]["state"], "resting");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_clean(watch);
}

#[test]
fn what_cannot_be_opened_again_is_refused() {
    let (code, _, error) = run(&["--source", "-", "--on-demand", "5"]);
    assert_eq!(code, 2, "{error}");
    assert!(
        error.contains("standard input cannot be opened again"),
        "{error}"
    );
}

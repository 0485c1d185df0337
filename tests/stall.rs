//! Stopped senders and viewers that stop reading: only they stand still, and they resume fresh.
//!
//! Not here: a stopped capture process (`kill_capture`) and a stopped supervisor
//! (`supervisor_death`).

mod common;
mod exact;

use common::{Instance, MODELS, Watch, assert_clean, pid, signal, wait_for};
use exact::{Exact, SMALL, start};
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};

const LONG: f64 = 600.0;
const LAG: u64 = 60;

fn stage(model: &[&str]) -> Instance {
    start(SMALL, &[&["--lag", &LAG.to_string()], model].concat())
}

/// Waits until so many more frames were captured; says the newest.
fn wait_frames(instance: &Instance, frames: u64) -> u64 {
    let head = |s: &serde_json::Value| s["ring"]["head"].as_u64().unwrap();
    let target = head(&instance.status()) + frames;
    head(&instance.wait_until("frames", |s| head(s) >= target))
}

#[test]
fn a_stopped_sender_stalls_only_its_viewer() {
    let instance = stage(&[]);
    let others = Watch::start(&instance.url("/stream?key=other"), 4, LONG, &[]);
    let exact = Exact::start(instance.address(), "stopped", SMALL);
    let sender = instance.viewer("stopped");
    wait_for("all five", || {
        (instance.status()["totals"]["viewers"] == 5).then_some(())
    });
    signal(pid(&sender), SIGSTOP);
    let still = instance.viewer("stopped")["frames"].clone();
    // Five seconds.
    let head = wait_frames(&instance, 5 * u64::from(SMALL.fps));
    let stopped = instance.viewer("stopped");
    assert_eq!(stopped["frames"], still, "{stopped}");
    signal(pid(&sender), SIGCONT);
    wait_for("frames after the stop", || {
        (exact.account().last > head + 30).then_some(())
    });
    let resumed = instance.viewer("stopped");
    for same in ["pid", "viewer"] {
        assert_eq!(resumed[same], sender[same]);
    }
    let behind = resumed["skip_causes"]["behind"].as_u64().unwrap();
    assert!(behind >= LAG, "{resumed}");
    assert_eq!(instance.status()["totals"]["restarts"], 0);
    let account = exact.leave();
    assert_eq!(account.faults, [""; 0]);
    assert_eq!((account.lost, &account.ended), (behind, &None));
    assert_clean(others);
}

#[test]
fn a_stopped_sender_of_several_stalls_them_and_nobody_who_comes() {
    let instance = stage(&["--viewers-per-sender", "3"]);
    let exact = Exact::start(instance.address(), "stopped", SMALL);
    let sender = instance.viewer("stopped");
    signal(pid(&sender), SIGSTOP);
    // It has two slots left; others open the door.
    let others = Watch::start(&instance.url("/stream?key=other"), 5, LONG, &[]);
    wait_for("all six", || {
        (instance.status()["totals"]["viewers"] == 6).then_some(())
    });
    let head = wait_frames(&instance, 60);
    assert_clean(others);
    signal(pid(&sender), SIGCONT);
    wait_for("frames after the stop", || {
        (exact.account().last > head).then_some(())
    });
    let account = exact.leave();
    assert_eq!(account.faults, [""; 0]);
    assert_eq!(account.ended, None, "{account:?}");
    assert_eq!(instance.status()["totals"]["restarts"], 0);
}

#[test]
fn a_viewer_that_stops_reading_hurts_nobody_and_resumes_fresh() {
    std::thread::scope(|scope| {
        for model in MODELS {
            scope.spawn(move || stops_reading(model));
        }
    });
}

fn stops_reading(model: &[&str]) {
    let instance = stage(model);
    let others = Watch::start(&instance.url("/stream?key=other"), 4, LONG, &[]);
    let stall = ["--stall-at", "1", "--stall-for", "10"];
    let stalling = Watch::start(&instance.url("/stream?key=stalling"), 1, LONG, &stall);
    let sender = instance.viewer("stalling");
    let resumed = wait_for("the end of the stall", || {
        let sender = instance.viewer("stalling");
        (sender["skip_causes"]["slow"].as_u64() > Some(0)).then_some(sender)
    });
    for same in ["pid", "viewer"] {
        assert_eq!(resumed[same], sender[same]);
    }
    assert!(resumed["stalled_s"].as_f64() > Some(5.0), "{resumed}");
    instance.wait_log("misses frames: slow");
    wait_frames(&instance, 30);
    stalling.interrupt();
    let (report, code) = stalling.report();
    assert_eq!(code, 0, "{report}");
    let viewer = &report["viewers"][0];
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    // What its own receive buffer held, the one that was half in it, and the one begun after.
    let frame = number(&viewer["bytes"]) / number(&viewer["frames"]);
    let held = number(&report["rcvbuf"]).div_ceil(frame) + 1;
    assert!(number(&viewer["stale_after_stall"]) <= held, "{report}");
    assert!(viewer["lost"].as_u64() > Some(150), "{report}");
    instance.wait_log("skipped (slow)");
    let status = instance.status();
    assert!(
        status["totals"]["frames_skipped"].as_u64() >= viewer["lost"].as_u64(),
        "{status}"
    );
    assert_eq!(status["totals"]["torn"], 0, "{status}");
    assert_clean(others);
}

#[test]
fn when_everything_is_stopped_at_once_and_goes_on_nobody_is_blamed() {
    let instance = stage(&[]);
    let exact = Exact::start(instance.address(), "exact", SMALL);
    instance.viewer("exact");
    let status = instance.status();
    let workers = status["workers"].as_array().unwrap();
    let supervisor = instance.guard.pid();
    let everyone: Vec<u32> = workers.iter().map(pid).chain([supervisor]).collect();
    for &pid in &everyone {
        signal(pid, SIGSTOP);
    }
    // Longer than a capture process may show no life; nobody is there to do anything in.
    std::thread::sleep(std::time::Duration::from_secs(4));
    // The supervisor first: it sees the others as they were.
    for &pid in everyone.iter().rev() {
        signal(pid, SIGCONT);
    }
    let head = wait_frames(&instance, 60);
    wait_for("frames", || (exact.account().last > head).then_some(()));
    let status = instance.status();
    assert_eq!(status["totals"]["restarts"], 0, "{status}");
    assert!(!instance.log().contains("hung"));
    let account = exact.leave();
    assert_eq!(account.faults, [""; 0]);
    assert_eq!((account.lost, &account.ended), (0, &None), "{account:?}");
}

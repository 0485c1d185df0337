//! Kill anything, before viewers of every kind: `seqcast watch`, curl, ffmpeg and a browser.
//!
//! Not here: what each kill does in detail (`kill_sender`, `kill_capture`, `stall`).

mod common;
mod exact;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Guard, Instance, Watch, assert_clean, pid, signal, tool, wait_for};
use exact::{Judge, Look, Parts, start};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP};
use serde_json::Value;

/// Slow enough for a browser without a graphics card beside all the others.
const LOOK: Look = Look {
    size: (320, 240),
    fps: 15,
    quality: 80,
};

/// A program that views, and the file that it writes.
struct Program {
    guard: Guard,
    file: PathBuf,
}

impl Program {
    fn start(command: &mut Command, file: PathBuf) -> Program {
        let guard = Guard::spawn(command.stdin(Stdio::null()));
        Program { guard, file }
    }
}

fn curl(instance: &Instance, key: &str) -> Program {
    let file = instance.dir.path().join(key);
    let mut curl = Command::new(tool("curl"));
    curl.args(["--silent", "--include", "--no-buffer", "--output"])
        .arg(&file)
        .arg(instance.url(&format!("/stream?key={key}")));
    Program::start(&mut curl, file)
}

/// Writes what it finds wrong with the stream or a picture.
fn ffmpeg(instance: &Instance, key: &str) -> Program {
    let file = instance.dir.path().join(key);
    let mut ffmpeg = Command::new(tool("ffmpeg"));
    ffmpeg
        .args(["-v", "error", "-err_detect", "explode", "-xerror"])
        .args(["-f", "mpjpeg", "-i"])
        .arg(instance.url(&format!("/stream?key={key}")))
        .args(["-fps_mode", "passthrough", "-f", "null", "-"])
        .stderr(File::create(&file).unwrap());
    Program::start(&mut ffmpeg, file)
}

fn chromium(instance: &Instance, url: &str) -> Program {
    let home = instance.dir.path().join("chromium");
    let mut chromium = Command::new(tool("chromium"));
    chromium
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--disable-dev-shm-usage", "--remote-debugging-port=0"])
        .arg(format!("--user-data-dir={}", home.display()))
        .arg(url)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Program::start(&mut chromium, home)
}

/// Asserts that what curl received is a stream of whole frames with rising ids, and that it was
/// told of all that it lost.
fn judge(curl: &Path) {
    let mut parts = Parts::begin(File::open(curl).unwrap()).unwrap();
    let mut judge = Judge::new(LOOK);
    while let Ok(part) = parts.next() {
        judge.part(&part);
    }
    assert_eq!(judge.account.faults, [""; 0]);
    assert!(judge.account.frames > 0);
}

/// The senders with a viewer: pid, peer and key, and what they sent.
fn seated(instance: &Instance) -> Vec<Value> {
    let status = instance.status();
    let workers = status["workers"].as_array().unwrap();
    let seated = |w: &&Value| !w["protocol"].is_null();
    workers.iter().filter(seated).cloned().collect()
}

/// Asserts that all of `before` are still there on the connections that they had, and goes on
/// once each has got more frames.
fn assert_undisturbed(instance: &Instance, before: &[Value]) {
    let frames = |s: &Value| s["frames"].as_u64().unwrap();
    let now = seated(instance);
    for viewer in before {
        let same = |s: &&Value| s["viewer"] == viewer["viewer"] && s["pid"] == viewer["pid"];
        let found = now.iter().find(same);
        let found = found.unwrap_or_else(|| panic!("{viewer} is gone: {now:?}"));
        assert_eq!(found["torn"], 0, "{found}");
        wait_for("more frames for each", || {
            let now = seated(instance);
            let found = now.iter().find(same).expect("still there");
            (frames(found) > frames(viewer) + 5).then_some(())
        });
    }
}

#[test]
#[ignore = "needs ffmpeg, curl and Chromium: tests/run"]
fn viewers_of_every_kind_outlive_every_kill_but_their_own() {
    let instance = start(LOOK, &["--clients", "6", "--lag", "100"]);
    let url = |key: &str| instance.url(&format!("/stream?key={key}"));
    let [watch, last] = ["watch", "last"].map(|key| Watch::start(&url(key), 1, 600.0, &[]));
    let mut curl = curl(&instance, "curl");
    let mut ffmpeg = ffmpeg(&instance, "ffmpeg");
    let mut page = chromium(&instance, &instance.url("/"));
    let all = wait_for("five viewers with frames", || {
        let seated = seated(&instance);
        let begun = seated.iter().all(|s| s["frames"].as_u64() > Some(0));
        (seated.len() == 5 && begun).then_some(seated)
    });

    // The capture process, at work, ten times; then it hangs.
    for _ in 0..10 {
        let epoch = instance.status()["ring"]["epoch"].as_u64();
        signal(instance.capture(), SIGKILL);
        instance.wait_until("the successor at work", |s| {
            s["ring"]["epoch"].as_u64() > epoch && s["workers"][0]["state"] == "serving"
        });
    }
    assert_undisturbed(&instance, &all);
    signal(instance.capture(), SIGSTOP);
    instance.wait_log("capture hung");
    assert_undisturbed(&instance, &all);

    // The sender of each in turn: stopped, going on, killed; the last one is to see it all.
    let known = ["curl", "ffmpeg", "watch", "last"].map(Value::from);
    let of_page = |s: &Value| !known.contains(&s["key"]);
    let mut others = all;
    for victim in ["page", "ffmpeg", "curl", "watch"] {
        let is_victim = |s: &Value| s["key"] == victim || (victim == "page" && of_page(s));
        let at = others.iter().position(is_victim).unwrap();
        let sender = others.remove(at);
        signal(pid(&sender), SIGSTOP);
        let head = |s: &Value| s["ring"]["head"].as_u64().unwrap();
        let target = head(&instance.status()) + 5 * u64::from(LOOK.fps);
        instance.wait_until("five seconds", |s| head(s) >= target);
        assert_undisturbed(&instance, &others);
        signal(pid(&sender), SIGCONT);
        assert_undisturbed(&instance, std::slice::from_ref(&sender));
        if victim == "ffmpeg" {
            assert_eq!(std::fs::read_to_string(&ffmpeg.file).unwrap(), "");
            assert!(ffmpeg.guard.is_running());
        }
        signal(pid(&sender), SIGKILL);
        assert_undisturbed(&instance, &others);
        if victim == "page" {
            wait_for("the page to ask again", || {
                seated(&instance).iter().find(|s| of_page(s)).map(|_| ())
            });
            assert!(page.guard.is_running());
        }
    }
    ffmpeg.guard.wait("the end of ffmpeg's stream");
    curl.guard.wait("the end of curl's stream");
    judge(&curl.file);
    let (report, code) = watch.report();
    assert_eq!(code, 4, "cut off: {report}");
    assert_clean(last);
    let status = instance.status();
    assert_eq!(status["totals"]["torn"], 0, "{status}");
    assert_eq!(status["totals"]["restarts"], 10 + 1 + 4, "{status}");
}

//! Raw frames as in 2017 (`--raw`), and raw frames in the ring (`--format bgr24`), against the real
//! program: all models, beside HTTP, with slow, refused and killed ones among them.
//!
//! Not here: the originals' own server (`raw_client`), what a sender makes of each frame (crate
//! `sender`).

mod common;

use std::io::Read as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use common::http::{connect, get};
use common::{
    Guard, Instance, MODELS, Watch, assert_clean, drain, pid, run, signal, tool, unique, wait_for,
};
use nix::sys::signal::Signal;
use picture::{bgr_len, decode_bgr, jpeg};
use serde_json::Value;

const LONG: f64 = 600.0;
const FORMATS: [&str; 2] = ["jpeg", "bgr24"];
/// A lag that only starvation reaches.
const LAG: [&str; 2] = ["--lag", "100"];

fn start(format: &str, more: &[&str]) -> Instance {
    start_of("160x120", format, more)
}

/// An instance that shows the test picture of that size and has begun.
fn start_of(size: &str, format: &str, more: &[&str]) -> Instance {
    let source = ["--source", "test", "--size", size];
    let raw = ["--raw", "127.0.0.1:0", "--format", format];
    let instance = Instance::start(&[&source[..], &raw, &LAG, more].concat());
    instance.wait_live();
    instance
}

fn raw(instance: &Instance) -> String {
    instance.status()["raw"].as_str().unwrap().to_owned()
}

fn watch(instance: &Instance, viewers: usize, more: &[&str]) -> Watch {
    Watch::start(&format!("--raw={}", raw(instance)), viewers, LONG, more)
}

/// Lines of the status that are of raw viewers who have got a frame.
fn raw_viewers(instance: &Instance, count: usize) -> Vec<Value> {
    wait_for("raw viewers with frames", || {
        let status = instance.status();
        let workers = status["workers"].as_array()?.iter();
        let raw = workers.filter(|w| w["protocol"] == "raw" && w["frames"].as_u64() > Some(0));
        let raw: Vec<_> = raw.cloned().collect();
        (raw.len() == count).then_some(raw)
    })
}

fn wait_frames(instance: &Instance, frames: u64) {
    let head = |s: &Value| s["ring"]["head"].as_u64().unwrap();
    let target = head(&instance.status()) + frames;
    instance.wait_until("frames", |s| head(s) >= target);
}

/// A raw viewer that keeps what it gets.
struct Viewer(TcpStream);

impl Viewer {
    fn new(instance: &Instance) -> Viewer {
        Viewer(connect(&raw(instance)))
    }

    /// Width, height, pixels; none where the connection ended between two frames.
    fn frame(&mut self) -> Option<(u32, u32, Vec<u8>)> {
        let mut header = [0; 8];
        self.0.read_exact(&mut header).ok()?;
        let field = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        assert_eq!((field(0), field(6)), (3, 0), "{header:?}");
        let (width, height) = (field(2).into(), field(4).into());
        let mut pixels = vec![0; bgr_len(width, height).unwrap()];
        self.0.read_exact(&mut pixels).unwrap();
        Some((width, height, pixels))
    }
}

#[test]
fn every_model_sends_every_frame_of_either_form() {
    for (format, model) in FORMATS.iter().flat_map(|f| MODELS.map(|m| (*f, m))) {
        let instance = start(format, model);
        let three = watch(&instance, 3, &[]);
        let beside = Watch::start(&instance.url("/stream?key=http"), 1, LONG, &[]);
        raw_viewers(&instance, 3);
        instance.viewer("http");
        wait_frames(&instance, 30);
        let status = instance.status();
        let fourcc = if format == "jpeg" { "MJPG" } else { "BGR3" };
        for part in ["ring", "source"] {
            assert_eq!(status[part]["format"], fourcc, "{status}");
        }
        three.interrupt();
        let (report, code) = three.report();
        assert_eq!(code, 0, "{model:?} {format}: {report}");
        for viewer in report["viewers"].as_array().unwrap() {
            assert!(viewer["fps"].as_f64() > Some(1.0), "{viewer}");
            if format == "jpeg" {
                assert!(viewer["unnumbered"].as_u64() > Some(25), "{viewer}");
            } else {
                assert_eq!(
                    (&viewer["lost"], &viewer["unnumbered"]),
                    (&0.into(), &0.into())
                );
                assert!(viewer["frames"].as_u64() > Some(25), "{viewer}");
                assert!(viewer["latency_ms"]["p50"].is_f64(), "{viewer}");
            }
        }
        assert_clean(beside);
        let status = instance.status();
        for count in ["frames_skipped", "torn", "restarts"] {
            assert_eq!(status["totals"][count], 0, "{model:?} {format}: {status}");
        }
    }
}

#[test]
fn a_raw_viewer_that_stops_reading_hurts_nobody() {
    std::thread::scope(|scope| {
        for (format, model) in FORMATS.iter().flat_map(|f| MODELS.map(|m| (*f, m))) {
            scope.spawn(move || stops_reading(format, model));
        }
    });
}

fn stops_reading(format: &str, model: &[&str]) {
    let instance = start_of("320x240", format, model);
    let others = watch(&instance, 2, &[]);
    let http = Watch::start(&instance.url("/stream?key=http"), 1, LONG, &[]);
    raw_viewers(&instance, 2);
    let stalling = watch(&instance, 1, &["--stall-at", "1", "--stall-for", "8"]);
    raw_viewers(&instance, 3);
    instance.wait_log("misses frames: slow");
    let skipped = instance.wait_until("the end of the stall", |s| {
        let workers = s["workers"].as_array().unwrap().iter();
        let slow = workers.filter(|w| w["skip_causes"]["slow"].as_u64() > Some(0));
        slow.count() == 1
    });
    wait_frames(&instance, 30);
    stalling.interrupt();
    let (report, code) = stalling.report();
    assert_eq!(code, 0, "{format} {model:?}: {report}\n{skipped}");
    // Without ids nothing shows as lost there; the server says it.
    assert_eq!(
        report["viewers"][0]["lost"].as_u64() > Some(0),
        format == "bgr24"
    );
    let status = instance.status();
    assert_eq!(status["totals"]["torn"], 0, "{status}");
    others.interrupt();
    let (report, code) = others.report();
    assert_eq!(code, 0, "{report}");
    for viewer in report["viewers"].as_array().unwrap() {
        assert_eq!(viewer["lost"], 0, "{viewer}");
    }
    assert_clean(http);
}

#[test]
fn who_finds_no_place_is_closed_and_counted() {
    for model in MODELS {
        let instance = start("bgr24", &[&["--clients", "2"], model].concat());
        let mut seated = Viewer::new(&instance);
        assert!(seated.frame().is_some());
        let other = Watch::start(&instance.url("/stream?key=other"), 1, LONG, &[]);
        instance.viewer("other");
        for refused in 1..=3 {
            assert!(Viewer::new(&instance).frame().is_none());
            assert_eq!(instance.status()["totals"]["refused"], refused);
        }
        instance.wait_log("turned away: all places are taken");
        for target in ["/", "/status", "/snapshot"] {
            assert_eq!(get(instance.address(), target).code, 200, "{target}");
        }
        assert!(seated.frame().is_some());
        assert_clean(other);
        drop(seated);
        wait_for("a free place", || Viewer::new(&instance).frame());
    }
}

#[test]
fn a_raw_ring_over_http_is_jpeg() {
    let instance = start("bgr24", &[]);
    let snapshot = get(instance.address(), "/snapshot");
    assert_eq!(snapshot.code, 200, "{}", snapshot.head);
    assert_eq!(snapshot.header("content-type"), Some("image/jpeg"));
    let info = jpeg::check(&snapshot.body).unwrap();
    assert_eq!((info.width, info.height), (160, 120));
    let (mut seen, mut rendered) = (Vec::new(), Vec::new());
    decode_bgr(&snapshot.body, &mut seen).unwrap();
    let mut picture = picture::TestPicture::new(160, 120, 30, 90).unwrap();
    picture.render(1, 0, &mut rendered);
    let mut drawn = Vec::new();
    decode_bgr(&rendered, &mut drawn).unwrap();
    let far = seen
        .iter()
        .zip(&drawn)
        .filter(|(a, b)| a.abs_diff(**b) > 24);
    // Its digits, its light and its coding are others.
    assert!(far.count() < seen.len() / 3);
}

#[test]
fn a_killed_sender_takes_its_raw_viewer_and_capture_none() {
    let instance = start("bgr24", &["--clients", "4"]);
    let others = watch(&instance, 2, &[]);
    let before = raw_viewers(&instance, 2);
    let mut victim = Viewer::new(&instance);
    assert!(victim.frame().is_some());
    let all = raw_viewers(&instance, 3);
    let sender = all
        .iter()
        .find(|w| before.iter().all(|b| b["pid"] != w["pid"]));
    signal(pid(sender.unwrap()), Signal::SIGKILL);
    let ended = std::panic::catch_unwind(move || while victim.frame().is_some() {});
    drop(ended); // wherever it was cut off
    signal(instance.capture(), Signal::SIGKILL);
    instance.wait_until("two restarts", |s| s["totals"]["restarts"] == 2);
    wait_frames(&instance, 30);
    // Ids go on where they were.
    assert_clean(others);
}

#[test]
fn a_stop_ends_the_stream_between_two_frames() {
    for format in FORMATS {
        let instance = start(format, &[]);
        let mut viewer = Viewer::new(&instance);
        assert!(viewer.frame().is_some());
        let stopped = std::thread::spawn(move || instance.stop());
        // It panics where a frame is cut.
        while viewer.frame().is_some() {}
        assert_eq!(viewer.0.read(&mut [0]).unwrap(), 0);
        let (status, _) = stopped.join().unwrap();
        assert!(status.success());
    }
}

#[test]
fn no_signal_is_a_frame_like_any_other() {
    let source = ["--source", "/dev/video-none", "--size", "320x240"];
    let instance = Instance::start(&[&source[..], &["--raw", "127.0.0.1:0"]].concat());
    let mut viewer = Viewer::new(&instance);
    for _ in 0..2 {
        let (width, height, pixels) = viewer.frame().unwrap();
        assert_eq!((width, height), (320, 240));
        assert!(pixels.iter().any(|&sample| sample > 200), "text");
    }
}

#[test]
fn a_file_is_decoded_on_either_side_of_the_ring() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jpg");
    let (mut encoded, mut pixels) = (Vec::new(), Vec::new());
    let mut picture = picture::TestPicture::new(200, 150, 30, 90).unwrap();
    picture.render(7, 0, &mut encoded);
    std::fs::write(&path, &encoded).unwrap();
    decode_bgr(&encoded, &mut pixels).unwrap();
    for (format, fourcc) in [("jpeg", "MJPG"), ("bgr24", "BGR3")] {
        let source = ["--source", path.to_str().unwrap(), "--raw", "127.0.0.1:0"];
        let instance = Instance::start(&[&source[..], &["--format", format]].concat());
        let status = instance.wait_live();
        assert_eq!(status["source"]["format"], "MJPG", "{status}");
        assert_eq!(status["ring"]["format"], fourcc, "{status}");
        let (width, height, seen) = Viewer::new(&instance).frame().unwrap();
        assert_eq!((width, height), (200, 150));
        assert!(seen == pixels, "{format}");
    }
}

#[test]
fn a_raw_ring_says_what_it_holds() {
    let instance = start("bgr24", &[]);
    let out = instance.output();
    let line = format!("raw       {}  ", raw(&instance));
    assert!(out.contains(&line), "{out}");
    let (_, text, _) = run(&["status", "--name", &instance.name]);
    assert!(
        text.contains(&format!("  raw {}  ", raw(&instance))),
        "{text}"
    );
    assert!(text.contains(" of BGR3, "), "{text}");
    let (code, text, _) = run(&["ring", "--name", &instance.name]);
    assert_eq!(code, 0);
    assert!(text.contains("160x120 BGR3, 56 KiB"), "{text}");
    let dump = ["ring", "--name", &instance.name, "--dump", "/dev/null"];
    let (code, _, err) = run(&dump);
    assert_eq!((code, err.lines().count()), (2, 1), "{err}");
    assert!(err.contains("MJPG") && err.contains("BGR3"), "{err}");
}

#[test]
fn too_small_a_ring_says_which_would_do() {
    let instance = Instance::start(&[
        "--source", "test", "--size", "640x480", "--format", "bgr24", "--ring", "1M",
    ]);
    let status = instance.wait_until("the reason", |s| s["source"]["state"] == "no-signal");
    let reason = status["source"]["reason"].as_str().unwrap();
    assert!(reason.contains("921600 bytes takes --ring 4M"), "{reason}");
}

#[test]
fn a_mistake_is_one_line_that_names_the_option() {
    let name = unique("raw");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    for (args, wanted, said) in [
        (
            vec!["--http", "127.0.0.1:18973", "--raw", "18973"],
            2,
            "choose another",
        ),
        (vec!["--http", "127.0.0.1:0", "--raw", "8081x"], 2, "--raw"),
        (
            vec!["--http", "127.0.0.1:0", "--raw", &taken.to_string()],
            5,
            "--raw",
        ),
        (
            vec!["--http", "127.0.0.1:0", "--raw", "192.0.2.1:0"],
            5,
            "--raw",
        ),
        (vec!["--format", "rgb"], 2, "--format"),
    ] {
        let (code, out, err) = run(&[&["--source", "test", "--name", &name], &args[..]].concat());
        assert_eq!(
            (code, out.as_str(), err.lines().count()),
            (wanted, "", 1),
            "{err}"
        );
        assert!(err.contains(said), "{err}");
    }
}

/// The client of 2017, for so many frames.
fn client(port: &str, frames: &str) -> Guard {
    let originals = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/originals");
    let mut python = Command::new(tool("python3"));
    let python = python.arg(originals.join("client.py"));
    let python = python.args(["-p", port, "--frames", frames]);
    Guard::spawn(
        python
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped()),
    )
}

#[test]
#[ignore = "needs python3: tests/run"]
fn the_client_of_2017_reads_either_form() {
    for format in FORMATS {
        let instance = start(format, &[]);
        let address = raw(&instance);
        let (_, port) = address.rsplit_once(':').unwrap();
        let mut client = client(port, "40");
        let said = drain(&mut client.0.stdout);
        assert!(client.wait("client.py to end").success(), "{said}");
        assert!(said.starts_with("40 frames, "), "{said}");
        // What the coding says, where there is one.
        let clean = said.contains(" 0 lost, 0 repeated, latency ");
        assert_eq!(clean, format == "bgr24", "{said}");
    }
}

#[test]
#[ignore = "needs ffmpeg: tests/run"]
fn pixels_are_what_ffmpeg_decodes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jpg");
    let ffmpeg = |args: &[&str]| {
        let mut command = Command::new(tool("ffmpeg"));
        let command = command.args(["-loglevel", "error", "-y"]).args(args);
        let out = command.stdin(Stdio::null()).output().unwrap();
        let errors = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{errors}");
        out.stdout
    };
    let path_text = path.to_str().unwrap();
    // With colour in each pixel: how it is spread over several is each decoder's own affair.
    let source = ["-f", "lavfi", "-i", "testsrc2=size=322x242:rate=1"];
    let jpeg = [
        "-frames:v",
        "1",
        "-pix_fmt",
        "yuvj444p",
        "-q:v",
        "3",
        path_text,
    ];
    ffmpeg(&[&source[..], &jpeg].concat());
    let exact = "accurate_rnd+full_chroma_int+full_chroma_inp+bitexact";
    let decode = ["-i", path_text, "-sws_flags", exact, "-pix_fmt", "bgr24"];
    let expected = ffmpeg(&[&decode[..], &["-f", "rawvideo", "-"]].concat());
    for format in FORMATS {
        let args = [
            "--source",
            path_text,
            "--raw",
            "127.0.0.1:0",
            "--format",
            format,
        ];
        let instance = Instance::start(&args);
        instance.wait_live();
        let (width, height, pixels) = Viewer::new(&instance).frame().unwrap();
        assert_eq!((width, height), (322, 242));
        assert_eq!(pixels.len(), expected.len());
        // Two decoders' samples may differ by 1 before colours are mixed (ITU T.83), so by
        // 1 + 1.772 behind that, rounded; hardly any does.
        let difference = |(a, b): (&u8, &u8)| a.abs_diff(*b);
        let differences = || pixels.iter().zip(&expected).map(difference);
        assert!(differences().max() <= Some(3), "{format}");
        let far = differences().filter(|&difference| difference > 2).count();
        assert!(far <= pixels.len() / 10_000, "{format}: {far}");
    }
}

//! Sources from end to end: files, a directory, a picture, standard input; and foreign programs at
//! both ends.
//!
//! Not here: what each source promises (`capture`'s conformance suite), cameras, bad arguments.

mod common;

use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use common::http::Stream;
use common::{Guard, Instance, Watch, signal, tool, wait_for};
use nix::sys::signal::Signal;
use picture::TestPicture;

const SMALL: (u32, u32) = (320, 240);

/// Different pictures of one size.
fn pictures(count: u64, (width, height): (u32, u32)) -> Vec<Vec<u8>> {
    let mut drawn = TestPicture::new(width, height, 20, 80).unwrap();
    let mut draw = |id| {
        let mut jpeg = Vec::new();
        drawn.render(id, id * 50_000_000, &mut jpeg);
        jpeg
    };
    (1..=count).map(&mut draw).collect()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a viewer gets: each picture byte for byte one of `pictures`, which one, and its frame id.
fn seen(instance: &Instance, pictures: &[Vec<u8>], count: usize) -> Vec<(u64, usize)> {
    let mut stream = Stream::open(instance.address(), "/stream");
    let next = |_| {
        let part = stream.next_part().unwrap();
        let known = pictures.iter().position(|known| *known == part.jpeg);
        Some((part.id()?, known.expect("one of the pictures")))
    };
    (0..count).filter_map(next).collect()
}

/// Asserts that what was seen goes round `0..count`, from wherever, whatever was skipped.
fn assert_round(seen: &[(u64, usize)], count: usize) {
    assert!(seen.len() > count, "{seen:?}");
    for pair in seen.windows(2) {
        let [(id, picture), (next_id, next)] = pair else {
            unreachable!()
        };
        assert!(next_id > id, "{seen:?}");
        assert_eq!(
            *next,
            (picture + (next_id - id) as usize) % count,
            "{seen:?}"
        );
    }
}

#[test]
fn a_file_goes_round() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("three.mjpeg");
    let pictures = pictures(3, SMALL);
    std::fs::write(&file, pictures.concat()).unwrap();
    let instance = Instance::start(&["--source", path(&file)]);
    let status = instance.wait_live();
    assert_eq!(
        (&status["source"]["width"], &status["source"]["height"]),
        (&320.into(), &240.into())
    );
    assert_round(&seen(&instance, &pictures, 8), 3);
    // A successor goes on with the same pictures and higher ids.
    let before = status["ring"]["head"].as_u64().unwrap();
    signal(instance.capture(), Signal::SIGKILL);
    let after = instance.wait_until("a restart", |s| s["totals"]["restarts"] == 1);
    assert!(after["ring"]["head"].as_u64().unwrap() >= before);
    assert_round(&seen(&instance, &pictures, 8), 3);
}

#[test]
fn a_directory_goes_round_in_the_order_of_names() {
    let dir = tempfile::tempdir().unwrap();
    let pictures = pictures(3, SMALL);
    for (name, jpeg) in ["b.jpg", "c.JPEG", "a.jpeg"].iter().zip([1, 2, 0]) {
        std::fs::write(dir.path().join(name), &pictures[jpeg]).unwrap();
    }
    std::fs::write(dir.path().join("notes.txt"), "no picture").unwrap();
    let instance = Instance::start(&["--source", path(dir.path())]);
    assert_round(&seen(&instance, &pictures, 8), 3);
}

#[test]
fn one_picture_stays() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("still.jpg");
    let pictures = pictures(1, SMALL);
    std::fs::write(&file, &pictures[0]).unwrap();
    let instance = Instance::start(&["--source", path(&file), "--fps", "20"]);
    assert_round(&seen(&instance, &pictures, 10), 1);
}

/// Writes pictures into a pipe, round and round, until `done`; says how many.
fn feed(mut pipe: ChildStdin, pictures: &[Vec<u8>], done: &AtomicBool) -> u64 {
    let mut count = 0;
    for jpeg in pictures.iter().cycle() {
        if done.load(Relaxed) {
            break;
        }
        pipe.write_all(jpeg).unwrap();
        count += 1;
        thread::sleep(Duration::from_millis(40));
    }
    count
}

/// Sets a flag, also when the test fails.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn standard_input_and_its_end() {
    let mut instance = Instance::start_with(&["--source", "-"], Stdio::piped());
    let pipe = instance.guard.0.stdin.take().unwrap();
    let pictures = pictures(20, SMALL);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let finish = Finish(&done);
        let fed = scope.spawn(|| feed(pipe, &pictures, &done));
        instance.wait_live();
        let mut stream = Stream::open(instance.address(), "/stream");
        let mut last = 0;
        let mut see = |stream: &mut Stream| {
            let part = stream.next_part()?;
            if let Some(id) = part.id() {
                assert_eq!(part.jpeg, pictures[(id - 1) as usize % 20], "frame {id}");
                last = id;
            }
            Some(last)
        };
        (0..40).for_each(|_| assert!(see(&mut stream).is_some()));
        drop(finish);
        let fed = fed.join().unwrap();
        // To the last one; then once a second that it was that, and a proper end.
        while see(&mut stream).unwrap() < fed {}
        instance.wait_until("the end of the input", |s| s["source"]["state"] == "ended");
        let placeholders = std::iter::from_fn(|| see(&mut stream)).count();
        assert!((3..=7).contains(&placeholders), "{placeholders} in 5 s");
        assert_eq!(last, fed);
    });
    let code = instance.guard.wait("the end").code();
    assert_eq!(code, Some(6), "{}", instance.log());
    assert_eq!(common::left_in_shm(&instance.name), [""; 0]);
}

#[test]
fn a_capture_process_killed_in_mid_pipe_leaves_no_half_picture() {
    let mut instance = Instance::start_with(&["--source", "-"], Stdio::piped());
    let pipe = instance.guard.0.stdin.take().unwrap();
    // Larger than the pipe, so that a death mostly falls within one.
    let pictures = pictures(4, (1920, 1080));
    assert!(pictures[0].len() > 70_000, "{}", pictures[0].len());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let _finish = Finish(&done);
        scope.spawn(|| feed(pipe, &pictures, &done));
        instance.wait_live();
        let mut watch = Watch::start(&instance.url("/stream"), 1, 60.0, &[]);
        instance.wait_until("the viewer", |s| s["totals"]["viewers"] == 1);
        let mut stream = Stream::open(instance.address(), "/stream");
        let (mut last, mut epochs) = (0, HashSet::new());
        for _ in 0..8 {
            let killed = instance.capture();
            signal(killed, Signal::SIGKILL);
            let next = instance.wait_until("a successor at work", |s| {
                let workers = s["workers"].as_array().unwrap();
                let head = s["ring"]["head"].as_u64().unwrap();
                workers
                    .iter()
                    .any(|w| w["role"] == "capture" && w["pid"] != killed)
                    && s["source"]["state"] == "live"
                    && head > last + 3
            });
            last = next["ring"]["head"].as_u64().unwrap();
            assert!(epochs.insert(next["ring"]["epoch"].as_u64()), "{next}");
            loop {
                let part = stream.next_part().unwrap();
                let Some(id) = part.id() else { continue };
                assert!(pictures.contains(&part.jpeg), "frame {id} is another");
                if id >= last {
                    break;
                }
            }
        }
        assert!(watch.is_running());
        watch.interrupt();
        let (report, code) = watch.report();
        assert_eq!(code, 0, "{report}");
    });
}

fn ffmpeg() -> Command {
    let mut command = Command::new(tool("ffmpeg"));
    command
        .args(["-hide_banner", "-nostdin", "-loglevel", "error"])
        .stdin(Stdio::null());
    command
}

#[test]
#[ignore = "needs ffmpeg: tests/run"]
fn ffmpeg_on_standard_input() {
    let mut source = Guard::spawn(
        ffmpeg()
            .args(["-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25"])
            .args(["-t", "6", "-f", "mjpeg", "-q:v", "5", "-"])
            .stdout(Stdio::piped()),
    );
    let pipe = source.0.stdout.take().unwrap();
    let mut instance = Instance::start_with(&["--source", "-"], pipe.into());
    let status = instance.wait_live();
    assert_eq!(
        (&status["source"]["width"], &status["source"]["height"]),
        (&640.into(), &360.into())
    );
    let (report, code) = Watch::start(&instance.url("/stream"), 2, 3.0, &[]).report();
    assert_eq!(code, 0, "{report}");
    for viewer in report["viewers"].as_array().unwrap() {
        assert!(viewer["frames"].as_u64().unwrap() > 20, "{viewer}");
    }
    assert_eq!(instance.guard.wait("the end of the input").code(), Some(6));
}

#[test]
#[ignore = "needs ffmpeg: tests/run"]
fn ffmpeg_reads_the_stream() {
    let instance = Instance::start(&["--source", "test", "--size", "640x360"]);
    instance.wait_live();
    // Decodes every frame, and fails at the first flaw. Its own port: libavformat takes
    // multipart from any URL.
    let out = ffmpeg()
        .args(["-xerror", "-err_detect", "explode", "-f", "mpjpeg", "-i"])
        .arg(instance.url("/stream"))
        .args(["-frames:v", "60", "-f", "framemd5", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.is_empty(), "{said}");
    let sums = String::from_utf8_lossy(&out.stdout);
    let sums: HashSet<_> = sums
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit(',').next())
        .collect();
    assert!(sums.len() >= 58, "{} different pictures of 60", sums.len());
}

#[test]
#[ignore = "needs gstreamer1.0-tools and gstreamer1.0-plugins-good: tests/run"]
fn gstreamer_reads_the_stream() {
    let instance = Instance::start(&["--source", "test", "--size", "640x360"]);
    instance.wait_live();
    let mut pipeline = Guard::spawn(
        Command::new(tool("gst-launch-1.0"))
            .args(["-q", "souphttpsrc"])
            .arg(format!("location={}", instance.url("/stream")))
            .args(["!", "multipartdemux", "!", "jpegdec", "!"])
            .args(["fakesink", "num-buffers=30"])
            .stdin(Stdio::null()),
    );
    assert!(pipeline.wait("30 decoded pictures").success());
}

#[test]
#[ignore = "needs curl: tests/run"]
fn curl_reads_all() {
    let instance = Instance::start(&["--source", "test", "--size", "320x240"]);
    instance.wait_live();
    let curl = |args: &[&str], target: &str| {
        let mut command = Command::new(tool("curl"));
        command.args(["--silent", "--show-error", "--noproxy", "*"]);
        command.args(args).arg(instance.url(target));
        command.stdin(Stdio::null()).output().unwrap()
    };
    let picture = curl(&["--fail"], "/snapshot");
    assert!(picture.status.success());
    picture::jpeg::check(&picture.stdout).unwrap();
    for target in ["/", "/status"] {
        assert!(curl(&["--fail"], target).status.success(), "{target}");
    }
    assert!(curl(&["--fail", "--head"], "/stream").status.success());
    // It never ends by itself: 28 is curl's code for its own time-out.
    let stream = curl(&["--max-time", "2"], "/stream");
    assert_eq!(stream.status.code(), Some(28));
    let parts = stream
        .stdout
        .windows(24)
        .filter(|w| w == b"\r\n--boundarydonotcross\r\n");
    assert!(parts.count() > 20);
    wait_for("its place to be free", || {
        instance.serving().is_empty().then_some(())
    });
}

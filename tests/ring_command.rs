//! `seqcast ring`: what it prints, and what it records while the writer is killed and the ring is
//! made anew.
//!
//! Not here: who may read a ring (`ring_group`), rings that are none (`hostile_shm`).

mod common;
mod exact;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Guard, Instance, SEQCAST, drain, run, signal, tool, unique, wait_for};
use exact::{SMALL, start};
use nix::sys::signal::Signal;
use picture::jpeg;
use picture::split::{Split, Splitter};
use serde_json::Value;

/// What `seqcast ring --name NAME --json` says.
fn ring(name: &str) -> Value {
    let (code, out, err) = run(&["ring", "--name", name, "--json"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    serde_json::from_str(&out).unwrap()
}

/// A running `seqcast ring --dump`.
struct Dump {
    guard: Guard,
    dir: tempfile::TempDir,
}

impl Dump {
    /// Records into a file and waits for the first frame.
    fn start(instance: &Instance, more: &[&str]) -> Dump {
        let dir = tempfile::tempdir().unwrap();
        let out = |name| File::create(dir.path().join(name)).unwrap();
        let guard = Guard::spawn(
            Command::new(SEQCAST)
                .args(["ring", "--name", &instance.name, "--dump"])
                .arg(dir.path().join("dump.mjpeg"))
                .args(more)
                .stdin(Stdio::null())
                .stdout(out("out"))
                .stderr(out("err")),
        );
        let dump = Dump { guard, dir };
        dump.wait_grown(0);
        dump
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("dump.mjpeg")
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    /// Waits until the file has more than so many bytes; how many it has then.
    fn wait_grown(&self, than: u64) -> u64 {
        wait_for("frames in the file", || {
            let len = std::fs::metadata(self.path()).ok()?.len();
            (len > than).then_some(len)
        })
    }

    /// Waits for ten frames or so.
    fn wait_more(&self) {
        let now = self.wait_grown(0);
        self.wait_grown(now + 100_000);
    }

    /// Ends it as Ctrl-C does: frames, bytes and missed as it said.
    fn stop(mut self) -> (Vec<u64>, Dump) {
        signal(self.guard.pid(), Signal::SIGINT);
        assert_eq!(self.guard.wait("the end of a dump").code(), Some(0));
        let said = self.text("out");
        assert_eq!(said.lines().count(), 1, "{said}");
        (figures(&said), self)
    }
}

/// Frames, bytes and missed of a line such as
/// `FILE: 299 frames, 6000000 bytes (5.7 MiB) in 10.0 s, 1 missed`.
fn figures(said: &str) -> Vec<u64> {
    let before = |unit: &str| {
        let words = said.split(unit).next().unwrap().trim_end();
        words.rsplit([' ', ',']).next().unwrap().parse().unwrap()
    };
    [" frames", " bytes", " missed"].map(before).to_vec()
}

/// How many frames a file has; each is whole, and nothing lies between them.
fn frames_of(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    let mut splitter = Splitter::new(1 << 20);
    let filled = splitter.fill(bytes.len(), |room| (&bytes[..]).read(room));
    assert_eq!(filled.unwrap(), bytes.len());
    let mut count = 0;
    while let Some(found) = splitter.next_frame() {
        assert!(matches!(found, Split::Frame { .. }), "{found:?}");
        jpeg::check(splitter.frame()).unwrap();
        count += 1;
    }
    assert_eq!(splitter.pending(), 0);
    count
}

#[test]
fn a_ring_is_shown_whoever_still_lives() {
    let mut instance = start(SMALL, &["--clients", "1", "--ring", "256k"]);
    let live = ring(&instance.name);
    assert_eq!(live["name"], instance.name.as_str());
    assert_eq!(
        (&live["version"], &live["bytes"], &live["descriptors"]),
        (&1.into(), &(256 << 10).into(), &64.into())
    );
    assert_eq!(live["writer"]["pid"], instance.capture());
    assert_eq!(live["writer"]["alive"], true);
    assert_eq!(live["signal"]["state"], "live");
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{live}"));
    assert!(number(&live["rate"]["fps"]) > 1.0, "{live}");
    assert!(number(&live["rate"]["mb_per_s"]) > 0.0, "{live}");
    let frames = &live["frames"];
    assert!(
        number(&frames["oldest"]) <= number(&frames["head"]),
        "{live}"
    );
    assert!(number(&frames["bytes"]) <= f64::from(256 << 10), "{live}");
    assert!(
        number(&frames["mean"]) <= number(&frames["largest"]),
        "{live}"
    );
    let newest = &live["newest"];
    assert_eq!(
        (&newest["width"], &newest["height"], &newest["format"]),
        (&320.into(), &240.into(), &"MJPG".into())
    );

    let (code, text, _) = run(&["ring", "--name", &instance.name]);
    assert_eq!(code, 0);
    assert!(text.lines().count() < 20, "{text}");
    for part in ["256 KiB", "lives", "live for", "320x240 MJPG", " fps, "] {
        assert!(text.contains(part), "{part}: {text}");
    }

    signal(instance.guard.pid(), Signal::SIGSTOP);
    assert_eq!(ring(&instance.name)["writer"]["alive"], true);
    signal(instance.guard.pid(), Signal::SIGKILL);
    instance.guard.wait("its end");
    wait_for("the writer's end", || {
        let left = ring(&instance.name);
        let gone = left["writer"]["alive"] == false;
        gone.then(|| assert_eq!(left["newest"]["format"], "MJPG"))
    });
}

#[test]
fn no_instance_is_3_and_a_mistake_is_2() {
    for more in [&[][..], &["--json"], &["--dump", "/dev/null"]] {
        let name = unique("nobody");
        let args = [&["ring", "--name", &name], more].concat();
        let (code, out, err) = run(&args);
        assert_eq!(
            (code, out.as_str(), err.lines().count()),
            (3, "", 1),
            "{err}"
        );
        assert!(err.contains(&name), "{err}");
    }
    for args in [
        &["ring", "--name", "a/b"][..],
        &["ring", "--seconds", "1"],
        &["ring", "--json", "--dump", "-"],
    ] {
        let (code, _, err) = run(args);
        assert_eq!((code, err.lines().count()), (2, 1), "{err}");
    }
}

#[test]
fn a_recording_outlives_the_writer_and_the_ring() {
    let mut instance = start(SMALL, &["--clients", "1", "--ring", "256k"]);
    let dump = Dump::start(&instance, &[]);
    dump.wait_more();
    signal(instance.capture(), Signal::SIGKILL);
    instance.wait_until("a restart", |s| s["totals"]["restarts"] == 1);
    dump.wait_more();

    // A clean end takes the ring's name away; another ring of another size comes.
    signal(instance.guard.pid(), Signal::SIGINT);
    instance.guard.wait("a clean stop");
    wait_for("the removal in the log", || {
        dump.text("err").contains("removed").then_some(())
    });
    let args = ["--source", "test", "--size", "320x240", "--ring", "1M"];
    let _anew = Instance::start_named(&instance.name, &args, Stdio::null());
    wait_for("the new ring in the log", || {
        dump.text("err").contains("anew").then_some(())
    });
    dump.wait_more();
    let (said, dump) = dump.stop();
    assert_eq!(dump.text("err").lines().count(), 2, "{}", dump.text("err"));
    assert_eq!(said[0], frames_of(&dump.path()));
    assert_eq!(said[1], std::fs::metadata(dump.path()).unwrap().len());
}

#[test]
fn a_recording_ends_with_its_time_and_goes_to_standard_output() {
    let instance = start(SMALL, &["--clients", "1"]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let mut guard = Guard::spawn(
        Command::new(SEQCAST)
            .args(["ring", "--name", &instance.name])
            .args(["--dump", "-", "--seconds", "1"])
            .stdin(Stdio::null())
            .stdout(File::create(&path).unwrap())
            .stderr(Stdio::piped()),
    );
    assert_eq!(guard.wait("its time").code(), Some(0));
    let said = drain(&mut guard.0.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(figures(&said)[0], frames_of(&path));
    assert!(frames_of(&path) > 0);
}

#[test]
fn what_cannot_be_written_is_one_line_and_leaves_whole_frames() {
    let instance = start(SMALL, &["--clients", "1"]);
    let dump = ["ring", "--name", &instance.name, "--dump"];
    for (path, why) in [("/dev/full", "No space left"), ("/proc/no", "No such file")] {
        let (code, out, err) = run(&[&dump[..], &[path]].concat());
        assert_eq!(
            (code, out.as_str(), err.lines().count()),
            (1, "", 1),
            "{err}"
        );
        assert!(err.contains(path) && err.contains(why), "{err}");
    }

    let mut guard = Guard::spawn(
        Command::new(SEQCAST)
            .args(dump)
            .arg("-")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    drop(guard.0.stdout.take());
    assert_eq!(guard.wait("a broken pipe").code(), Some(1));
    let said = drain(&mut guard.0.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("nobody reads"), "{said}");

    // A disk that fills in the middle of a frame, as a limit of the file's size does.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("full.mjpeg");
    let mut guard = Guard::spawn(
        Command::new("sh")
            .args([
                "-c",
                "trap '' XFSZ; ulimit -f 150; exec \"$@\"",
                "sh",
                SEQCAST,
            ])
            .args(dump)
            .arg(&path)
            .stdin(Stdio::null())
            .stderr(Stdio::piped()),
    );
    assert_eq!(guard.wait("a full disk").code(), Some(1));
    let said = drain(&mut guard.0.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(figures(&said)[0], frames_of(&path), "{said}");
    assert!(frames_of(&path) > 1);
}

#[test]
fn a_ring_of_another_format_is_refused_before_the_file_is_touched() {
    // A program other than seqcast made it, under a name that `seqcast ring` knows.
    let name = unique("yuyv");
    let ring = shm_ring::Ring::create(&format!("seqcast.{name}.ring"), 1 << 20).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kept");
    let mut writer = ring.writer().unwrap();
    let meta = shm_ring::FrameMeta {
        format: *b"YUYV",
        ..shm_ring::FrameMeta::default()
    };
    writer.publish(&[0; 64], &meta).unwrap();
    std::fs::write(&path, "kept").unwrap();
    let (code, _, err) = run(&["ring", "--name", &name, "--dump", path.to_str().unwrap()]);
    assert_eq!((code, err.lines().count()), (2, 1), "{err}");
    assert!(err.contains("YUYV"), "{err}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
}

#[test]
#[ignore = "needs ffmpeg: tests/run"]
fn ffmpeg_decodes_all_that_was_recorded() {
    let instance = start(SMALL, &["--clients", "1"]);
    let dump = Dump::start(&instance, &[]);
    for restarts in 1..=3 {
        dump.wait_more();
        signal(instance.capture(), Signal::SIGKILL);
        instance.wait_until("a restart", |s| s["totals"]["restarts"] == restarts);
    }
    dump.wait_more();
    let (said, dump) = dump.stop();
    assert_eq!(said[2], 0, "missed");
    let out = Command::new(tool("ffprobe"))
        .args(["-loglevel", "error", "-err_detect", "explode"])
        .args(["-count_frames", "-select_streams", "v:0", "-of", "csv=p=0"])
        .args([
            "-show_entries",
            "stream=codec_name,width,height,nb_read_frames",
        ])
        .arg(dump.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && errors.is_empty(), "{errors}");
    let found = String::from_utf8_lossy(&out.stdout);
    assert_eq!(found.trim(), format!("mjpeg,320,240,{}", said[0]));
}

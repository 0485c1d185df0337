//! Clips and pictures out of the ring of the real program: against the ring itself, and what ffmpeg
//! and OpenCV make of them; a camera that dies in between; a client that hardly reads.
//!
//! Not here: a file's structure, and frames that are overwritten on their way (`sender/tests`).

mod common;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::http::{Reply, connect, exchange, get, request};
use common::{Instance, MODELS, Watch, assert_clean, python_with, signal, tool, wait_for};
use nix::sys::signal::Signal;
use shm_ring::{FrameInfo, Reader};

/// An instance whose ring holds so many frames at least.
fn start(frames: u64, more: &[&str]) -> Instance {
    let args = ["--source", "test", "--size", "320x240", "--fps", "25"];
    let instance = Instance::start(&[&args, more].concat());
    instance.wait_until("frames", |s| s["ring"]["head"].as_u64() > Some(frames));
    instance
}

fn ring(instance: &Instance) -> Reader {
    let name = worker::Instance::new(&instance.name).unwrap();
    Reader::attach(&name.ring()).unwrap()
}

/// First and last frame of a clip.
fn ids(clip: &Reply) -> (u64, u64) {
    assert_eq!(clip.code, 200, "{}", clip.head);
    let (first, last) = clip
        .header("x-seqcast-frames")
        .unwrap()
        .split_once('-')
        .unwrap();
    (first.parse().unwrap(), last.parse().unwrap())
}

fn captured(ring: &Reader, id: u64) -> FrameInfo {
    *ring.frame(id).unwrap().info()
}

fn save(instance: &Instance, clip: &Reply, name: &str) -> PathBuf {
    let file = instance.dir.path().join(name);
    std::fs::write(&file, &clip.body).unwrap();
    file
}

/// What a program prints, which must succeed and complain of nothing.
fn output(command: &mut Command) -> String {
    let out = command.output().unwrap();
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn frame_by_frame_as_the_ring_has_them() {
    for model in MODELS {
        let instance = start(20, model);
        let at = instance.address();
        let clip = get(at, "/clip?from=5&to=15&format=mjpeg");
        assert_eq!(ids(&clip), (5, 15));
        let (ring, mut all, mut jpeg) = (ring(&instance), Vec::new(), Vec::new());
        for id in 5..=15 {
            ring.read(id, &mut jpeg).unwrap();
            all.extend_from_slice(&jpeg);
        }
        assert!(clip.body == all);
        let avi = get(at, "/clip?from=5&to=15");
        assert!(avi.body.starts_with(b"RIFF"));
        let end = avi.body.windows(4).position(|at| at == b"idx1").unwrap();
        let has = |jpeg: &[u8]| avi.body[..end].windows(jpeg.len()).any(|at| at == jpeg);
        assert!(has(&jpeg), "the last frame");
        let length = avi.body.len().to_string();
        for method in ["GET", "HEAD"] {
            let reply = exchange(at, request(method, at, "/clip?from=5&to=15"));
            assert_eq!(reply.header("content-length"), Some(&*length));
            assert_eq!(reply.body.is_empty(), method == "HEAD");
        }

        let picture = get(at, "/snapshot?at=5");
        ring.read(5, &mut jpeg).unwrap();
        assert!(picture.code == 200 && picture.body == jpeg);
        for name in [
            "Grab-Begin-Timestamp",
            "Grab-End-Timestamp",
            "Encode-Begin-Timestamp",
            "Encode-End-Timestamp",
            "Send-Timestamp",
        ] {
            let value = picture.header(&format!("X-UStreamer-{name}")).unwrap();
            assert_eq!(value.split_once('.').unwrap().1.len(), 6, "{name}");
        }
        let newest = get(at, "/clip?from=last&to=now&format=mjpeg");
        assert_eq!(ids(&newest).0, ids(&newest).1);
    }
}

/// A camera that dies leaves a gap, in which its last picture stands.
#[test]
#[ignore = "needs ffmpeg and OpenCV: tests/run"]
fn players_take_it_and_time_is_kept() {
    let instance = start(50, &[]);
    let killed = instance.capture();
    signal(killed, Signal::SIGKILL);
    wait_for("a successor", || {
        (instance.capture() != killed).then_some(())
    });
    let head = instance.status()["ring"]["head"].as_u64().unwrap();
    instance.wait_until("more frames", |s| {
        s["ring"]["head"].as_u64() > Some(head + 50)
    });

    let ring = ring(&instance);
    for query in ["from=10&to=40", "from=first&to=now", "from=-2s"] {
        let clip = get(instance.address(), &format!("/clip?{query}"));
        let (first, last) = ids(&clip);
        let frames = last - first + 1;
        let from = captured(&ring, first).meta.captured_ns;
        let lasts = (captured(&ring, last).meta.captured_ns - from) as f64 / 1e9;
        let file = save(&instance, &clip, "clip.avi");
        let ffmpeg = ["-v", "error", "-err_detect", "explode", "-xerror", "-i"];
        let null = ["-fps_mode", "passthrough", "-f", "null", "-"];
        output(
            Command::new(tool("ffmpeg"))
                .args(ffmpeg)
                .arg(&file)
                .args(null),
        );
        let probed = output(
            Command::new(tool("ffprobe"))
                .args([
                    "-v",
                    "error",
                    "-count_frames",
                    "-of",
                    "json",
                    "-show_entries",
                ])
                .arg("stream=codec_name,width,height,r_frame_rate,duration,nb_read_frames")
                .arg(&file),
        );
        let probed: serde_json::Value = serde_json::from_str(&probed).unwrap();
        let stream = &probed["streams"][0];
        assert_eq!(stream["codec_name"], "mjpeg");
        assert_eq!(
            (&stream["width"], &stream["height"]),
            (&320.into(), &240.into())
        );
        let number = |name: &str| stream[name].as_str().unwrap().parse::<f64>().unwrap();
        assert_eq!(number("nb_read_frames") as u64, frames, "{query}");
        let (tick, rate) = stream["r_frame_rate"]
            .as_str()
            .and_then(|rate| rate.split_once('/'))
            .map(|(n, d)| (d.parse::<f64>().unwrap() / n.parse::<f64>().unwrap(), n))
            .unwrap();
        let duration = number("duration");
        assert!((0.03..0.05).contains(&tick), "{rate}");
        // The last frame is shown for a tick, too.
        let off = (duration - tick - lasts).abs();
        assert!(off <= tick, "{query}: {duration} s, not {lasts} s");

        let script = "import cv2, sys\nv = cv2.VideoCapture(sys.argv[1])\nn = 0\n\
                      while v.read()[0]: n += 1\nprint(n)";
        let counted = Command::new(python_with("cv2"))
            .args(["-c", script])
            .arg(&file)
            .output()
            .unwrap();
        let counted = String::from_utf8(counted.stdout).unwrap();
        assert_eq!(counted.trim(), frames.to_string(), "OpenCV, {query}");

        let bare = get(instance.address(), &format!("/clip?format=mjpeg&{query}"));
        let file = save(&instance, &bare, "clip.mjpeg");
        output(
            Command::new(tool("ffmpeg"))
                .args([
                    "-v",
                    "error",
                    "-err_detect",
                    "explode",
                    "-xerror",
                    "-f",
                    "mjpeg",
                    "-i",
                ])
                .arg(&file)
                .args(["-f", "null", "-"]),
        );
    }
}

/// It has a place of its own and nobody's frame.
#[test]
fn a_client_that_hardly_reads_disturbs_nobody() {
    for model in MODELS {
        let instance = start(60, model);
        let at = instance.address();
        let watch = Watch::start(&instance.url("/stream"), 3, 60.0, &[]);
        let alive = Arc::new(());
        let running = Arc::downgrade(&alive);
        let mut slow = connect(at);
        slow.write_all(request("GET", at, "/clip").as_bytes())
            .unwrap();
        let reader = std::thread::spawn(move || {
            let (mut bytes, mut count) = ([0; 100], 0);
            while running.upgrade().is_some() {
                count += slow.read(&mut bytes).unwrap();
                std::thread::sleep(Duration::from_millis(100));
            }
            count
        });
        let head = instance.status()["ring"]["head"].as_u64().unwrap();
        instance.wait_until("frames", |s| s["ring"]["head"].as_u64() > Some(head + 75));
        assert_clean(watch);
        drop(alive);
        assert!(reader.join().unwrap() > 0);
        assert_eq!(get(at, "/clip?from=last").code, 200);
    }
}

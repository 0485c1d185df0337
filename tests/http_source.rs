//! Another camera over HTTP as the source, from end to end: seqcast behind seqcast, a camera that
//! misbehaves, logins that nobody sees, pictures left out; ffmpeg as the camera.
//!
//! Not here: what each kind of answer comes to (`capture`'s own tests).

mod common;

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::http::{Stream, get};
use common::{Guard, Instance, SEQCAST, Watch, command_lines, signal, tool, unique, wait_for};
use nix::sys::signal::Signal;
use picture::TestPicture;
use serde_json::Value;

const SMALL: &[&str] = &["--source", "test", "--size", "320x240", "--fps", "20"];

fn behind(url: &str) -> Instance {
    Instance::start(&["--source", url])
}

fn says(status: &Value, words: &str) -> bool {
    let reason = status["source"]["reason"].as_str().unwrap();
    status["source"]["state"] == "no-signal" && reason.contains(words)
}

/// The next pictures and when each was taken, placeholders left out.
fn pictures(instance: &Instance, count: usize) -> HashMap<Vec<u8>, String> {
    let mut stream = Stream::open(instance.address(), "/stream");
    let parts = std::iter::from_fn(|| stream.next_part()).filter(|part| part.id().is_some());
    parts
        .take(count)
        .map(|part| (part.jpeg.clone(), part.value(2, "X-Timestamp").to_owned()))
        .collect()
}

#[test]
fn seqcast_behind_seqcast_passes_pictures_and_their_time() {
    let first = Instance::start(SMALL);
    first.wait_live();
    let second = behind(&first.url("/stream"));
    let status = second.wait_live();
    assert_eq!(status["source"]["kind"], "http");
    assert_eq!(status["source"]["detail"], first.url("/stream").as_str());
    thread::scope(|scope| {
        let here = scope.spawn(|| pictures(&first, 30));
        let there = pictures(&second, 30);
        let here = here.join().unwrap();
        let both = there
            .iter()
            .filter_map(|(jpeg, at)| Some((at, here.get(jpeg)?)));
        let mut count = 0;
        for (there, here) in both {
            assert_eq!(there, here);
            count += 1;
        }
        assert!(count > 0);
    });
}

#[test]
fn nobody_behind_the_second_is_cut_off_when_the_first_dies() {
    let first = Instance::start(SMALL);
    first.wait_live();
    let second = behind(&first.url("/stream"));
    second.wait_live();
    let mut watch = Watch::start(&second.url("/stream"), 3, 300.0, &[]);
    second.wait_until("the viewers", |s| s["totals"]["viewers"] == 3);
    let address = first.address().to_owned();
    let mut stream = Stream::open(second.address(), "/stream");
    drop(first);
    second.wait_until("the reason", |s| says(s, "connection refused"));
    wait_for("a placeholder", || {
        stream.next_part()?.id().is_none().then_some(())
    });
    assert_eq!(get(second.address(), "/snapshot").code, 503);

    let name = unique("first");
    let again = Guard::spawn(
        Command::new(SEQCAST)
            .args(["--http", &address, "--name", &name])
            .args(SMALL)
            .stdin(Stdio::null())
            .stdout(Stdio::null()),
    );
    second.wait_live();
    wait_for("a picture", || stream.next_part()?.id());
    assert!(watch.is_running());
    watch.interrupt();
    let (report, code) = watch.report();
    assert_eq!(code, 0, "{report}");
    assert_eq!(second.status()["totals"]["restarts"], 0);
    signal(again.pid(), Signal::SIGINT);
    let mut again = again;
    assert!(again.wait("a clean stop").success());
}

#[test]
fn a_placeholder_is_not_passed_on_as_a_picture() {
    let first = Instance::start(&["--source", "/dev/video4711"]);
    let second = behind(&first.url("/stream"));
    let status = second.wait_until("the reason", |s| says(s, "it has no signal itself"));
    assert_eq!(status["totals"]["frames_captured"], 0);
    // It stays connected: one viewer, and one line of log.
    first.wait_until("the viewer", |s| s["totals"]["viewers"] == 1);
    let pids = first.serving();
    thread::sleep(Duration::from_secs(3)); // three placeholders
    assert_eq!(first.serving(), pids);
    assert_eq!(second.log().matches("no signal: ").count(), 1);
}

#[test]
fn a_snapshot_address_is_asked_again_and_again() {
    let first = Instance::start(SMALL);
    first.wait_live();
    let second = Instance::start(&["--source", &first.url("/snapshot"), "--fps", "10"]);
    let status = second.wait_live();
    assert_eq!(status["source"]["fps_set"], 10.0);
    assert!(pictures(&second, 10).len() >= 9);
    assert_eq!(second.status()["source"]["dropped"], serde_json::json!({}));
}

/// Reads a request; its text in lower case.
fn request(stream: &TcpStream) -> io::Result<String> {
    let mut reader = BufReader::new(stream);
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        if reader.read_line(&mut text)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(text.to_ascii_lowercase())
}

/// A camera that serves its n-th connection (from 0) as it is told, until the test ends.
fn camera(serve: impl Fn(usize, TcpStream, String) -> io::Result<()> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let stream = stream.unwrap();
            if let Ok(asked) = request(&stream) {
                let _ = serve(n, stream, asked);
            }
        }
    });
    format!("http://{address}/cam")
}

/// A stream of whole pictures until nobody takes them.
fn good(mut stream: &TcpStream) -> io::Result<()> {
    let mut drawn = TestPicture::new(320, 240, 20, 80).unwrap();
    let mut jpeg = Vec::new();
    stream.write_all(
        b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=--b\r\n\r\n",
    )?;
    for id in 1.. {
        drawn.render(id, id * 50_000_000, &mut jpeg);
        stream.write_all(b"--b\nContent-Type: image/jpeg\n\n")?;
        // In pieces, as a slow line cuts it.
        for piece in jpeg.chunks(1500) {
            stream.write_all(piece)?;
        }
        stream.write_all(b"\n")?;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn a_camera_that_misbehaves_costs_no_viewer_its_connection() {
    let url = camera(|n, mut stream, _| match n {
        0 => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>"),
        1 => stream.write_all(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"),
        2 => stream.write_all(&[0xff; 100_000]),
        3 => {
            stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x;boundary=b\r\n\r\n")?;
            stream.write_all(b"--b\r\nContent-Length: 99999999999\r\n\r\n")?;
            stream.write_all(&[0; 300_000])?;
            stream.write_all(b"\r\n--b\r\nContent-Length: 5\r\n\r\nno jpeg\r\n--b\r\n")?;
            stream.write_all(b"Content-Length: 5000\r\n\r\n\xff\xd8cut off")
        }
        _ => good(&stream),
    });
    let instance = behind(&url);
    let watch = Watch::start(&instance.url("/stream"), 2, 300.0, &[]);
    for words in [
        "not MJPEG: text/html",
        "503 Service Unavailable",
        "it does not speak HTTP",
        "the stream ended",
    ] {
        instance.wait_until(words, |s| says(s, words));
    }
    let status = instance.wait_live();
    let dropped = &status["source"]["dropped"];
    assert_eq!(dropped["too-large"], 1, "{status}");
    assert!(dropped["corrupt"].as_u64() >= Some(2), "{status}");
    assert_eq!(
        (&status["source"]["width"], &status["totals"]["restarts"]),
        (&320.into(), &0.into())
    );
    pictures(&instance, 5);
    watch.interrupt();
    let (report, code) = watch.report();
    assert_eq!(code, 0, "{report}");
}

#[test]
fn a_stop_is_heeded_while_nothing_comes() {
    let url = camera(|_, stream, _| {
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(60));
            drop(stream);
        });
        Ok(())
    });
    let instance = behind(&url);
    instance.capture();
    let begin = Instant::now();
    assert!(instance.stop().0.success());
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_login_opens_the_camera_and_shows_nowhere() {
    let login = "YW5uOmdlaGVpbQ=="; // ann:geheim
    let url = camera(move |_, mut stream, asked| {
        let right = format!("authorization: basic {}\r\n", login.to_ascii_lowercase());
        if asked.contains(&right) {
            return good(&stream);
        }
        stream.write_all(b"HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n")
    });
    let with_login = url.replace("http://", "http://ann:geheim@") + "?pwd=geheim";
    let instance = behind(&with_login);
    let status = instance.wait_live();
    assert_eq!(status["source"]["detail"], format!("{url}?…").as_str());
    for shown in [
        command_lines(instance.guard.pid()),
        status.to_string(),
        instance.log(),
        instance.output(),
    ] {
        assert!(shown.contains("/cam?…"), "{shown}");
        assert!(!shown.contains("geheim"), "{shown}");
    }
    drop(instance);

    let name = unique("login");
    let mut instance = Guard::spawn(
        Command::new(SEQCAST)
            .args(["--http", "127.0.0.1:0", "--name", &name, "--source", &url])
            .env("SEQCAST_SOURCE_AUTH", "ann:geheim")
            .stdin(Stdio::null())
            .stdout(Stdio::null()),
    );
    wait_for("a live picture", || {
        (common::status(&name).0["source"]["state"] == "live").then_some(())
    });
    signal(instance.pid(), Signal::SIGINT);
    assert!(instance.wait("a clean stop").success());

    let without = behind(&url);
    without.wait_until("the reason", |s| says(s, "user and password are wanted"));
}

#[test]
fn what_cannot_be_an_address_is_said_in_a_line() {
    for (source, words) in [
        ("https://ann:geheim@cam/", "https is not supported"),
        ("rtsp://ann:geheim@cam/?pwd=geheim", "ffmpeg -i ADDRESS"),
        ("http://ann:geheim@/", "HOST"),
        ("http://ann:geheim@cam:0/", "port"),
    ] {
        let (code, out, err) = common::run(&["--source", source]);
        assert_eq!((code, err.lines().count()), (2, 1), "{out}{err}");
        assert!(err.contains(words) && !err.contains("geheim"), "{err}");
    }
}

#[test]
fn the_same_picture_is_left_out_and_stays_live() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("still.jpg");
    let mut jpeg = Vec::new();
    let mut drawn = TestPicture::new(320, 240, 20, 80).unwrap();
    drawn.render(1, 0, &mut jpeg);
    std::fs::write(&file, &jpeg).unwrap();
    let source = ["--source", file.to_str().unwrap()];
    let instance = Instance::start(&[&source[..], &["--drop-same", "100000"]].concat());
    instance.wait_live();
    let mut stream = Stream::open(instance.address(), "/stream");
    let ids: Vec<_> = (0..8).map(|_| stream.next_part().unwrap().id()).collect();
    // One or the other placeholder on a machine that stands still for a second; not by itself.
    assert!(ids.iter().flatten().count() >= 6, "{ids:?}");
    let status = instance.status();
    let (frames, same) = (
        status["totals"]["frames_captured"].as_u64().unwrap(),
        status["source"]["dropped"]["same"].as_u64().unwrap(),
    );
    assert!(same > 3 * frames, "{status}");
}

#[test]
#[ignore = "needs ffmpeg: tests/run"]
fn ffmpeg_as_the_camera() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}/");
    let instance = behind(&url);
    let _camera = Guard::spawn(
        Command::new(tool("ffmpeg"))
            .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-re"])
            .args(["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=15"])
            .args(["-f", "mpjpeg", "-listen", "1"])
            .args([
                "-content_type",
                "multipart/x-mixed-replace;boundary=ffmpeg",
                &url,
            ])
            .stdin(Stdio::null()),
    );
    let status = instance.wait_live();
    assert_eq!(status["source"]["height"], 240);
    assert!(pictures(&instance, 20).len() >= 15);
    assert_eq!(
        instance.status()["source"]["dropped"],
        serde_json::json!({})
    );
}

//! Clips and pictures of the past, against what was published: structure, bytes, time, and clients
//! that are slow.
//!
//! Not here: what players make of a file (the whole program's tests).

#![allow(missing_docs)]

mod support;

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sender::Model;
use shm_ring::FrameMeta;
use support::{Client, HANG, House, Options, mark, wait_until};

const MS: u64 = 1_000_000;

/// Publishes a frame of `len` bytes that all tell its id, captured at `ms`.
fn publish(house: &House, len: usize, width: u32, ms: u64) -> u64 {
    let mut writer = house.writer();
    let id = writer.next_id();
    let meta = FrameMeta {
        format: *b"MJPG",
        width,
        height: 240,
        captured_ns: 1_795_395_723_000 * MS + ms * MS,
        ..FrameMeta::default()
    };
    writer.publish(&vec![mark(id); len], &meta).unwrap()
}

/// With room for a clip beside replies that have not quite ended.
fn roomy() -> Options {
    Options {
        connections: 8,
        ..Options::default()
    }
}

fn header<'a>(reply: &'a Client, name: &str) -> Option<&'a str> {
    let line = format!("{name}: ");
    let mut lines = reply.head.lines();
    lines.find_map(|found| found.strip_prefix(&line))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The chunks of `bytes` to the last byte: where each begins, its name, its data.
fn chunks(bytes: &[u8]) -> Vec<(usize, &[u8], &[u8])> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let len = word(bytes, at + 4) as usize;
        found.push((at, &bytes[at..at + 4], &bytes[at + 8..at + 8 + len]));
        at += 8 + len.next_multiple_of(2);
    }
    found
}

struct Film {
    tick_us: u32,
    /// A tick's picture; empty where the one before it is shown again.
    ticks: Vec<Vec<u8>>,
    /// Places of pictures that were lost.
    blanks: usize,
}

/// Takes a file apart and holds all that it says twice against each other.
fn film(file: &[u8]) -> Film {
    let riff = chunks(file);
    assert_eq!((riff.len(), riff[0].1), (1, b"RIFF".as_slice()));
    assert!(riff[0].2.starts_with(b"AVI "));
    let parts = chunks(&riff[0].2[4..]);
    let names: Vec<_> = parts.iter().map(|part| part.1).collect();
    assert_eq!(names, [b"LIST", b"LIST", b"idx1"]);
    let [hdrl, movi, index] = [0, 1, 2].map(|n| parts[n].2);
    assert!(hdrl.starts_with(b"hdrl") && movi.starts_with(b"movi"));
    let avih = &chunks(&hdrl[4..])[0];
    let movi = &movi[4..];
    let (mut ticks, mut blanks, mut entries) = (Vec::new(), 0, index.chunks(16));
    for (at, name, data) in chunks(movi) {
        match name {
            b"00dc" => {
                let entry = entries.next().unwrap();
                assert_eq!(&entry[..4], b"00dc");
                assert_eq!(word(entry, 8) as usize, at + 4);
                assert_eq!(word(entry, 12) as usize, data.len());
                ticks.push(data.to_vec());
            }
            b"JUNK" => blanks += 1,
            _ => panic!("{name:?}"),
        }
    }
    assert!(entries.next().is_none());
    assert_eq!(word(avih.2, 16) as usize, ticks.len());
    Film {
        tick_us: word(avih.2, 0),
        ticks,
        blanks,
    }
}

fn assert_frame(bytes: &[u8], id: u64, len: usize) {
    assert_eq!(bytes.len(), len, "frame {id}");
    assert!(bytes.iter().all(|&byte| byte == mark(id)), "frame {id}");
}

#[test]
fn a_clip_is_what_the_ring_holds() {
    for house in House::each(roomy()) {
        assert_eq!(house.get("/clip").code, 404, "nothing is there");
        // A frame of 40 ms each, one of them missing; odd lengths, too.
        let times = [0, 40, 80, 160, 200];
        for (n, &ms) in times.iter().enumerate() {
            publish(&house, 1001 + n, 320, ms);
        }
        let reply = house.get("/clip");
        assert_eq!(reply.code, 200, "{}", reply.head);
        assert_eq!(header(&reply, "Content-Type"), Some("video/x-msvideo"));
        assert_eq!(header(&reply, "X-Timestamp"), Some("1795395723.000000"));
        assert_eq!(header(&reply, "X-Seqcast-Frames"), Some("1-5"));
        assert_eq!(header(&reply, "X-Seqcast-Held"), None);
        let file = header(&reply, "Content-Disposition").unwrap();
        assert!(
            file.starts_with("attachment; filename=\"test-sender-"),
            "{file}"
        );
        assert!(file.ends_with("-2026-11-23T01-02-03Z.avi\""), "{file}");
        let said: usize = header(&reply, "Content-Length").unwrap().parse().unwrap();
        let got = reply.body();
        assert_eq!(got.len(), said);
        let film = film(&got);
        assert_eq!(
            (film.tick_us, film.ticks.len(), film.blanks),
            (40_000, 6, 0)
        );
        for (id, tick) in [(1, 0), (2, 1), (3, 2), (4, 4), (5, 5)] {
            assert_frame(&film.ticks[tick], id, 1000 + id as usize);
        }
        assert!(film.ticks[3].is_empty());

        let bare = house.get("/clip?format=mjpeg&from=2&to=3");
        assert_eq!(header(&bare, "Content-Type"), Some("video/x-motion-jpeg"));
        assert_eq!(header(&bare, "Content-Length"), None);
        let bare = bare.body();
        assert_frame(&bare[..1002], 2, 1002);
        assert_frame(&bare[1002..], 3, 1003);

        let head = house.ask("HEAD /clip HTTP/1.0\r\n\r\n");
        assert_eq!(header(&head, "Content-Length"), Some(&*said.to_string()));
        assert_eq!(head.body(), b"");
        wait_until(|| house.board().free_slots() == 8);
        for (target, code) in [
            ("/clip?from=-5", 400),
            ("/clip?format=gif", 400),
            ("/clip?from=next", 404),
            ("/clip?from=4&to=3", 404),
        ] {
            let reply = house.get(target);
            assert_eq!(reply.code, code, "{target}");
            assert!(reply.text().ends_with(".\n"));
        }
    }
}

#[test]
fn what_is_left_out_is_said() {
    let house = House::start(Options {
        arena: 256 << 10,
        ..roomy()
    });
    for n in 0..40 {
        publish(&house, 16 << 10, 320, n * 40);
    }
    let reply = house.get("/clip?from=1");
    assert!(header(&reply, "X-Seqcast-Held").is_some());
    assert_eq!(header(&reply, "X-Seqcast-Ring"), Some("1M"));
    let film = film(&reply.body());
    assert!(film.ticks.len() < 20 && film.blanks == 0);
    for at in ["1", "-1h", "2020-01-01T00:00:00Z"] {
        let reply = house.get(&format!("/snapshot?at={at}"));
        assert_eq!(reply.code, 404);
        let why = reply.text();
        assert!(why.starts_with("The ring holds the last 0."), "{why}");
    }
    // Another size: the clip begins with it.
    let first = publish(&house, 1000, 160, 2000);
    publish(&house, 1000, 160, 2040);
    let reply = house.get("/clip");
    assert_eq!(
        header(&reply, "X-Seqcast-Begins-Behind"),
        Some("change of size")
    );
    let frames = format!("{first}-{}", first + 1);
    assert_eq!(header(&reply, "X-Seqcast-Frames"), Some(&*frames));
}

#[test]
fn raw_frames_become_jpegs_where_no_length_is_said() {
    let house = House::start(roomy());
    let meta = FrameMeta {
        format: *b"BGR3",
        width: 64,
        height: 48,
        ..FrameMeta::default()
    };
    for shade in [10, 200] {
        let pixels = vec![shade; 64 * 48 * 3];
        house.writer().publish(&pixels, &meta).unwrap();
    }
    let refused = house.get("/clip");
    assert_eq!(refused.code, 422);
    assert!(refused.text().contains("ask for format=mjpeg"));
    let bare = house.get("/clip?format=mjpeg").body();
    assert_eq!(
        bare.windows(3).filter(|at| at == b"\xff\xd8\xff").count(),
        2
    );
    let picture = house.get("/snapshot?at=1");
    assert_eq!(picture.code, 200);
    assert_eq!(picture.body()[..2], [0xff, 0xd8]);
}

#[test]
fn pictures_of_the_past() {
    for house in House::each(roomy()) {
        assert_eq!(house.get("/snapshot?at=last").code, 404);
        for n in 0..3 {
            publish(&house, 1000, 320, n * 40);
        }
        for (at, id) in [("first", 1), ("2", 2), ("last", 3), ("-1h", 1), ("-0s", 3)] {
            let reply = house.get(&format!("/snapshot?at={at}"));
            assert_eq!(reply.code, 200, "{at}");
            let frame = format!("{id}");
            assert_eq!(header(&reply, "X-Seqcast-Frame"), Some(&*frame), "{at}");
            let ms = 1_795_395_723_000 + 40 * (id - 1);
            let stamp = format!("{}.{:03}000", ms / 1000, ms % 1000);
            assert_eq!(header(&reply, "X-Timestamp"), Some(&*stamp));
            for (name, value) in [("Online", "true"), ("Width", "320"), ("Height", "240")] {
                let name = format!("X-UStreamer-{name}");
                assert_eq!(header(&reply, &name), Some(value));
            }
            let file = header(&reply, "Content-Disposition").unwrap();
            assert!(
                file.starts_with("inline; filename=\"test-sender-"),
                "{file}"
            );
            assert!(file.ends_with("Z.jpg\""), "{file}");
            assert_frame(&reply.body(), id, 1000);
        }
        for (target, code) in [("4", 404), ("@99999999999", 404), ("then", 400)] {
            let reply = house.get(&format!("/snapshot?at={target}"));
            assert_eq!(reply.code, code, "{target}");
        }
    }
}

/// Reads a little, and the rest once the house has published enough to overwrite all.
fn slowly(house: &House, mut reply: Client) -> Vec<u8> {
    let mut got = vec![0; 4096];
    reply.read_exact(&mut got);
    for n in 0..80 {
        publish(house, 256 << 10, 320, 10_000 + n * 40);
    }
    got.extend(reply.body());
    got
}

#[test]
fn what_is_overwritten_on_the_way_leaves_its_place() {
    for house in House::each(roomy()) {
        const LEN: usize = 256 << 10;
        for n in 0..50 {
            publish(&house, LEN, 320, n * 40);
        }
        let reply = house.get("/clip");
        let said: usize = header(&reply, "Content-Length").unwrap().parse().unwrap();
        let got = slowly(&house, reply);
        assert_eq!(got.len(), said);
        let film = film(&got);
        assert_eq!(film.ticks.len(), 50);
        assert!(film.blanks > 0, "the socket cannot hold that much");
        let empty = film.ticks.iter().filter(|tick| tick.is_empty()).count();
        assert_eq!(empty, film.blanks);
        for (tick, id) in film
            .ticks
            .iter()
            .zip(1..)
            .filter(|(tick, _)| !tick.is_empty())
        {
            assert_frame(tick, id, LEN);
        }

        let bare = slowly(&house, house.get("/clip?format=mjpeg"));
        assert_eq!(bare.len() % LEN, 0);
        for frame in bare.chunks(LEN) {
            assert!(frame.iter().all(|&byte| byte == frame[0]), "torn");
        }
    }
}

/// One is always left for short requests, and streams are not touched.
#[test]
fn clips_take_not_every_place() {
    for house in House::each(Options {
        connections: 6,
        ..Options::default()
    }) {
        for n in 0..50 {
            publish(&house, 256 << 10, 320, n * 40);
        }
        // They do not read. Seats are 2, so 4 places are spare.
        let clips: Vec<_> = (0..3)
            .map(|n| {
                let clip = house.get("/clip");
                assert_eq!(clip.code, 200, "{n}");
                clip
            })
            .collect();
        let refused = house.get("/clip");
        assert_eq!(refused.code, 503);
        assert!(refused.head.contains("Retry-After: "));
        drop(refused);
        let mut viewer = house.get("/stream");
        let publisher = publisher(&house);
        for _ in 0..30 {
            assert!(viewer.shown().unwrap().id.is_some());
        }
        assert_eq!(house.get("/status").code, 200);
        drop(publisher);
        drop(clips);
        drop(viewer);
        wait_until(|| house.board().free_slots() == 6);
    }
}

/// Publishes until it is dropped.
struct Publisher {
    running: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

fn publisher(house: &Arc<House>) -> Publisher {
    let running = Arc::new(AtomicBool::new(true));
    let (wanted, house) = (running.clone(), house.clone());
    let thread = std::thread::spawn(move || {
        while wanted.load(Relaxed) {
            house.publish(10_000);
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    Publisher {
        running,
        thread: Some(thread),
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.running.store(false, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn who_takes_nothing_is_cut_and_at_once_where_places_are_short() {
    for model in [Model::OneByOne, Model::Multiplex] {
        let house = House::start(Options {
            model,
            slots: if model == Model::OneByOne { 1 } else { 4 },
            ..Options::default()
        });
        for n in 0..50 {
            publish(&house, 256 << 10, 320, n * 40);
        }
        let began = Instant::now();
        let clip = house.get("/clip");
        assert_eq!(clip.code, 200);
        let _viewers = [house.get("/stream"), house.get("/stream")];
        // The last place is wanted by many that say nothing.
        let silent: Vec<_> = (0..16)
            .map(|_| TcpStream::connect(house.address).unwrap())
            .collect();
        for mut silent in silent {
            silent.set_read_timeout(Some(HANG)).unwrap();
            assert_eq!(silent.read(&mut [0; 16]).unwrap(), 0);
        }
        assert!(began.elapsed() < Duration::from_secs(20), "not after 30 s");
        let got = clip.body_until_cut();
        assert!(got < 50 * (256 << 10));
    }
}

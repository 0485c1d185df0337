//! What a viewer asks of its stream: µStreamer's forms byte by byte, fewer frames, the past, a lag of
//! its own. From a ring whose frames the test captures when it likes.

#![allow(missing_docs)]

mod support;

use std::time::{Duration, Instant};

use support::{Client, House, Options, mark, wait_until};

const MS: u64 = 1_000_000;

/// Publishes `count` frames that were captured `gap` ms apart, the last one `ago` ms ago.
fn fill(house: &House, count: u64, gap: u64, ago: u64) {
    let last = worker::unix_ns() - ago * MS;
    for n in (0..count).rev() {
        house.publish_of(last - n * gap * MS, 1000);
    }
}

/// Reads up to the end of a line, and asserts what it is, up to digits.
fn assert_line(viewer: &mut Client, want: &str) {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(viewer.bytes(1));
    }
    let line = String::from_utf8(line).unwrap();
    let line: String = line
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(line, want);
}

#[test]
fn advance_headers_come_behind_each_picture() {
    for house in House::each(Options::default()) {
        house.publish(1000);
        let mut viewer = house.get("/stream?advance_headers=1&extra_headers=1");
        assert!(viewer.head.contains("\r\nSet-Cookie: stream_client=0/"));
        for id in 1..20 {
            assert_line(&mut viewer, "--boundarydonotcross\r\n");
            assert_line(&mut viewer, "Content-Type: image/jpeg\r\n");
            assert_line(&mut viewer, "X-Timestamp: 0000000000.000000\r\n");
            assert_line(&mut viewer, "\r\n");
            if id > 1 {
                house.publish(1000);
            }
            assert_eq!(viewer.bytes(1000), vec![mark(id); 1000]);
            assert_eq!(viewer.bytes(2), b"\r\n");
        }
    }
}

/// Nothing tells a client that a picture without a length is only a part of one, so none ever is.
#[test]
fn no_byte_of_a_torn_frame_without_a_length() {
    for house in House::each(Options {
        arena: 64 << 10,
        lag: 3,
        ..Options::default()
    }) {
        let len = 12_345;
        house.publish(len);
        let mut viewer = house.get("/stream?advance_headers=1");
        let writer = std::thread::spawn({
            let house = house.clone();
            move || {
                for _ in 0..100_000 {
                    house.publish(len);
                }
            }
        });
        let mut frames = 0;
        while !writer.is_finished() {
            // A delimiter and headers, of one length always.
            viewer.bytes(22 + 26 + 32 + 2);
            let picture = viewer.bytes(len);
            assert!(picture.iter().all(|&byte| byte == picture[0]), "torn");
            viewer.bytes(2);
            frames += 1;
            house.publish(len);
        }
        writer.join().unwrap();
        assert!(frames > 0);
    }
}

#[test]
fn extra_headers_as_ustreamer_names_them() {
    const NAMES: [&str; 14] = [
        "Online",
        "Dropped",
        "Width",
        "Height",
        "Client-FPS",
        "Grab-Begin-Time",
        "Grab-End-Time",
        "Encode-Begin-Time",
        "Encode-End-Time",
        "Expose-Begin-Time",
        "Expose-Cmp-Time",
        "Expose-End-Time",
        "Send-Time",
        "Latency",
    ];
    for house in House::each(Options::default()) {
        let mut viewer = house.get("/stream?extra_headers=true");
        let nothing = viewer.shown().unwrap();
        assert_eq!((nothing.id, &*nothing.extra[0].1), (None, "false"));
        house.publish_of(worker::unix_ns() - 20 * MS, 100);
        let frame = viewer.frame().unwrap();
        let names: Vec<_> = frame.extra.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, NAMES);
        let value = |name: &str| {
            let found = frame.extra.iter().find(|(found, _)| found == name);
            &*found.unwrap().1
        };
        assert_eq!((value("Online"), value("Dropped")), ("true", "0"));
        assert_eq!((value("Width"), value("Height")), ("320", "240"));
        let time = |name| value(name).parse::<f64>().unwrap();
        let latency = time("Latency");
        assert!((0.02..60.0).contains(&latency), "{latency}");
        let since_grab = time("Send-Time") - time("Grab-Begin-Time");
        assert!((since_grab - latency).abs() < 1e-5);
        assert!(time("Encode-End-Time") - time("Grab-End-Time") >= 0.019);
    }
}

#[test]
fn zero_data_is_headers_alone() {
    for house in House::each(Options::default()) {
        let mut viewer = house.get("/stream?zero_data=1");
        assert_eq!(viewer.shown().unwrap().body.len(), 0, "a placeholder");
        for id in 1..50 {
            house.publish(100_000);
            let got = viewer.frame().unwrap();
            assert_eq!((got.id, got.skipped, got.body.len()), (Some(id), 0, 0));
        }
        wait_until(|| house.counts() == (49, 0));
    }
}

#[test]
fn the_last_frame_before_a_pause_comes_twice_and_counts_once() {
    for house in House::each(Options::default()) {
        house.publish(100);
        let mut viewer = house.get("/stream?dual_final_frames=1");
        let (mut fresh, mut again) = (0, 0);
        for id in 1..=3 {
            if id > 1 {
                house.publish(100);
            }
            loop {
                let got = viewer.frame().unwrap();
                assert_eq!((got.id, got.skipped), (Some(id), 0));
                match got.again {
                    false => fresh += 1,
                    true => break again += 1,
                }
            }
        }
        assert_eq!((fresh, again), (3, 3));
        wait_until(|| house.counts() == (3, 0));
        assert_eq!(viewer.part().unwrap().id, None, "and then a placeholder");
    }
}

#[test]
fn fewer_frames_are_asked_for_and_not_lost() {
    for house in House::each(Options::default()) {
        let start = worker::unix_ns();
        let mut viewer = house.get("/stream?fps=5&key=few&lag=100");
        for n in 0..120 {
            house.publish_of(start + n * 1000 * MS / 30, 100);
        }
        for n in 0..20 {
            let got = viewer.frame().unwrap();
            assert_eq!((got.id, got.skipped), (Some(1 + 6 * n), 0));
            assert_eq!(got.asked, Some(if n == 0 { 0 } else { 5 }));
        }
        wait_until(|| {
            let status = house.status();
            let workers = status["workers"].as_array().unwrap();
            let few = workers.iter().find(|w| w["key"] == "few").unwrap();
            house.counts() == (20, 0)
                && few["skip_causes"]["asked"] == 100
                && few["skipped"] == 0
                && few["lag"] == 0
        });
    }
}

#[test]
fn a_lag_of_its_own() {
    for house in House::each(Options {
        lag: 3,
        ..Options::default()
    }) {
        house.publish(100);
        let mut patient = house.get("/stream?lag=50");
        assert_eq!(patient.frame().unwrap().id, Some(1));
        {
            // All at once, as one that stalled finds them.
            let mut writer = house.writer();
            let meta = shm_ring::FrameMeta {
                format: *b"MJPG",
                width: 320,
                height: 240,
                captured_ns: worker::unix_ns(),
                ..Default::default()
            };
            for id in 2..=40 {
                writer.publish(&[mark(id); 100], &meta).unwrap();
            }
        }
        for id in 2..=40 {
            assert_eq!(patient.frame().unwrap().id, Some(id));
        }
    }
}

/// The value of a header of a stream's head.
fn header<'a>(viewer: &'a Client, name: &str) -> Option<&'a str> {
    let line = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    viewer.head.lines().find_map(line)
}

#[test]
fn the_past_at_its_pace() {
    for house in House::each(Options::default()) {
        fill(&house, 100, 50, 0);
        let mut viewer = house.get("/stream?from=-2s&key=past&lag=1000");
        let from: u64 = header(&viewer, "X-Seqcast-From").unwrap().parse().unwrap();
        // Looked for by the time of publication, which is about the same for all of them here.
        assert!(from <= 100);
        drop(viewer);
        viewer = house.get("/stream?from=61&key=past&lag=1000");
        assert_eq!(header(&viewer, "X-Seqcast-From"), Some("61"));
        assert_eq!(header(&viewer, "X-Seqcast-Clamped"), None);
        let began = Instant::now();
        for id in 61..=90 {
            let got = viewer.frame().unwrap();
            assert_eq!((got.id, got.skipped, got.asked), (Some(id), 0, None));
        }
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(1400), "{took:?}");
        wait_until(|| {
            house.publish(100);
            let status = house.status();
            let workers = status["workers"].as_array().unwrap();
            let past = workers.iter().find(|w| w["key"] == "past").unwrap();
            past["shift_s"].as_f64() > Some(1.0)
        });
        // A live one has none of it.
        assert_eq!(header(&house.get("/stream"), "X-Seqcast-From"), None);
    }
}

#[test]
fn from_the_first_and_fast_until_it_is_live() {
    for house in House::each(Options::default()) {
        fill(&house, 200, 20, 0);
        let mut viewer = house.get("/stream?from=first&speed=8&lag=1000");
        for id in 1..=200 {
            assert_eq!(viewer.frame().unwrap().id, Some(id));
        }
        for id in 201..=210 {
            house.publish(500);
            assert_eq!(viewer.frame().unwrap().id, Some(id));
        }
        wait_until(|| house.counts() == (210, 0));
    }
}

#[test]
fn where_a_stream_begins_is_said() {
    for house in House::each(Options {
        arena: 64 << 10,
        connections: 20,
        seats: 16,
        ..Options::default()
    }) {
        fill(&house, 500, 10, 0);
        let oldest = house.status()["ring"]["oldest"].as_u64().unwrap();
        assert!(oldest > 400);
        for (target, from, clamped) in [
            ("from=next", 501..=501, None),
            // An old picture is none, and the test may be held up.
            ("from=last", 500..=501, None),
            ("from=now", 500..=501, None),
            ("from=first&speed=2", oldest..=oldest, None),
            ("from=7&speed=2", oldest..=oldest, Some("overwritten")),
            ("from=499", 499..=499, None),
            ("from=9999", 501..=501, Some("not-yet")),
        ] {
            for method in ["GET", "HEAD"] {
                let ask = format!("{method} /stream?{target} HTTP/1.0\r\n\r\n");
                let viewer = house.ask(&ask);
                let said = header(&viewer, "X-Seqcast-From").unwrap();
                assert!(from.contains(&said.parse().unwrap()), "{ask} {said}");
                assert_eq!(header(&viewer, "X-Seqcast-Clamped"), clamped, "{ask}");
            }
        }
        // At the pace of capture, the very end would be gone at once.
        let viewer = house.get("/stream?from=7");
        let from: u64 = header(&viewer, "X-Seqcast-From").unwrap().parse().unwrap();
        assert!(from > oldest && from < 500, "{from}");
        assert_eq!(header(&viewer, "X-Seqcast-Clamped"), Some("overwritten"));
    }
}

/// Slower than capture in a small ring: the end of the ring passes it again and again.
#[test]
fn who_is_overtaken_in_the_past_goes_on_there() {
    for house in House::each(Options {
        arena: 64 << 10,
        ..Options::default()
    }) {
        fill(&house, 500, 5, 0);
        let mut viewer = house.get("/stream?from=first&speed=0.1&key=slow&lag=1000");
        let from: u64 = header(&viewer, "X-Seqcast-From").unwrap().parse().unwrap();
        let writer = std::thread::spawn({
            let house = house.clone();
            move || {
                for _ in 0..400 {
                    house.publish(1000);
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
        let (mut last, mut lost) = (from - 1, 0);
        while !writer.is_finished() {
            let got = viewer.frame().unwrap();
            let id = got.id.unwrap();
            assert_eq!(id - last - 1, got.skipped, "every id is sent or counted");
            lost += got.skipped;
            last = id;
        }
        writer.join().unwrap();
        assert!(lost > 100, "{lost}");
        assert!(last < 900, "not put on the newest: {last}");
        let status = house.status();
        let workers = status["workers"].as_array().unwrap();
        let slow = workers.iter().find(|w| w["key"] == "slow").unwrap();
        assert!(
            slow["skip_causes"]["overwritten"].as_u64() >= Some(lost),
            "{slow}"
        );
        assert_eq!(slow["skip_causes"].as_object().unwrap().len(), 1, "{slow}");
        assert!(slow["frames"].as_u64() < Some(400), "{slow}");
    }
}

#[test]
fn an_outage_of_the_past_is_played_for_two_seconds() {
    let house = House::start(Options::default());
    let now = worker::unix_ns();
    for ago in [100_000, 99_900, 40_000, 39_900] {
        house.publish_of(now - ago * MS, 100);
    }
    let mut viewer = house.get("/stream?from=first");
    let mut seen = Vec::new();
    let began = Instant::now();
    while seen.last() != Some(&Some(4)) {
        seen.push(viewer.part().unwrap().id);
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1900), "{took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(seen.iter().flatten().collect::<Vec<_>>(), [&1, &2, &3, &4]);
    assert!(seen.contains(&None), "which says that there is no picture");
}

#[test]
fn bad_values_are_told() {
    let house = House::start(Options::default());
    for query in ["fps=0", "fps=x", "speed=99", "lag=0", "from=yesterday"] {
        let reply = house.get(&format!("/stream?{query}"));
        assert_eq!(reply.code, 400, "{query}");
        let (name, _) = query.split_once('=').unwrap();
        let text = reply.text();
        assert!(text.starts_with(name) && text.ends_with(".\n"), "{text}");
    }
}

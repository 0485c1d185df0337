//! What a viewer asks of its stream, from the real program: a steady rate, and the past, next to
//! others who asked for nothing, and over a capture process that was killed.
//!
//! Not here: the forms of a stream and its bytes (`sender/tests/asked.rs`).

mod common;

use std::collections::BTreeMap;

use common::http::{Part, Stream};
use common::{Instance, MODELS, signal, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

fn start(more: &[&str]) -> Instance {
    let args = ["--source", "test", "--size", "160x120", "--fps", "30"];
    let instance = Instance::start(&[&args, more].concat());
    instance.wait_live();
    instance
}

/// Waits until the ring holds so many seconds.
fn wait_held(instance: &Instance, seconds: f64) -> Value {
    instance.wait_until("a ring that holds a past", |s| {
        s["ring"]["seconds_held"].as_f64() >= Some(seconds)
    })
}

fn captured(part: &Part) -> f64 {
    part.value(2, "X-Timestamp").parse().unwrap()
}

fn skipped(part: &Part) -> u64 {
    part.value(4, "X-Seqcast-Skipped").parse().unwrap()
}

fn header(stream: &Stream, name: &str) -> Option<String> {
    let line = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned());
    stream.head.lines().find_map(line)
}

/// The next part that is a frame.
fn frame(stream: &mut Stream) -> Part {
    loop {
        let part = stream.next_part().expect("a stream that goes on");
        if part.id().is_some() {
            return part;
        }
    }
}

#[test]
fn a_steady_rate() {
    for model in MODELS {
        let instance = start(model);
        let mut stream = Stream::open(instance.address(), "/stream?fps=5&key=few");
        let frames: Vec<_> = (0..16).map(|_| frame(&mut stream)).collect();
        let mut sixths = 0;
        for two in frames.windows(2) {
            let [before, after] = [&two[0], &two[1]];
            let asked: u64 = after.value(5, "X-Seqcast-Asked").parse().unwrap();
            let between = after.id().unwrap() - before.id().unwrap() - 1;
            assert_eq!(between, asked + skipped(after), "each is sent or counted");
            sixths += u64::from(between == 5);
        }
        // A machine that is held up makes a frame late; all others are every sixth.
        assert!(sixths >= 9, "{sixths} of 15");
        let took = captured(&frames[15]) - captured(&frames[0]);
        assert!((2.8..20.0).contains(&took), "{took}");
        let few = instance.viewer("few");
        assert!(few["skip_causes"]["asked"].as_u64() >= Some(60), "{few}");
        drop(stream);
        wait_for("its end in the log", || {
            instance.log().contains("skipped (asked)").then_some(())
        });
        let warned = instance.log().contains("misses frames: asked");
        assert!(!warned, "{}", instance.log());
    }
}

#[test]
fn the_past_and_now_are_the_same_frames() {
    for model in MODELS {
        let instance = start(model);
        let mut live = Stream::open(instance.address(), "/stream");
        wait_held(&instance, 2.0);
        let mut past = Stream::open(instance.address(), "/stream?from=-1s&key=past&lag=1000");
        let first: u64 = header(&past, "X-Seqcast-From").unwrap().parse().unwrap();
        assert_eq!(header(&past, "X-Seqcast-Clamped"), None);
        let mut seen = BTreeMap::new();
        let mut same = 0;
        let mut next = first;
        while same < 40 {
            let part = frame(&mut live);
            seen.insert(part.id().unwrap(), part.jpeg);
            let part = frame(&mut past);
            let id = part.id().unwrap();
            assert_eq!(id, next + skipped(&part), "{:?}", part.headers);
            next = id + 1;
            if let Some(live) = seen.get(&id) {
                assert!(*live == part.jpeg, "frame {id} is not the same");
                same += 1;
            }
            let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
            assert!(now - captured(&part) > 0.9, "{now} {:?}", part.headers);
        }
        let status = instance.wait_until("a shift", |status| {
            let of_past = |w: &&Value| w["key"] == "past";
            let workers = status["workers"].as_array().unwrap();
            let past = workers.iter().find(of_past);
            past.is_some_and(|past| past["shift_s"].as_f64() > Some(0.8))
        });
        let live = status["workers"].as_array().unwrap().iter();
        let live: Vec<_> = live.filter(|w| w["protocol"] == "http-stream").collect();
        assert!(live.iter().any(|w| w["shift_s"] == 0.0), "{status}");
    }
}

#[test]
fn from_the_first_and_fast_reaches_now() {
    for model in MODELS {
        let instance = start(model);
        wait_held(&instance, 3.0);
        let target = "/stream?from=first&speed=4&lag=1000";
        let mut stream = Stream::open(instance.address(), target);
        let first: u64 = header(&stream, "X-Seqcast-From").unwrap().parse().unwrap();
        let (mut next, mut behind) = (first, f64::MAX);
        let began = frame_age(&frame(&mut stream), &mut next);
        assert!(began > 2.5, "{began}");
        while behind > 0.2 {
            behind = frame_age(&frame(&mut stream), &mut next);
        }
        instance.wait_until("a live viewer", |status| {
            let workers = status["workers"].as_array().unwrap();
            let viewer = workers.iter().find(|w| !w["viewer"].is_null()).unwrap();
            viewer["shift_s"] == 0.0
        });
    }
}

/// Seconds since its capture; it must be the next one.
fn frame_age(part: &Part, next: &mut u64) -> f64 {
    assert_eq!(part.id().unwrap(), *next + skipped(part));
    *next = part.id().unwrap() + 1;
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64() - captured(part)
}

#[test]
fn a_capture_process_killed_in_the_past_is_played_over() {
    for model in MODELS {
        let instance = start(model);
        wait_held(&instance, 1.0);
        let epoch = instance.status()["ring"]["epoch"].as_u64().unwrap();
        signal(instance.capture(), Signal::SIGKILL);
        let again = instance.wait_until("a successor's frames", |s| {
            s["ring"]["epoch"].as_u64() > Some(epoch) && s["source"]["state"] == "live"
        });
        let head = again["ring"]["head"].as_u64().unwrap();
        let target = "/stream?from=first&speed=2&lag=1000";
        let mut stream = Stream::open(instance.address(), target);
        let mut next = 1;
        while next <= head {
            frame_age(&frame(&mut stream), &mut next);
        }
    }
}

//! Places: who gets one, who is told that there is none, and that neither silence nor half a
//! request takes any.
//!
//! Not here: the replies' form (`http`), what a kill does to other viewers.

mod common;

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::http::{Reply, Stream, connect, get};
use common::{Instance, MODELS, Watch, signal, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

fn start(clients: &str, model: &[&str]) -> Instance {
    // A lag that only starvation reaches.
    let args = ["--source", "test", "--size", "320x240", "--lag", "100"];
    let instance = Instance::start(&[&args[..], &["--clients", clients], model].concat());
    instance.wait_live();
    instance
}

/// A stream that has a place: its first picture has come.
fn viewer(instance: &Instance) -> Stream {
    let mut stream = Stream::open(instance.address(), "/stream");
    stream.next_part().unwrap();
    stream
}

/// Waits for a place, as one that was turned away would.
fn patient_viewer(instance: &Instance) -> Stream {
    wait_for("a free place", || {
        let mut stream = Stream::open(instance.address(), "/stream");
        stream.head.contains(" 200 ").then(|| {
            stream.next_part().unwrap();
            stream
        })
    })
}

fn totals(instance: &Instance, what: &str) -> u64 {
    let status: Value = serde_json::from_slice(&get(instance.address(), "/status").body).unwrap();
    status["totals"][what].as_u64().unwrap()
}

#[test]
fn a_full_house_turns_streams_away_and_answers_all_else() {
    for model in MODELS {
        let instance = start("2", model);
        let mut seated = [viewer(&instance), viewer(&instance)];
        for refused in 1..=3 {
            let reply = get(instance.address(), "/stream");
            assert_eq!(reply.code, 503);
            assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
            assert!(
                reply.text().starts_with("All 2 places are taken."),
                "{}",
                reply.text()
            );
            assert_eq!(totals(&instance, "refused"), refused);
        }
        for target in ["/", "/status", "/snapshot"] {
            assert_eq!(get(instance.address(), target).code, 200, "{target}");
        }
        assert_eq!(totals(&instance, "viewers"), 2);
        for stream in &mut seated {
            stream.next_part().unwrap();
        }
    }
}

#[test]
fn a_place_is_free_again_after_its_viewer_left() {
    for model in MODELS {
        let instance = start("1", model);
        for _ in 0..3 {
            let seated = patient_viewer(&instance);
            assert_eq!(get(instance.address(), "/stream").code, 503);
            drop(seated);
        }
    }
}

#[test]
fn a_place_is_free_again_after_its_sender_was_killed() {
    let instance = start("1", &[]);
    for kills in 1..=3 {
        let mut seated = patient_viewer(&instance);
        let sender = wait_for("the sender", || instance.serving().first().copied());
        signal(sender, Signal::SIGKILL);
        let ended = std::iter::from_fn(|| {
            // Cut off anywhere, or between two parts.
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| seated.next_part()))
                .ok()
                .flatten()
        });
        assert!(ended.take(10_000).count() < 10_000, "the connection closes");
        instance.wait_until("the death to be counted", |s| {
            s["totals"]["restarts"] == kills
        });
    }
    patient_viewer(&instance);
}

#[test]
fn silent_connections_take_nothing_from_viewers() {
    let instance = start("3", &[]);
    let silent: Vec<TcpStream> = (0..20).map(|_| connect(instance.address())).collect();
    let (report, code) = Watch::start(&instance.url("/stream"), 3, 8.0, &[]).report();
    assert_eq!(code, 0, "{report}");
    for viewer in report["viewers"].as_array().unwrap() {
        assert_eq!(viewer["lost"], 0, "{viewer}");
    }
    assert_eq!(totals(&instance, "refused"), 0);
    for target in ["/", "/status", "/snapshot"] {
        assert_eq!(get(instance.address(), target).code, 200, "{target}");
    }
    drop(silent);
}

#[test]
fn half_requests_are_closed_at_once_where_places_are_short() {
    for model in MODELS {
        // Connections: 5 at once (9 of three each), and 15 that would each keep one for 5 s.
        let instance = start("1", model);
        let mut seated = viewer(&instance);
        let began = Instant::now();
        let halves: Vec<TcpStream> = (0..15)
            .map(|_| {
                let mut half = connect(instance.address());
                half.write_all(b"GET /stream HTTP/1.1\r\nHost: loc")
                    .unwrap();
                half
            })
            .collect();
        assert_eq!(get(instance.address(), "/status").code, 200);
        assert_eq!(get(instance.address(), "/snapshot").code, 200);
        let took = began.elapsed();
        for half in halves {
            assert_eq!(Reply::read(half).code, 408);
        }
        // 11 or more at the door before them would have taken 15 s.
        assert!(took < Duration::from_secs(12), "{took:?}");
        seated.next_part().unwrap();
        assert_eq!(totals(&instance, "refused"), 0);
        assert_eq!(totals(&instance, "viewers"), 1);
    }
}

//! What a broker keeps of an exchange, and `seqcast replay` of it: each frame once, in order, at its pace, from
//! wherever it was asked for, over restarts of either.
//!
//! Not here: decisions (`capture`, `worker`), RbFly (`broker_rbfly`).

mod common;
mod rabbitmq;

use std::time::{Duration, Instant};

use common::{HANG, Instance, signal, wait_for};
use nix::sys::signal::Signal::SIGKILL;
use rabbitmq::{Broker, SMALL, conditions, says, wait_bridge};
use serde_json::Value;
use shm_ring::Reader;

const KEPT: [&str; 2] = ["--publish-history", "1h,64M"];

/// A camera whose frames are kept.
fn camera(broker: &Broker) -> Instance {
    let camera = Instance::start(&[&SMALL[..], &["--publish", &broker.url("cam")], &KEPT].concat());
    camera.wait_live();
    camera
}

fn replay(broker: &Broker, more: &[&str]) -> Instance {
    let url = broker.url("cam");
    Instance::start(&[&["replay", &url, "--lag", "1000"], more].concat())
}

fn wait_confirmed(camera: &Instance, count: u64) {
    wait_bridge(camera, "confirms", |row| {
        row["frames"].as_u64() > Some(count)
    });
}

/// The first `count` frames that come into an instance's ring: picture, offset in the stream, when they came.
fn frames(instance: &Instance, count: usize) -> Vec<(Vec<u8>, u64, u64)> {
    let name = format!("seqcast.{}.ring", instance.name);
    let ring = wait_for("a ring", || Reader::attach(&name).ok());
    let (mut frames, mut next, began) = (Vec::new(), 1, Instant::now());
    while frames.len() < count {
        assert!(began.elapsed() < HANG, "{} of {count} frames", frames.len());
        let ticket = ring.ticket();
        if next > ring.bounds().head {
            ring.wait(ticket, Duration::from_millis(100));
            continue;
        }
        let mut bytes = Vec::new();
        let info = ring.read(next, &mut bytes).expect("not yet overwritten");
        frames.push((bytes, info.meta.sequence, info.meta.captured_ns));
        next += 1;
    }
    frames
}

/// Each offset follows the one before: this camera's frames come in chunks without gaps.
fn assert_dense(frames: &[(Vec<u8>, u64, u64)]) {
    for two in frames.windows(2) {
        assert_eq!(two[0].1 + 1, two[1].1);
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn from_wherever_it_is_asked() {
    let broker = Broker::start();
    let camera = camera(&broker);
    let here = frames(&camera, 120);
    wait_confirmed(&camera, 120);
    let began = Instant::now();
    let first = replay(&broker, &[]);
    let there = frames(&first, 1);
    eprintln!(
        "first picture {:.2} s after the start",
        began.elapsed().as_secs_f64()
    );
    assert_eq!(there[0].1, 0);
    let there = frames(&first, 30);
    assert_dense(&there);
    // The frames themselves, in their order; the bridge may have skipped one.
    let mut shown = here.iter();
    let same = there
        .iter()
        .filter(|there| shown.any(|here| here.0 == there.0));
    assert_eq!(same.count(), 30);
    let took = (there[29].2 - there[0].2) as f64 / 1e9;
    assert!(took >= 1.2, "29 frames at 20 a second took {took} s");
    let status = first.status();
    assert_eq!(status["source"]["kind"], "replay", "{status}");
    let detail = status["source"]["detail"].as_str().unwrap();
    assert!(
        detail.contains("/cam from 20") && !detail.contains("guest"),
        "{detail}"
    );
    drop(first);

    let id = replay(&broker, &["--from", "37"]);
    assert_eq!(frames(&id, 1)[0].1, 37);
    drop(id);
    let ago = replay(&broker, &["--from", "-2s"]);
    let offset = frames(&ago, 1)[0].1;
    // Two seconds and what the start took, at 20 frames a second at most.
    let newest = bridge_frames(&camera);
    assert!(offset > 40 && offset + 20 < newest, "{offset} of {newest}");
    drop(ago);
    for word in ["next", "last"] {
        let newest = bridge_frames(&camera);
        let replay = replay(&broker, &["--from", word]);
        let there = frames(&replay, 10);
        assert!(there[0].1 + 5 > newest, "{word}: {} {newest}", there[0].1);
        assert_dense(&there);
    }
}

fn bridge_frames(camera: &Instance) -> u64 {
    let row = rabbitmq::bridge(&camera.status()).unwrap();
    row["frames"].as_u64().unwrap()
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn the_fast_catch_up_and_are_live() {
    let broker = Broker::start();
    let camera = camera(&broker);
    wait_confirmed(&camera, 160);
    let fast = replay(&broker, &["--speed", "8"]);
    let there = frames(&fast, 120);
    assert_dense(&there);
    let took = (there[99].2 - there[0].2) as f64 / 1e9;
    assert!(took >= 0.5, "5 s at 8 times the speed took {took} s");
    fast.wait_log("caught up, live from now on");
    let skipped = |row: &Value| row["skipped"].as_u64().unwrap();
    let row = rabbitmq::bridge(&camera.status()).unwrap();
    assert!(skipped(&row) < 40, "{row}");
    let all = frames(&fast, 250);
    assert_dense(&all);
    assert_eq!(fast.status()["totals"]["restarts"], 0);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_position_is_gone_on_from() {
    let broker = Broker::start();
    let camera = camera(&broker);
    wait_confirmed(&camera, 60);
    let named = ["--position", "wall"];
    let first = replay(&broker, &named);
    let shown = frames(&first, 100).last().unwrap().1;
    signal(first.capture(), SIGKILL);
    drop(first); // with SIGKILL, too
    let second = replay(&broker, &named);
    let again = frames(&second, 30);
    assert!(
        again[0].1 <= shown + 40 && again[0].1 + 60 > shown,
        "{} {shown}",
        again[0].1
    );
    assert_dense(&again);
    let ring = Reader::attach(&format!("seqcast.{}.ring", second.name)).unwrap();
    assert!(second.stop().0.success());
    let last = ring.frame(ring.bounds().head).unwrap().info().meta.sequence;
    let third = replay(&broker, &named);
    assert_eq!(
        frames(&third, 1)[0].1,
        last + 1,
        "after a clean stop not one is lost or repeated"
    );
    // Another stream of the same name: the position is none of its offsets yet.
    drop((third, camera));
    broker.ctl(&["delete_queue", "cam.history"]);
    let camera = self::camera(&broker);
    wait_confirmed(&camera, 5);
    assert_eq!(frames(&replay(&broker, &named), 1)[0].1, 0);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_broker_that_comes_back_with_what_it_kept() {
    let mut broker = Broker::start_durable();
    let camera = camera(&broker);
    wait_confirmed(&camera, 60);
    let replay = replay(&broker, &["--from", "5"]);
    frames(&replay, 20);
    broker.kill();
    replay.wait_until("the reason", says("connection refused"));
    broker.restart();
    let before = bridge_frames(&camera);
    // Bound again to an exchange that was made again.
    wait_confirmed(&camera, before + 40);
    replay.wait_live();
    let all = frames(&replay, 100);
    assert_eq!(all[0].1, 5);
    assert_dense(&all);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_stream_that_is_made_anew_is_gone_on_with() {
    let broker = Broker::start();
    let camera = camera(&broker);
    wait_confirmed(&camera, 60);
    let replay = replay(&broker, &["--speed", "8"]);
    replay.wait_log("caught up, live from now on");
    broker.ctl(&["delete_queue", "cam.history"]);
    let ring = Reader::attach(&format!("seqcast.{}.ring", replay.name)).unwrap();
    let before = ring.bounds().head as usize;
    // The bridge makes another, and what is on its way then still comes.
    let all = frames(&replay, before + 60);
    let seam = all.windows(2).position(|two| two[1].1 < two[0].1);
    let seam = seam.expect("another stream") + 1;
    assert_eq!(all[seam].1, 0);
    assert_dense(&all[..seam]);
    assert_dense(&all[seam..]);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_position_while_the_broker_is_short_of_memory() {
    let broker = Broker::start();
    let camera = camera(&broker);
    wait_confirmed(&camera, 120);
    let named = ["--position", "wall", "--speed", "0.25"];
    let slow = replay(&broker, &named);
    frames(&slow, 10); // it has stored one
    broker.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
    wait_bridge(&camera, "the reason", conditions("connection.blocked"));
    let ring = Reader::attach(&format!("seqcast.{}.ring", slow.name)).unwrap();
    let before = ring.bounds().head as usize;
    assert_dense(&frames(&slow, before + 40)); // 8 s: what is asked in vain is given up after 4
    assert!(!slow.log().contains("the broker"), "{}", slow.log());
    broker.ctl(&["set_vm_memory_high_watermark", "0.6"]);
    wait_bridge(&camera, "the cure", conditions("publishing"));
    let ahead = ring.bounds().head as usize;
    frames(&slow, ahead + 10);
    assert!(slow.stop().0.success());
    let last = ring.frame(ring.bounds().head).unwrap().info().meta.sequence;
    assert_eq!(frames(&replay(&broker, &named), 1)[0].1, last + 1);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn what_is_wrong_says_what_to_do() {
    let broker = Broker::start();
    let none = replay(&broker, &[]);
    none.wait_until("the reason", says("--publish-history AGE,BYTES"));
    drop(none);
    drop(camera(&broker));
    let publish = broker.url("cam");
    let other = ["--publish", &publish, "--publish-history", "2h,64M"];
    let other = Instance::start(&[&SMALL[..], &other].concat());
    wait_bridge(&other, "the reason", conditions("delete_queue cam.history"));
    let (code, _, said) = common::run(&["replay", &publish, "--source", "test"]);
    assert_eq!(code, 2);
    assert!(
        said.contains("leave --source out") && !said.contains("guest"),
        "{said}"
    );
    let (code, _, said) = common::run(&["replay", &publish, "--publish", &publish]);
    assert_eq!(code, 2);
    assert!(said.contains("circle"), "{said}");
}

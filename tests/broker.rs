//! Frames over a broker, from end to end: camera → RabbitMQ → relay → viewers, and what each of
//! them sees when the broker is killed, stopped or short of memory.
//!
//! Not here: who may do what (`broker_access`), what pika makes of it (`broker_pika`), messages and
//! decisions (crates `broker`, `bridge`, `capture`).

mod common;
mod rabbitmq;

use std::collections::HashMap;
use std::time::Instant;

use common::http::Stream;
use common::{Instance, Watch, assert_clean, pid, signal, wait_for};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP};
use rabbitmq::{Broker, bridge, camera, conditions, nowhere, relay, says, wait_bridge};
use serde_json::Value;
use shm_ring::Reader;

const LONG: f64 = 600.0;

/// Camera, broker, relay, and viewers of both that go on over all that happens to the broker.
struct Chain {
    broker: Broker,
    camera: Instance,
    relay: Instance,
    here: Watch,
    there: Watch,
    stream: Stream,
}

impl Chain {
    fn start() -> Chain {
        let broker = Broker::start();
        let camera = camera(&broker.url("cam"));
        let relay = relay(&broker.url("cam"));
        relay.wait_live();
        let here = Watch::start(&camera.url("/stream"), 2, LONG, &[]);
        let there = Watch::start(&relay.url("/stream"), 3, LONG, &[]);
        camera.wait_until("its viewers", |s| s["totals"]["viewers"] == 2);
        relay.wait_until("its viewers", |s| s["totals"]["viewers"] == 3);
        let stream = Stream::open(relay.address(), "/stream");
        wait_bridge(&camera, "confirms", |row| row["frames"].as_u64() > Some(20));
        Chain {
            broker,
            camera,
            relay,
            here,
            there,
            stream,
        }
    }

    fn wait_placeholder(&mut self) {
        wait_for("a placeholder", || {
            self.stream.next_part()?.id().is_none().then_some(())
        });
    }

    /// Waits until the relay's viewers see the camera again.
    fn wait_cured(&mut self, what: &str) {
        let began = Instant::now();
        wait_for("a picture", || self.stream.next_part()?.id());
        eprintln!(
            "{what}: live again after {:.2} s",
            began.elapsed().as_secs_f64()
        );
        self.relay.wait_live();
        let frames = bridge(&self.camera.status()).unwrap()["frames"].as_u64();
        wait_bridge(&self.camera, "frames as before", |row| {
            row["condition"] == "publishing" && row["frames"].as_u64() > frames.map(|n| n + 20)
        });
    }

    /// The camera's viewers have missed nothing, the relay's are still there, nobody died, and each frame is
    /// accounted for. Gives the bridge's row.
    fn end(self) -> Value {
        let status = self.camera.status();
        let row = bridge(&status).unwrap();
        let count = |name: &str| row[name].as_u64().unwrap();
        let head = status["ring"]["head"].as_u64().unwrap();
        let accounted = count("frames") + count("skipped");
        // Two are on their way, one is held, and the rows are not read at once.
        assert!(
            (head - 6..=head + 2).contains(&accounted),
            "{accounted} of {head}: {row}"
        );
        for instance in [&self.camera, &self.relay] {
            assert_eq!(instance.status()["totals"]["restarts"], 0);
        }
        assert_clean(self.here);
        self.there.interrupt();
        let (report, code) = self.there.report();
        assert_eq!(code, 0, "{report}");
        for viewer in report["viewers"].as_array().unwrap() {
            assert!(
                viewer["unnumbered"].as_u64() > Some(0),
                "no placeholder: {viewer}"
            );
        }
        assert!(self.relay.stop().0.success());
        assert!(self.camera.stop().0.success());
        row
    }
}

fn skipped(row: &Value, cause: &str) -> u64 {
    row["skip_causes"][cause].as_u64().unwrap_or(0)
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn pictures_cross_with_their_bytes_time_and_number() {
    let broker = Broker::start();
    let camera = camera(&broker.url("cam"));
    let relay = relay(&broker.url("cam"));
    let status = relay.wait_live();
    assert_eq!(status["source"]["kind"], "amqp");
    let shown = format!("amqp://127.0.0.1:{}/cam", broker.port);
    assert_eq!(status["source"]["detail"], shown.as_str());
    let row = wait_bridge(&camera, "confirms", |row| row["frames"].as_u64() > Some(0));
    assert_eq!(
        (&row["target"], &row["protocol"]),
        (&shown.into(), &"amqp-jpeg".into())
    );
    let ring = Reader::attach(&format!("seqcast.{}.ring", relay.name)).unwrap();
    let parts = |instance: &Instance| -> Vec<_> {
        let mut stream = Stream::open(instance.address(), "/stream");
        let parts = std::iter::from_fn(|| stream.next_part());
        parts.filter(|part| part.id().is_some()).take(40).collect()
    };
    std::thread::scope(|scope| {
        let here = scope.spawn(|| parts(&camera));
        let there = parts(&relay);
        let here = here.join().unwrap();
        let here: HashMap<_, _> = here.iter().map(|part| (&part.jpeg, part)).collect();
        let mut count = 0;
        for part in &there {
            let Some(same) = here.get(&part.jpeg) else {
                continue;
            };
            assert_eq!(part.value(2, "X-Timestamp"), same.value(2, "X-Timestamp"));
            let frame = ring.frame(part.id().unwrap()).unwrap();
            assert_eq!(Some(frame.info().meta.sequence), same.id());
            assert_eq!(frame.info().meta.flags, 1, "brokers passed");
            count += 1;
        }
        assert!(count > 20, "{count}");
    });
    assert_eq!(relay.status()["source"]["dropped"], serde_json::json!({}));
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_broker_that_is_killed_and_comes_back() {
    let mut chain = Chain::start();
    chain.broker.kill();
    chain.wait_placeholder();
    chain
        .relay
        .wait_until("the reason", says("connection refused"));
    wait_bridge(
        &chain.camera,
        "the reason",
        conditions("connection refused"),
    );
    chain.broker.restart();
    chain.wait_cured("killed and restarted");
    assert!(skipped(&chain.end(), "away") > 0);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_broker_that_is_stopped_and_goes_on() {
    let mut chain = Chain::start();
    chain.broker.signal(SIGSTOP);
    wait_bridge(&chain.camera, "the reason", conditions("a confirm is late"));
    chain.wait_placeholder();
    chain
        .relay
        .wait_until("the reason", says("no answer within 3s"));
    wait_bridge(
        &chain.camera,
        "the reason",
        conditions("no answer within 3s"),
    );
    let tasks = |row: &Value| {
        std::fs::read_dir(format!("/proc/{}/task", pid(row)))
            .unwrap()
            .count()
    };
    let row = wait_bridge(&chain.camera, "more tries", |row| {
        skipped(row, "away") > 200
    });
    assert!(tasks(&row) < 8, "threads of connections that were given up");
    chain.broker.signal(SIGCONT);
    chain.wait_cured("stopped and continued");
    let row = chain.end();
    assert!(
        skipped(&row, "slow") > 0 && skipped(&row, "unconfirmed") > 0,
        "{row}"
    );
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_broker_that_is_short_of_memory() {
    let mut chain = Chain::start();
    chain
        .broker
        .ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
    let row = wait_bridge(
        &chain.camera,
        "the reason",
        conditions("connection.blocked"),
    );
    chain.wait_placeholder();
    chain.relay.wait_until("the reason", says("no frame comes"));
    wait_bridge(&chain.camera, "more to pass", |later| {
        skipped(later, "blocked") > 100
    });
    assert_eq!(pid(&row), pid(&bridge(&chain.camera.status()).unwrap()));
    chain.broker.ctl(&["set_vm_memory_high_watermark", "0.6"]);
    chain.wait_cured("short of memory");
    let row = chain.end();
    assert_eq!(skipped(&row, "away"), 0, "the connection stood: {row}");
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn an_exchange_that_is_deleted_is_made_again_and_bound_to() {
    let mut chain = Chain::start();
    let delete = r#"rabbit_exchange:delete(rabbit_misc:r(<<"/">>, exchange, <<"cam">>), false, <<"test">>)."#;
    chain.broker.ctl(&["eval", delete]);
    // It may be bound again before anybody says NO SIGNAL: then frames went by.
    chain.relay.wait_until("an outage", |s| {
        s["source"]["state"] == "no-signal" || s["source"]["dropped"]["driver"].as_u64() > Some(0)
    });
    chain.wait_cured("exchange deleted");
    chain.end();
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_circle_of_relays_shows_no_signal_and_says_why() {
    let broker = Broker::start();
    let hop = |from, to| {
        let (from, to) = (broker.url(from), broker.url(to));
        Instance::start(&["--source", &from, "--publish", &to])
    };
    // What goes round is taken for newer than what the camera sends: its epochs are later.
    let camera = camera(&broker.url("x"));
    let epoch = camera.wait_live()["ring"]["epoch"].as_u64();
    wait_for("a later epoch", || {
        (Some(worker::unix_ns() / 1_000_000_000) > epoch).then_some(())
    });
    let (there, back) = (hop("x", "y"), hop("y", "x"));
    wait_for("the reason", || {
        let seen = [&there, &back].map(|hop| says("in a circle")(&hop.status()));
        seen.contains(&true).then_some(())
    });
    drop((camera, there, back));
    // Through several that are no circle, pictures come.
    let _camera = self::camera(&broker.url("a"));
    let _hops = [hop("a", "b"), hop("b", "c")];
    relay(&broker.url("c")).wait_live();
    // What goes out comes back: two names for one host.
    let other = broker.url("z").replace("127.0.0.1", "localhost");
    let own = Instance::start(&["--source", &broker.url("z"), "--publish", &other]);
    let _camera = self::camera(&broker.url("z"));
    own.wait_until("the reason", says("--publish another exchange"));
}

#[test]
fn a_bridge_that_dies_or_hangs_costs_no_viewer_anything() {
    let camera = camera(&format!("amqp://{}/cam", nowhere()));
    camera.wait_live();
    let watch = Watch::start(&camera.url("/stream"), 2, LONG, &[]);
    camera.wait_until("the viewers", |s| s["totals"]["viewers"] == 2);
    let first = wait_bridge(&camera, "skipped frames", |row| skipped(row, "away") > 5);
    signal(pid(&first), SIGKILL);
    let second = wait_bridge(&camera, "a successor", |row| {
        row["pid"] != first["pid"] && conditions("connection refused")(row)
    });
    assert!(
        second["skipped"].as_u64() >= first["skipped"].as_u64(),
        "counts never fall"
    );
    assert_eq!(second["restarts"], 1);
    signal(pid(&second), SIGSTOP);
    let third = wait_bridge(&camera, "another", |row| {
        row["restarts"] == 2 && conditions("refused")(row)
    });
    camera.wait_log("bridge hung");
    let head = camera.status()["ring"]["head"].as_u64().unwrap();
    let row = wait_bridge(&camera, "what passed meanwhile", |row| {
        row["skipped"].as_u64() >= Some(head - 1)
    });
    assert_eq!((pid(&row), row["frames"].as_u64()), (pid(&third), Some(0)));
    assert_clean(watch);
    assert_eq!(camera.status()["totals"]["frames_skipped"], 0, "of viewers");
    let (status, said) = camera.stop();
    assert!(
        status.success() && said.contains("published 0 frames to amqp://"),
        "{said}"
    );
}

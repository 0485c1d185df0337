//! A consumer whose processor is busy with NumPy: beside viewers and a bridge, which do not notice, and
//! as a client of RabbitMQ, which cuts it off (`examples/cpu_bound`).
//!
//! Not here: brokers and workers that fail (`broker`, `kill_kinds`).

mod common;
mod rabbitmq;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{Guard, Watch, assert_clean, drain, python_with, wait_for};
use rabbitmq::{Broker, camera, wait_bridge};
use serde_json::Value;
use worker::{Board, State};

/// How long a product takes where nothing else runs, seconds; a frame comes each 0.05 s.
const PRODUCT: &str = "0.5";

/// Who shows no life for so long is hung. Hearts beat once a second.
const HUNG: Duration = Duration::from_secs(15);

/// What RabbitMQ logs of who missed heartbeats.
const CUT_OFF: &str = "Heartbeat timeout, closing connection";

/// A program of the example.
fn program(name: &str) -> Command {
    let mut command = Command::new(python_with("rbfly"));
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/cpu_bound");
    command
        .arg(example.join(name))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("OPENBLAS_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// The size of a matrix with such a product.
fn size() -> String {
    let mut fitting = Guard::spawn(program("lesson.py").arg(PRODUCT));
    drain(&mut fitting.0.stdout).trim().to_owned()
}

fn count(account: &Value, name: &str) -> u64 {
    account[name].as_u64().unwrap()
}

#[test]
#[ignore = "needs RabbitMQ, and Python with NumPy and RbFly: tests/run"]
fn nobody_notices_that_a_reader_of_the_ring_is_busy() {
    let broker = Broker::start();
    let camera = camera(&broker.url("cam"));
    let before = wait_bridge(&camera, "confirms", |row| row["frames"].as_u64() > Some(20));
    let viewers = Watch::start(&camera.url("/stream"), 2, 600.0, &[]);
    camera.wait_until("its viewers", |status| status["totals"]["viewers"] == 2);
    let pids = |status: &Value| -> Vec<u64> {
        let workers = status["workers"].as_array().unwrap();
        workers.iter().map(|w| w["pid"].as_u64().unwrap()).collect()
    };
    let first = camera.status();

    let mut consumer = program("ring_consumer.py");
    consumer.args([&camera.name, "-n", &size(), "--seconds", "12"]);
    let mut consumer = Guard::spawn(&mut consumer);
    let board = Board::attach(&worker::Instance::new(&camera.name).unwrap()).unwrap();
    let mut silent = Duration::ZERO;
    while consumer.is_running() {
        let now = worker::monotonic_ns();
        for cell in board.all().filter(|cell| cell.pid() != 0) {
            assert_ne!(cell.state(), State::Hung, "{cell:?}");
            let silent_ns = now.saturating_sub(cell.heartbeat_ns());
            silent = silent.max(Duration::from_nanos(silent_ns));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let last = camera.status();
    let account: Value = serde_json::from_str(&drain(&mut consumer.0.stdout)).unwrap();

    let frames = account["frames"].as_array().unwrap();
    let time = |frame: &Value, at: usize| frame[at].as_f64().unwrap();
    let busy: f64 = frames.iter().map(|f| time(f, 2) - time(f, 0)).sum();
    let missed = count(&account, "missed");
    eprintln!(
        "{} products in {busy:.1} s, {missed} frames skipped; a heart beat after {silent:.2?} at most",
        frames.len(),
    );
    assert!(silent < HUNG / 3, "{silent:?}");
    assert!(busy >= 10.0, "{busy} s");
    // It took the newest each time, and says how many came between.
    assert!(missed > frames.len() as u64, "{missed}");
    let head = |status: &Value| status["ring"]["head"].as_u64().unwrap();
    assert!(frames.len() as u64 + missed <= head(&last) - head(&first) + 1);

    assert_eq!(pids(&last), pids(&first));
    assert_eq!(last["totals"]["restarts"], 0);
    // A machine that is full may make the broker slow, for a moment.
    let after = wait_bridge(&camera, "publishing", |row| {
        row["condition"] == "publishing"
    });
    assert!(count(&after, "frames") > count(&before, "frames") + 100);
    assert_eq!(
        after["skip_causes"]["away"], before["skip_causes"]["away"],
        "it was never disconnected"
    );
    assert_clean(viewers);
    assert!(camera.stop().0.success());
}

#[test]
#[ignore = "needs RabbitMQ, and Python with NumPy and RbFly: tests/run"]
fn rabbitmq_cuts_off_whose_event_loop_is_busy() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("broker.log");
    let broker = Broker::start_with(|_| {
        let conf = dir.path().join("conf");
        let text = format!(
            "stream.heartbeat = 1\nlog.file = {}\nlog.file.level = debug\n",
            log.display()
        );
        std::fs::write(&conf, text).unwrap();
        Some(conf)
    });
    let cut_off = || {
        let log = std::fs::read_to_string(&log).unwrap();
        log.matches(CUT_OFF).count()
    };
    let camera = camera(&broker.url("cam"));
    wait_bridge(&camera, "confirms", |row| row["frames"].as_u64() > Some(20));
    let (amqp, streams) = (broker.port.to_string(), (broker.port + 3).to_string());
    let mut bind = Guard::spawn(program("stream.py").args(["cam", "cam", "--port", &amqp]));
    assert!(bind.wait("a stream").success());

    let size = size();
    let consume = |how: &str, seconds: &str| -> Value {
        let mut consumer = Guard::spawn(
            program("rbfly_consumer.py")
                .args([how, "cam", "--port", &streams, "-n", &size])
                .args(["--seconds", seconds]),
        );
        serde_json::from_str(&drain(&mut consumer.0.stdout)).unwrap()
    };
    consume("threaded", "8");
    assert_eq!(cut_off(), 0);
    let account = consume("blocking", "15");
    wait_for("a missed heartbeat", || (cut_off() > 0).then_some(()));
    eprintln!(
        "cut off {} times; its event loop was held up for {} s",
        cut_off(),
        account["held"]
    );
}

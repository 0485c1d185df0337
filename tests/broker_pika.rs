//! Frames that cross RabbitMQ to and from clients that others wrote: pika in the shape of 2019
//! (`bench/originals/fanout.py`).
//!
//! Not here: brokers that fail (`broker`).

mod common;
mod rabbitmq;

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use common::http::Stream;
use common::{Guard, Instance, signal, tool};
use nix::sys::signal::Signal::SIGTERM;
use rabbitmq::{Broker, original, pika};

const SMALL: [&str; 6] = ["--source", "test", "--size", "160x120", "--fps", "20"];

/// Prints the SHA-256 of the pixels of so many messages.
const HASHES: &str = r#"
import hashlib, struct, sys
import pika

channel = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(sys.argv[1]))).channel()
channel.exchange_declare(exchange="logs", exchange_type="fanout")
queue = channel.queue_declare(queue="", exclusive=True).method.queue
channel.queue_bind(exchange="logs", queue=queue)
left = int(sys.argv[2])

def received(channel, method, properties, body):
    global left
    packed, = struct.unpack_from("=Q", body)
    height, width, channels = packed >> 32, packed >> 16 & 0xffff, packed & 0xffff
    assert len(body) == 8 + height * width * channels, (packed, len(body))
    print(hashlib.sha256(body[8:]).hexdigest(), flush=True)
    left -= 1
    if left == 0:
        channel.stop_consuming()

channel.basic_consume(queue=queue, on_message_callback=received, auto_ack=True)
channel.start_consuming()
"#;

fn sha256(bytes: &[u8]) -> String {
    let mut sum = Guard::spawn(
        Command::new(tool("sha256sum"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    sum.0.stdin.take().unwrap().write_all(bytes).unwrap();
    let said = common::drain(&mut sum.0.stdout);
    said.split(' ').next().unwrap().to_owned()
}

#[test]
#[ignore = "needs RabbitMQ and pika: tests/run"]
fn the_client_of_2019_has_the_same_pixels() {
    let broker = Broker::start();
    let raw = broker.url("logs?format=raw");
    let camera = Instance::start(&[&SMALL[..], &["--publish", &raw]].concat());
    camera.wait_live();
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("hashes.py");
    std::fs::write(&script, HASHES).unwrap();
    let mut client = Guard::spawn(pika(&script).arg(broker.port.to_string()).arg("40"));
    let mut out = client.0.stdout.take().unwrap();
    let mut stream = Stream::open(camera.address(), "/stream");
    let mut pixels = Vec::new();
    let mut shown = HashSet::new();
    while client.is_running() {
        let part = stream.next_part().unwrap();
        if part.id().is_some() {
            picture::decode_bgr(&part.jpeg, &mut pixels).unwrap();
            shown.insert(sha256(&pixels));
        }
    }
    let mut hashes = String::new();
    out.read_to_string(&mut hashes).unwrap();
    assert_eq!(hashes.lines().count(), 40);
    let same = hashes.lines().filter(|&hash| shown.contains(hash)).count();
    // The one or the other came before or after those that were looked at.
    assert!(same >= 35, "{same} of 40");
}

#[test]
#[ignore = "needs RabbitMQ and pika: tests/run"]
fn the_client_of_2019_reads_the_coding_in_the_pixels() {
    let broker = Broker::start();
    let raw = broker.url("logs?format=raw");
    let camera = Instance::start(&[&SMALL[..], &["--format", "bgr24", "--publish", &raw]].concat());
    camera.wait_live();
    let port = broker.port.to_string();
    let consume = ["consume", "-p", &port, "--frames", "40", "--json"];
    let mut client = Guard::spawn(pika(original("fanout.py")).args(consume));
    let said = common::drain(&mut client.0.stdout);
    assert!(client.wait("fanout.py").success(), "{said}");
    // Of each frame: its id in the pixels, when it was grabbed, when it came.
    let arrivals: Vec<[u64; 3]> = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(arrivals.len(), 40, "{said}");
    assert!(
        arrivals.windows(2).all(|two| two[0][0] < two[1][0]),
        "{said}"
    );
}

#[test]
#[ignore = "needs RabbitMQ and pika: tests/run"]
fn the_publisher_of_2019_comes_in() {
    let broker = Broker::start();
    let source = broker.url("logs");
    let port = broker.port.to_string();
    let mut publisher = Guard::spawn(pika(original("fanout.py")).args(["publish", "-p", &port]));
    let jpegs = Instance::start(&["--source", &source]);
    let raws = Instance::start(&["--source", &source, "--format", "bgr24"]);
    let status = jpegs.wait_live();
    assert_eq!(status["source"]["width"], 160, "{status}");
    assert_eq!(status["source"]["format"], "BGR3", "{status}");
    let mut stream = Stream::open(jpegs.address(), "/stream");
    let part = std::iter::from_fn(|| stream.next_part()).find(|part| part.id().is_some());
    let mut pixels = Vec::new();
    let size = picture::decode_bgr(&part.unwrap().jpeg, &mut pixels).unwrap();
    assert_eq!(size, (160, 120));
    // Raw in the ring: the pixels as they were sent, with their coding.
    raws.wait_live();
    let ring = shm_ring::Reader::attach(&format!("seqcast.{}.ring", raws.name)).unwrap();
    let mut last = 0;
    for _ in 0..5 {
        let ticket = ring.ticket();
        let info = ring.read(ring.bounds().head, &mut pixels).unwrap();
        assert_eq!((&info.meta.format, pixels.len()), (b"BGR3", 160 * 120 * 3));
        assert!(pixels.starts_with(b"seqcast1"));
        let id = u64::from_le_bytes(pixels[8..16].try_into().unwrap());
        assert!(id >= last, "{id} after {last}");
        last = id;
        ring.wait(ticket, common::HANG);
    }
    signal(publisher.pid(), SIGTERM);
    assert!(publisher.wait("fanout.py").success());
}

/// Publishes one message whose header holds an array in an array in an array …
const NESTED: &str = r#"
import struct, sys
import pika

class Nested(pika.BasicProperties):
    def encode(self):
        table = b"\x01xA"
        inner = b""
        for _ in range(5000):
            inner = b"A" + struct.pack(">I", len(inner)) + inner
        table += struct.pack(">I", len(inner)) + inner
        # The flag of `headers` alone: AMQP 0-9-1, section 4.2.6.1.
        return [struct.pack(">H", 1 << 13), struct.pack(">I", len(table)) + table]

connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(sys.argv[1])))
connection.channel().basic_publish(exchange="cam", routing_key="", body=b"no frame", properties=Nested())
connection.close()
"#;

#[test]
#[ignore = "needs RabbitMQ and pika: tests/run"]
fn headers_within_headers_end_no_relay() {
    let broker = Broker::start();
    let relay = Instance::start(&["--source", &broker.url("cam")]);
    let camera = Instance::start(&[&SMALL[..], &["--publish", &broker.url("cam")]].concat());
    relay.wait_live();
    let capture = relay.capture();
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("nested.py");
    std::fs::write(&script, NESTED).unwrap();
    let mut publisher = Guard::spawn(pika(&script).arg(broker.port.to_string()));
    assert!(publisher.wait("the publisher").success());
    relay.wait_until("a message that is no frame", |s| {
        s["source"]["dropped"]["corrupt"] == 1
    });
    relay.wait_until("frames behind it", |s| {
        s["source"]["fps_measured"].as_f64() > Some(0.0)
    });
    assert_eq!(relay.capture(), capture, "it is still the same");
    drop(camera);
}

//! An exchange for tests: a RabbitMQ of its own, and somebody who publishes there.
//!
//! Not here: any test.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use broker::{Address, Format, Origin, Publisher, Tags, message};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use worker::unix_ns;

/// Published to until it is dropped.
pub(crate) struct Published {
    broker: Child,
    url: String,
    stop: Arc<AtomicBool>,
    publisher: Option<JoinHandle<()>>,
}

impl Published {
    /// Publishes these, with `pause` after each.
    pub(crate) fn start(
        jpegs: impl Iterator<Item = Vec<u8>> + Send + 'static,
        pause: Duration,
    ) -> Published {
        let (broker, port) = start_broker();
        let url = format!("amqp://127.0.0.1:{port}/test");
        let stop = Arc::new(AtomicBool::new(false));
        let address = Address::parse(&url, None).unwrap();
        let stopping = stop.clone();
        let publisher = thread::spawn(move || publish(&address, jpegs, pause, &stopping));
        Published {
            broker,
            url,
            stop,
            publisher: Some(publisher),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// `broker.sh` and its port, once that answers.
fn start_broker() -> (Child, u16) {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let begin = (std::process::id() % 2000) as u16 * 8;
    let mut ports = (0..4000).map(|_| 12_000 + (begin + 4 * COUNT.fetch_add(1, SeqCst)) % 8_000);
    // It takes the three above, too.
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let port = ports.find(|&port| (port..port + 4).all(is_free)).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/originals/broker.sh");
    let mut command = Command::new(script);
    command.arg(port.to_string()).stdout(Stdio::piped());
    let mut broker = command.spawn().unwrap();
    let mut ready = String::new();
    let out = broker.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut ready).unwrap();
    assert!(ready.starts_with("ready"), "{ready:?}");
    (broker, port)
}

fn publish(
    address: &Address,
    jpegs: impl Iterator<Item = Vec<u8>>,
    pause: Duration,
    stop: &AtomicBool,
) {
    let runtime = broker::runtime().unwrap();
    runtime.block_on(async {
        let publisher = Publisher::open(address, "test", None).await.unwrap();
        for (frame_id, jpeg) in (1..).zip(jpegs) {
            if stop.load(SeqCst) {
                return;
            }
            let tags = Tags {
                frame_id,
                epoch: 1,
                captured_ns: unix_ns(),
                width: 64,
                height: 48,
                origin: Origin(1),
                relays: 0,
            };
            let properties = message::properties(&tags, Format::Jpeg);
            assert_eq!(publisher.publish(jpeg, properties).await, Ok(true));
            thread::sleep(pause);
        }
    });
    runtime.shutdown_background();
}

impl Drop for Published {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        let published = self.publisher.take().unwrap().join();
        // It then ends its children, and removes what it wrote.
        kill(Pid::from_raw(self.broker.id() as i32), Signal::SIGTERM).unwrap();
        self.broker.wait().unwrap();
        assert!(published.is_ok() || thread::panicking());
    }
}

//! A RabbitMQ of a test's own (`bench/originals/broker.sh`), which can be stopped, killed and told things, and
//! what an instance says of its bridge.
//!
//! Not here: any test.
#![allow(dead_code)] // each test binary uses a part

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::{Guard, Instance, is_alive, python_with, signal};

/// A source that takes little.
pub const SMALL: [&str; 6] = ["--source", "test", "--size", "320x240", "--fps", "20"];

/// A camera that publishes there.
pub fn camera(publish: &str) -> Instance {
    Instance::start(&[&SMALL[..], &["--lag", "100", "--publish", publish]].concat())
}

/// A relay of what comes there.
pub fn relay(source: &str) -> Instance {
    Instance::start(&["--lag", "100", "--source", source])
}

/// Whether a source says that.
pub fn says<'a>(words: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |status| {
        let reason = status["source"]["reason"].as_str().unwrap();
        status["source"]["state"] == "no-signal" && reason.contains(words)
    }
}

/// An address where nobody is.
pub fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("127.0.0.1:{}", listener.local_addr().unwrap().port())
}

/// A file of `bench/originals`.
pub fn original(name: &str) -> PathBuf {
    let originals = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/originals");
    originals.join(name)
}

/// A broker on ports of its own.
pub struct Broker {
    pub port: u16,
    conf: Option<PathBuf>,
    /// What it knows survives it there.
    data: Option<tempfile::TempDir>,
    node: u32,
    script: Option<Guard>,
}

impl Broker {
    pub fn start() -> Broker {
        Broker::start_with(|_| None)
    }

    /// One that remembers, over a restart, what is durable.
    pub fn start_durable() -> Broker {
        Broker::begin(|_| None, Some(tempfile::tempdir().unwrap()))
    }

    /// With more configuration, in the file that is named for its port.
    pub fn start_with(conf: impl FnOnce(u16) -> Option<PathBuf>) -> Broker {
        Broker::begin(conf, None)
    }

    fn begin(conf: impl FnOnce(u16) -> Option<PathBuf>, data: Option<tempfile::TempDir>) -> Broker {
        let port = free_ports();
        let mut broker = Broker {
            port,
            conf: conf(port),
            data,
            node: 0,
            script: None,
        };
        broker.restart();
        broker
    }

    /// Starts it again where it was, unless it is durable without what it knew.
    pub fn restart(&mut self) {
        let conf = self.conf.as_deref().unwrap_or(Path::new(""));
        let data = self.data.as_ref().map(tempfile::TempDir::path);
        let mut script = Guard::spawn(
            Command::new(original("broker.sh"))
                .arg(self.port.to_string())
                .arg(conf)
                .arg("127.0.0.1")
                .args(data)
                .stdin(Stdio::null())
                .stdout(Stdio::piped()),
        );
        let mut said = String::new();
        let out = script.0.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut said).unwrap();
        let pid = said
            .trim()
            .rsplit(' ')
            .next()
            .and_then(|pid| pid.parse().ok());
        self.node = pid.unwrap_or_else(|| panic!("broker.sh says {said:?}"));
        self.script = Some(script);
    }

    /// The address of an exchange.
    pub fn url(&self, exchange: &str) -> String {
        self.url_as("guest:guest", exchange)
    }

    /// The same, as somebody else.
    pub fn url_as(&self, login: &str, exchange: &str) -> String {
        format!("amqp://{login}@127.0.0.1:{}/{exchange}", self.port)
    }

    /// Sends its node a signal.
    pub fn signal(&self, what: Signal) {
        signal(self.node, what);
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(mut script) = self.script.take() {
            script.wait("broker.sh to see its end");
        }
    }

    /// `rabbitmqctl`, which is told how by the node's own environment.
    pub fn ctl(&self, args: &[&str]) {
        let lib = Path::new("/usr/lib/rabbitmq/lib").read_dir().unwrap();
        let ctl = lib.map(|entry| entry.unwrap().path().join("sbin/rabbitmqctl"));
        let ctl = ctl.last().expect("a RabbitMQ");
        let environment = std::fs::read(format!("/proc/{}/environ", self.node)).unwrap();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let told = environment
            .split('\0')
            .filter_map(|one| one.split_once('='));
        let told = told.filter(|(name, _)| {
            *name == "HOME" || name.starts_with("RABBITMQ_") || name.starts_with("ERL_")
        });
        let out = Command::new(ctl)
            .args(args)
            .envs(told)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let Some(mut script) = self.script.take() else {
            return;
        };
        if is_alive(self.node) {
            self.signal(Signal::SIGCONT);
        }
        // It then ends its children, and removes what it wrote.
        if script.is_running() {
            signal(script.pid(), Signal::SIGTERM);
            script.wait("broker.sh to clean up");
        }
    }
}

/// The first of five ports that nobody has.
fn free_ports() -> u16 {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let begin = (std::process::id() % 2000) as u16 * 10;
    let candidates = (0..2000).map(|_| 20_000 + (begin + COUNT.fetch_add(1, Relaxed) * 5) % 12_000);
    let mut free = candidates.filter(|&port| {
        (port..port + 5).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
    });
    free.next().expect("five free ports in a row")
}

/// The bridge's row of a status.
pub fn bridge(status: &Value) -> Option<Value> {
    let workers = status["workers"].as_array()?;
    workers
        .iter()
        .find(|worker| worker["role"] == "bridge")
        .cloned()
}

/// Waits until the bridge is as `wanted` says.
pub fn wait_bridge(instance: &Instance, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let status = instance.wait_until(what, |status| {
        bridge(status).is_some_and(|row| wanted(&row))
    });
    bridge(&status).unwrap()
}

/// Whether a bridge says that.
pub fn conditions<'a>(words: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |row| {
        row["condition"]
            .as_str()
            .is_some_and(|condition| condition.contains(words))
    }
}

/// Python with pika, running `script`.
pub fn pika(script: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(python_with("pika"));
    command
        .arg(script)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

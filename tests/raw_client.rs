//! `seqcast watch --raw` and the client of 2017 read what the threaded server of 2017 sends
//! (`bench/originals`).
//!
//! Not here: raw streams that follow a script (crate `watch`).

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use common::{Guard, Watch, signal, tool};
use nix::sys::signal::Signal;

/// A program of `bench/originals`.
fn original(name: &str) -> Command {
    let originals = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/originals");
    let mut command = Command::new(tool("python3"));
    command
        .arg(originals.join(name))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// A running `threads.py` on a port of its own.
struct Threads {
    guard: Guard,
    out: BufReader<ChildStdout>,
    address: String,
}

impl Threads {
    /// At 10 frames a second: a reader has to be held up for a second to lag behind.
    fn start() -> Threads {
        let mut guard = Guard::spawn(original("threads.py").args(["-p", "0", "--fps", "10"]));
        let mut out = BufReader::new(guard.0.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Threads {
            guard,
            out,
            address,
        }
    }

    /// Ends it; says how many payloads it says to have delivered.
    fn stop(mut self) -> u64 {
        signal(self.guard.pid(), Signal::SIGTERM);
        let mut said = String::new();
        self.out.read_to_string(&mut said).unwrap();
        assert!(self.guard.wait("threads.py to end").success());
        let delivered = said.trim().strip_suffix(" payloads delivered");
        delivered
            .unwrap_or_else(|| panic!("{said:?}"))
            .parse()
            .unwrap()
    }
}

#[test]
#[ignore = "needs python3: tests/run"]
fn three_raw_viewers_of_the_threaded_original() {
    let threads = Threads::start();
    let watch = Watch::start(&format!("--raw={}", threads.address), 3, 3.0, &[]);
    let (report, code) = watch.report();
    // So ids rise.
    assert_eq!(code, 0, "{report}");
    let mut frames = 0;
    for viewer in report["viewers"].as_array().unwrap() {
        assert!(viewer["frames"].as_u64() > Some(1), "{viewer}");
        assert!(viewer["latency_ms"]["p50"].is_f64(), "{viewer}");
        assert_eq!(viewer["unnumbered"], 0, "{viewer}");
        frames += viewer["frames"].as_u64().unwrap();
    }
    assert!(report["skew_ms"]["p50"].is_f64(), "{report}");
    let delivered = threads.stop();
    assert!(delivered >= frames, "{delivered} for {frames}");
}

#[test]
#[ignore = "needs python3: tests/run"]
fn the_client_of_2017_reads_the_threaded_original() {
    let threads = Threads::start();
    let (_, port) = threads.address.rsplit_once(':').unwrap();
    let mut client = Guard::spawn(original("client.py").args(["-p", port, "--frames", "10"]));
    let said = common::drain(&mut client.0.stdout);
    assert!(client.wait("client.py to end").success());
    assert!(said.starts_with("10 frames, "), "{said}");
    assert!(said.contains(" 0 repeated, latency "), "{said}");
    let operations = said.trim().strip_suffix(" socket operations").unwrap();
    let (_, operations) = operations.rsplit_once(", ").unwrap();
    // A header and a frame each.
    assert!(operations.parse::<u64>().unwrap() >= 20, "{said}");
    assert!(threads.stop() >= 10);
}

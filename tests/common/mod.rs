//! What the whole-program tests share: an instance of the real binary on its own port and name,
//! its status, viewers, and waiting for conditions.
//!
//! Not here: any test. Every process started here is ended by pid when its guard is dropped.
#![allow(dead_code)] // each test binary uses a part

pub mod http;
pub mod webdriver;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// The binary under test.
pub const SEQCAST: &str = env!("CARGO_BIN_EXE_seqcast");

/// What to start it with for every way in which it divides viewers among processes.
pub const MODELS: [&[&str]; 4] = [
    &[],
    &["--model", "thread"],
    &["--model", "multiplex"],
    &["--viewers-per-sender", "3"],
];

/// Longer than anything may take that does not hang.
pub const HANG: Duration = Duration::from_secs(60);

/// A name no other test has, on this machine, now.
pub fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Relaxed);
    format!("test-{what}-{}-{n}", std::process::id())
}

/// All that comes out of a pipe.
pub fn drain(pipe: &mut Option<impl std::io::Read>) -> String {
    let mut text = String::new();
    let mut pipe = pipe.take().expect("it was asked for");
    pipe.read_to_string(&mut text).unwrap();
    text
}

/// Waits until `found` gives something; panics with `what` if it never does.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(began.elapsed() < HANG, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal to one process.
pub fn signal(pid: u32, signal: Signal) {
    assert_ne!(pid, 0, "that is the test's own process group");
    kill(Pid::from_raw(pid as i32), signal).unwrap_or_else(|e| panic!("{signal} to {pid}: {e}"));
}

/// Whether a process is there and no zombie.
pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").starts_with(" Z"))
}

/// The names in /dev/shm that belong to an instance.
pub fn left_in_shm(name: &str) -> Vec<String> {
    let prefix = format!("seqcast.{name}.");
    std::fs::read_dir("/dev/shm")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|file| file.starts_with(&prefix))
        .collect()
}

/// A child that does not outlive its guard.
pub struct Guard(pub Child);

impl Guard {
    pub fn spawn(command: &mut Command) -> Guard {
        Guard(
            command
                .spawn()
                .unwrap_or_else(|e| panic!("{command:?}: {e}")),
        )
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Waits for its end by itself.
    pub fn wait(&mut self, what: &str) -> ExitStatus {
        wait_for(what, || self.0.try_wait().unwrap())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running `seqcast serve` on a port of its own.
pub struct Instance {
    pub name: String,
    pub guard: Guard,
    /// Where its output goes; removed with the instance.
    pub dir: tempfile::TempDir,
    http: String,
}

impl Instance {
    /// Starts `seqcast --http 127.0.0.1:0 --name UNIQUE ARGS`, or with another `--http` of ARGS, and
    /// waits until it answers.
    pub fn start(args: &[&str]) -> Instance {
        Self::start_with(args, Stdio::null())
    }

    /// The same, with something on standard input.
    pub fn start_with(args: &[&str], stdin: Stdio) -> Instance {
        Self::start_named(&unique("seqcast"), args, stdin)
    }

    /// The same, under a given name.
    pub fn start_named(name: &str, args: &[&str], stdin: Stdio) -> Instance {
        let dir = tempfile::tempdir().unwrap();
        let http: &[&str] = match args.contains(&"--http") {
            true => &[],
            false => &["--http", "127.0.0.1:0"],
        };
        // A subcommand comes before its options.
        let named = args.first().is_some_and(|first| *first == "replay");
        let (subcommand, args) = args.split_at(usize::from(named));
        let mut instance = Instance {
            name: name.into(),
            guard: Guard::spawn(
                Command::new(SEQCAST)
                    .args(subcommand)
                    .args(http)
                    .args(["--name", name])
                    .args(args)
                    .stdin(stdin)
                    .stdout(File::create(dir.path().join("out")).unwrap())
                    .stderr(File::create(dir.path().join("err")).unwrap()),
            ),
            dir,
            http: String::new(),
        };
        instance.http = wait_for("the address", || {
            let out = instance.output();
            let ended = instance.guard.0.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {out}{}", instance.log());
            let at = out.split_once("page      http://")?.1;
            Some(at.split_once('/')?.0.to_owned())
        });
        instance
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.http
    }

    /// The URL of `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// Standard output so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("out")).unwrap()
    }

    /// Log lines so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("err")).unwrap()
    }

    /// `seqcast status --json`.
    pub fn status(&self) -> Value {
        status(&self.name).0
    }

    /// Waits until the status is as `wanted` says.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || Some(self.status()).filter(&wanted))
    }

    /// Waits for the first frame.
    pub fn wait_live(&self) -> Value {
        self.wait_until("a live picture", |s| s["source"]["state"] == "live")
    }

    /// The capture process's pid, once there is one.
    pub fn capture(&self) -> u32 {
        wait_for("a capture process", || {
            let status = self.status();
            let workers = status["workers"].as_array()?;
            let capture = workers.iter().find(|w| w["role"] == "capture")?;
            capture["pid"].as_u64().map(|pid| pid as u32)
        })
    }

    /// The pids of senders with a viewer.
    pub fn serving(&self) -> Vec<u32> {
        self.status()["workers"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|w| w["role"] == "sender" && !w["viewer"].is_null())
            .map(|w| w["pid"].as_u64().unwrap() as u32)
            .collect()
    }

    /// The sender whose viewer asked for `/stream?key=KEY`, once it has sent a frame.
    pub fn viewer(&self, key: &str) -> Value {
        wait_for(&format!("frames for {key}"), || {
            let status = self.status();
            let of_key = |w: &&Value| w["key"] == key && w["frames"].as_u64() > Some(0);
            status["workers"].as_array()?.iter().find(of_key).cloned()
        })
    }

    /// Waits until the log says it.
    pub fn wait_log(&self, text: &str) {
        wait_for(&format!("{text:?} in the log"), || {
            self.log().contains(text).then_some(())
        });
    }

    /// Asks it to stop, as Ctrl-C does, and waits for its end.
    pub fn stop(mut self) -> (ExitStatus, String) {
        signal(self.guard.pid(), Signal::SIGINT);
        let status = self.guard.wait("a clean stop");
        (status, self.output())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}", self.name, self.log());
        }
        let _ = self.guard.0.kill();
        let _ = self.guard.0.wait();
        // What a killed supervisor leaves; after a clean stop there is nothing.
        for left in left_in_shm(&self.name) {
            let _ = std::fs::remove_file(Path::new("/dev/shm").join(left));
        }
    }
}

/// `seqcast status --json --name NAME` and its exit code; null where it printed no JSON.
pub fn status(name: &str) -> (Value, i32) {
    let out = Command::new(SEQCAST)
        .args(["status", "--json", "--name", name])
        .output()
        .unwrap();
    let json = serde_json::from_slice(&out.stdout).unwrap_or_else(|_| {
        eprintln!("no status: {}", String::from_utf8_lossy(&out.stderr));
        Value::Null
    });
    (json, out.status.code().unwrap())
}

/// Runs the binary to its end: exit code, standard output, standard error.
pub fn run(args: &[&str]) -> (i32, String, String) {
    let out = Command::new(SEQCAST)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        out.status.code().unwrap_or(-1),
        text(&out.stdout),
        text(&out.stderr),
    )
}

/// A running `seqcast watch --json`.
pub struct Watch(Guard);

impl Watch {
    /// Watches with so many viewers for so many seconds.
    pub fn start(url: &str, viewers: usize, seconds: f64, more: &[&str]) -> Watch {
        Watch(Guard::spawn(
            Command::new(SEQCAST)
                .args(["watch", url, "--json"])
                .args(["--viewers", &viewers.to_string()])
                .args(["--seconds", &seconds.to_string()])
                .args(more)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit()),
        ))
    }

    pub fn is_running(&mut self) -> bool {
        self.0.is_running()
    }

    /// Ends it as Ctrl-C does.
    pub fn interrupt(&self) {
        signal(self.0.pid(), Signal::SIGINT);
    }

    /// Its report and exit code, once it has ended.
    pub fn report(mut self) -> (Value, i32) {
        let mut json = String::new();
        let mut out = self.0.0.stdout.take().unwrap();
        out.read_to_string(&mut json).unwrap();
        let code = self.0.wait("watch to end").code().unwrap();
        let report = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {json}"));
        (report, code)
    }
}

/// The pid that a worker of a status has.
pub fn pid(worker: &Value) -> u32 {
    worker["pid"].as_u64().unwrap() as u32
}

/// Ends a watch; asserts that none of its viewers was cut off, lost a frame or got a bad one.
pub fn assert_clean(watch: Watch) -> Value {
    watch.interrupt();
    let (report, code) = watch.report();
    assert_eq!(code, 0, "{report}");
    for viewer in report["viewers"].as_array().unwrap() {
        assert_eq!(viewer["lost"], 0, "{viewer}");
        assert!(viewer["frames"].as_u64() > Some(0), "{viewer}");
    }
    report
}

/// What every user of the machine can read of a process and its children.
pub fn command_lines(supervisor: u32) -> String {
    let children = format!("/proc/{supervisor}/task/{supervisor}/children");
    let children = std::fs::read_to_string(children).unwrap();
    let pids = children.split_whitespace().map(str::to_owned);
    pids.chain([supervisor.to_string()])
        .filter_map(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .collect()
}

/// The path of a program that a test needs. Tests that need any are `#[ignore]`d with that
/// reason, and `tests/run`, which installs them, runs them all.
pub fn tool(name: &str) -> PathBuf {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed; tests/run installs it"))
}

/// The first python3 of the PATH that has a module: another before it need not.
pub fn python_with(module: &str) -> PathBuf {
    let has_it = |python: &PathBuf| {
        let mut import = Command::new(python);
        let import = import.args(["-c", &format!("import {module}")]);
        let status = import.stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|dir| dir.join("python3"))
        .find(has_it)
        .unwrap_or_else(|| panic!("no python3 has {module}; tests/run makes one that has"))
}

//! One case as it is kept: what was run and what was seen, a JSON file each.
//!
//! Runner, charts and report know each other only through this. Not here: how anything is measured, and what follows
//! from it.

use serde::{Deserialize, Serialize};

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Design {
    /// seqcast, a process for each viewer.
    Process,
    /// seqcast, five viewers to a process.
    ProcessOf5,
    /// seqcast, a thread for each viewer.
    Thread,
    /// seqcast, one loop for all viewers.
    Multiplex,
    /// Reference (a): one epoll process that only writes.
    Epoll,
    /// Reference (b): a forked process per socket that only writes.
    Forked,
    /// The original of 2017.
    Threads2017,
    /// The original of 2019, the broker included.
    Rabbitmq2019,
    /// `multipartmux ! tcpserversink`
    Gstreamer,
    /// `mjpg_streamer`, `input_uvc` and `output_http`
    MjpgStreamer,
    /// `ustreamer`
    Ustreamer,
    /// `ffmpeg`
    Ffmpeg,
}

/// What is sent, 30 times a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frames {
    /// 160x120 BGR, 57,600 B, in the protocol of 2017.
    Raw160,
    /// 640x480 BGR, 921,600 B, in the protocol of 2017.
    Raw640,
    /// 1280x720 JPEG of about 100 KB, multipart over HTTP.
    Jpeg720,
}

/// What happens meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Nothing.
    Steady,
    /// Viewer 0 does not read for 10 s.
    Stall,
    /// The process that serves viewer 0 gets SIGKILL.
    Kill,
}

/// What is measured; names the file: `raw160-process-20-steady-1.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Case {
    pub frames: Frames,
    pub design: Design,
    pub clients: u16,
    pub scenario: Scenario,
    /// Counted from 1.
    pub run: u16,
}

/// A case that is done with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub case: Case,
    /// Unix seconds.
    pub began: u64,
    /// As a shell takes them, one for each process that the bench started, viewers last.
    pub commands: Vec<String>,
    /// Load average of the last minute as the case began.
    pub load_before: f64,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Measured(Box<Measured>),
    /// Not tried, and why: no such program here, or more than the machine carries.
    Skipped(String),
    /// Tried, and why there are no figures.
    Failed(String),
}

/// What was seen. CPU and switches: within the window, in which all viewers stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Length of the window, s.
    pub seconds: f64,
    /// CPU of all processes of the server per delivered frame, µs; /proc/PID/task/*/schedstat.
    pub cpu_us: f64,
    /// The same per second, in CPUs (1.0: one core busy).
    pub cpu_cores: f64,
    /// Of the machine: not idle in the window, its viewers included; 0 to 1.
    pub machine_busy: f64,
    /// PSS of all processes of the server, median of the samples in the window, KiB.
    pub pss_kib: f64,
    /// Processes and threads of the server at the window's end.
    pub processes: usize,
    pub threads: usize,
    /// Context switches of the server per delivered frame, /proc/PID/task/*/status.
    pub voluntary_switches: f64,
    pub involuntary_switches: f64,
    /// Frames a second of each viewer, over its whole stream.
    pub fps: Vec<f64>,
    /// Of all viewers: missed ids, and whole frames that were no new ones.
    pub lost: u64,
    pub repeated: u64,
    /// Capture to viewer, ms: of the median viewer, of the worst viewer.
    pub latency_p50_ms: Option<f64>,
    pub latency_p99_ms: Option<f64>,
    /// Between the first and the last viewer to have a frame, ms; none of one viewer.
    pub skew_p50_ms: Option<f64>,
    pub skew_p99_ms: Option<f64>,
    /// About once a second from the server's start to its end.
    pub samples: Vec<Sample>,
    /// A tick a second for each viewer, only of [`Scenario::Stall`] and [`Scenario::Kill`].
    pub timelines: Vec<Vec<Tick>>,
    /// Only of [`Scenario::Stall`].
    pub stalled: Option<Stalled>,
    /// Only of [`Scenario::Kill`].
    pub killed: Option<Killed>,
}

/// A look at everybody.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Since the server was started, s.
    pub at_s: f64,
    /// CPU of the server's processes since the sample before, %; the true curve.
    pub server_cpu: f64,
    pub server_pss_kib: u64,
    /// The same of the viewers' processes.
    pub viewers_cpu: f64,
    pub viewers_pss_kib: u64,
    /// Sum over server, viewers and broker of `ps -o pcpu=`, as ps prints it today, and as procps-ng 3 did, %.
    pub ps_cpu: f64,
    pub ps_cpu_old: f64,
    /// Sum over the same of `ps -o pmem=`, %.
    pub ps_mem: f64,
}

/// What a viewer got within one second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// Its begin since the viewers were started, s.
    pub at_s: f64,
    pub frames: u32,
    pub lost: u32,
    /// Oldest frame, ms from capture to viewer.
    pub latency_max_ms: Option<f64>,
}

/// What a stall did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stalled {
    /// When it stopped reading, since the viewers were started, and for how long, s.
    pub from_s: f64,
    pub for_s: f64,
    /// Frames it got afterwards that were captured more than 200 ms before the stall's end.
    pub stale: u64,
    pub others_lost: u64,
    /// Of the slowest other viewer.
    pub others_fps_min: f64,
}

/// What a SIGKILL did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Killed {
    /// What it hit: "sender", "the only process", "broker".
    pub what: String,
    /// When, since the viewers were started, s.
    pub at_s: f64,
    /// Viewers whose stream ended, or got nothing more.
    pub cut: usize,
    /// Ids that the viewers that went on missed.
    pub others_lost: u64,
    /// From the kill until a new connection got a frame, ms; none: not within 10 s.
    pub back_ms: Option<f64>,
}

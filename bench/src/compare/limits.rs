//! What the machine carries: what is not even tried, and why.
//!
//! Three things decide. Each process that holds all connections needs a descriptor for each. What a case is estimated to
//! need of memory must be available now. And where a design did not hold half the rate at fewer clients, it is not
//! tried with more.
//!
//! Pure, but for [`Machine::this`]. Not here: which programs there are (`launch`).

use anyhow::Result;
use bench::FPS;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::case::bytes;
use crate::ps::meminfo_kib;
use crate::record::{Case, Design, Outcome, Record, Scenario};

/// Descriptors beside the connections.
const OTHER_FILES: u64 = 64;
/// Of the memory, that RabbitMQ may fill before it stops its publishers (`vm_memory_high_watermark`, 0.4).
const BROKER_SHARE: f64 = 0.4;
/// KiB of a consumer in Python.
const CONSUMER: u64 = 24 << 10;
/// KiB of any server, with its viewers' process.
const SERVER: u64 = 64 << 10;
/// KiB of a connection, beside the frames in its buffers.
const CONNECTION: u64 = 512;
/// Frames that wait in the buffers of a connection.
const WAITING: u64 = 8;

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Descriptors that a process may open.
    pub files: u64,
    /// Memory in all, and available, KiB.
    pub memory_kib: u64,
    pub available_kib: u64,
}

impl Machine {
    /// This one, now. Raises the limit of descriptors as far as it goes, also for what is started later.
    ///
    /// # Errors
    /// Where the kernel does not say.
    pub fn this() -> Result<Machine> {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(Machine {
            files: hard,
            memory_kib: meminfo_kib("MemTotal")?,
            available_kib: meminfo_kib("MemAvailable")?,
        })
    }
}

/// Why a case is not to be tried; none where nothing speaks against it. `records` are those so far.
pub fn too_much(case: &Case, machine: &Machine, records: &[Record]) -> Option<String> {
    if case.design == Design::Ffmpeg && case.clients > 1 {
        return Some("it serves one client alone (tcp, listen=1)".to_owned());
    }
    let files = u64::from(case.clients) + OTHER_FILES;
    if files > machine.files {
        let limit = machine.files;
        return Some(format!(
            "a process would need {files} descriptors, and may have {limit} (ulimit -n)"
        ));
    }
    let needed = memory_kib(case, machine);
    if needed > machine.available_kib {
        let [needed, available] = [needed, machine.available_kib].map(|kib| kib >> 10);
        return Some(format!(
            "it is estimated to need {needed} MiB, and {available} MiB are available"
        ));
    }
    let gave_way = records.iter().find(|record| {
        let alike = record.case.design == case.design
            && record.case.frames == case.frames
            && record.case.scenario == Scenario::Steady
            && record.case.clients < case.clients;
        alike && mean_fps(record).is_some_and(|fps| fps < f64::from(FPS) / 2.0)
    })?;
    Some(format!(
        "it held {:.1} of {FPS} fps at {} clients",
        mean_fps(gave_way).unwrap_or_default(),
        gave_way.case.clients
    ))
}

fn mean_fps(record: &Record) -> Option<f64> {
    match &record.outcome {
        Outcome::Measured(measured) if !measured.fps.is_empty() => {
            Some(measured.fps.iter().sum::<f64>() / measured.fps.len() as f64)
        }
        _ => None,
    }
}

fn memory_kib(case: &Case, machine: &Machine) -> u64 {
    let clients = u64::from(case.clients);
    let connections = clients * (CONNECTION + WAITING * bytes(case.frames) / 1024);
    let programs = match case.design {
        Design::Rabbitmq2019 => {
            clients * CONSUMER + (machine.memory_kib as f64 * BROKER_SHARE) as u64
        }
        _ => 0,
    };
    SERVER + connections + programs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Frames, Measured};

    const MACHINE: Machine = Machine {
        files: 1024,
        memory_kib: 8 << 20,
        available_kib: 6 << 20,
    };

    fn case(design: Design, clients: u16) -> Case {
        Case {
            frames: Frames::Raw160,
            design,
            clients,
            scenario: Scenario::Steady,
            run: 1,
        }
    }

    fn record(case: Case, fps: f64) -> Record {
        let measured = Measured {
            seconds: 1.0,
            cpu_us: 1.0,
            cpu_cores: 1.0,
            machine_busy: 1.0,
            pss_kib: 1.0,
            processes: 1,
            threads: 1,
            voluntary_switches: 0.0,
            involuntary_switches: 0.0,
            fps: vec![fps; case.clients.into()],
            lost: 0,
            repeated: 0,
            latency_p50_ms: None,
            latency_p99_ms: None,
            skew_p50_ms: None,
            skew_p99_ms: None,
            samples: Vec::new(),
            timelines: Vec::new(),
            stalled: None,
            killed: None,
        };
        Record {
            case,
            began: 0,
            commands: Vec::new(),
            load_before: 0.0,
            outcome: Outcome::Measured(Box::new(measured)),
        }
    }

    #[test]
    fn what_fits_is_tried() {
        for design in [Design::Process, Design::Rabbitmq2019] {
            assert_eq!(too_much(&case(design, 100), &MACHINE, &[]), None);
        }
        assert_eq!(too_much(&case(Design::Ffmpeg, 1), &MACHINE, &[]), None);
        let why = too_much(&case(Design::Ffmpeg, 5), &MACHINE, &[]).unwrap();
        assert!(why.contains("one client"));
    }

    #[test]
    fn descriptors_and_memory_are_finite() {
        let why = too_much(&case(Design::Epoll, 1000), &MACHINE, &[]).unwrap();
        assert!(why.starts_with("a process would need 1064 descriptors, and may have 1024"));
        let why = too_much(&case(Design::Rabbitmq2019, 200), &MACHINE, &[]).unwrap();
        assert!(why.contains("MiB are available"), "{why}");
    }

    #[test]
    fn who_gave_way_is_not_tried_with_more() {
        let records = [
            record(case(Design::Thread, 20), 29.0),
            record(case(Design::Process, 20), 14.0),
        ];
        let too_much = |design, clients| too_much(&case(design, clients), &MACHINE, &records);
        assert_eq!(too_much(Design::Thread, 50), None);
        assert_eq!(too_much(Design::Process, 20), None);
        let why = too_much(Design::Process, 50).unwrap();
        assert_eq!(why, "it held 14.0 of 30 fps at 20 clients");
    }
}

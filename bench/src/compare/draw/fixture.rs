//! Made-up records for tests.

use super::summary::Named;
use crate::record::*;

fn named(case: Case, outcome: Outcome) -> Named {
    let record = Record {
        case,
        began: 1_795_363_200,
        commands: vec!["seqcast serve --model <x>".to_owned(); 3],
        load_before: 0.4,
        outcome,
    };
    Named {
        name: format!(
            "{:?}-{:?}-{}-{:?}-{}",
            case.frames, case.design, case.clients, case.scenario, case.run
        ),
        record,
    }
}

fn case(design: Design, clients: u16, run: u16) -> Case {
    Case {
        frames: Frames::Jpeg720,
        design,
        clients,
        scenario: Scenario::Steady,
        run,
    }
}

/// 720p, in which nothing happens.
pub fn steady(design: Design, clients: u16, run: u16, cpu_us: f64) -> Named {
    let mut seen = measured(clients);
    seen.cpu_us = cpu_us;
    named(
        case(design, clients, run),
        Outcome::Measured(Box::new(seen)),
    )
}

pub fn skipped(design: Design, clients: u16, reason: &str) -> Named {
    named(
        case(design, clients, 1),
        Outcome::Skipped(reason.to_owned()),
    )
}

pub fn failed(design: Design, clients: u16, reason: &str) -> Named {
    named(case(design, clients, 1), Outcome::Failed(reason.to_owned()))
}

/// Ten viewers, the first of which stalls.
pub fn stall(design: Design, latency: Option<f64>) -> Named {
    let mut seen = measured(10);
    seen.stalled = Some(Stalled {
        from_s: 3.0,
        for_s: 10.0,
        stale: 44,
        others_lost: 0,
        others_fps_min: 29.9,
    });
    let tick = |second: u32, stalls: bool| {
        let silent = stalls && (3..13).contains(&second);
        Tick {
            at_s: f64::from(second),
            frames: if silent { 0 } else { 30 },
            lost: 0,
            latency_max_ms: latency.filter(|_| !silent),
        }
    };
    seen.timelines = (0..10)
        .map(|viewer| (0..20 + viewer % 2).map(|s| tick(s, viewer == 0)).collect())
        .collect();
    let case = Case {
        scenario: Scenario::Stall,
        ..case(design, 10, 1)
    };
    named(case, Outcome::Measured(Box::new(seen)))
}

/// Ten viewers, whose server is hit.
pub fn kill(design: Design, run: u16, back_ms: Option<f64>) -> Named {
    let mut seen = measured(10);
    seen.killed = Some(Killed {
        what: "the <only> process".to_owned(),
        at_s: 5.0,
        cut: 10,
        others_lost: 0,
        back_ms,
    });
    let case = Case {
        scenario: Scenario::Kill,
        ..case(design, 10, run)
    };
    named(case, Outcome::Measured(Box::new(seen)))
}

fn measured(clients: u16) -> Measured {
    let several = |ms| (clients > 1).then_some(ms);
    Measured {
        seconds: 20.0,
        cpu_us: 50.0,
        cpu_cores: 0.03,
        machine_busy: 0.4,
        pss_kib: 7_200.0,
        processes: 22,
        threads: 24,
        voluntary_switches: 1.2,
        involuntary_switches: 0.1,
        fps: vec![30.0; usize::from(clients)],
        lost: 0,
        repeated: 0,
        latency_p50_ms: Some(1.2),
        latency_p99_ms: None,
        skew_p50_ms: several(0.9),
        skew_p99_ms: several(5.4),
        samples: (0..22).map(sample).collect(),
        timelines: Vec::new(),
        stalled: None,
        killed: None,
    }
}

fn sample(second: u32) -> Sample {
    Sample {
        at_s: f64::from(second),
        server_cpu: 12.0,
        server_pss_kib: 7_200,
        viewers_cpu: 20.0,
        viewers_pss_kib: 30_000,
        ps_cpu: 31.0,
        ps_cpu_old: 38.0,
        ps_mem: 2.1,
    }
}

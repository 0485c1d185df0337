//! A status for the tests of those who show it.

use std::collections::BTreeMap;

use worker::status::{Ever, OfRole, Ring, Source, Status, Supervisor, Totals, Worker};
use worker::{Role, State, Wants};

/// A capture process, two viewers, an idle sender.
pub fn status() -> Status {
    let wants = Wants {
        extra_headers: true,
        ..Wants::default()
    };
    Status {
        name: "cam0".into(),
        source: Source {
            kind: "camera".into(),
            detail: "A \"Cam\" \\ 1\n2".into(),
            width: 640,
            height: 480,
            format: "MJPG".into(),
            fps_set: 30.0,
            fps_measured: 29.97,
            state: "live",
            fault: None,
            reason: String::new(),
            since_s: 9.0,
            controls_refused: None,
            dropped: BTreeMap::from([("corrupt", 3)]),
        },
        ring: Ring {
            bytes: 16 << 20,
            oldest: 11,
            head: 310,
            epoch: 1,
            seconds_held: 10.0,
            newest_age_s: Some(0.02),
            format: Some("MJPG".into()),
        },
        http: "127.0.0.1:8080".into(),
        raw: None,
        model: "process".into(),
        viewers_per_sender: 1,
        seats: 10,
        supervisor: Supervisor {
            pid: 1,
            uptime_s: 100.0,
            started: 1_000_000,
            alive: true,
            silent_s: 0.1,
            cpu_s: 0.25,
        },
        workers: vec![
            worker(Role::Capture, 2),
            Worker {
                viewer: Some("192.0.2.1:5512".into()),
                user: Some("anna".into()),
                key: Some("a\"b".into()),
                id: Some("00000000000000ff".into()),
                place: Some(0),
                wants: Some(wants),
                fps: 29.7,
                ..worker(Role::Sender, 3)
            },
            Worker {
                viewer: Some("[2001:db8::1]:6".into()),
                id: Some("0123456789abcdef".into()),
                place: Some(2),
                wants: Some(Wants::default()),
                fps: 5.0,
                latency_ms: None,
                ..worker(Role::Sender, 4)
            },
            worker(Role::Sender, 5),
        ],
        totals: Totals {
            viewers: 2,
            frames_captured: 310,
            bytes_captured: 310_000,
            frames_sent: 400,
            bytes_sent: 400_000,
            frames_skipped: 7,
            skip_causes: BTreeMap::from([("slow", 7)]),
            torn: 0,
            restarts: 1,
            refused: 2,
            roles: vec![of_role(Role::Capture, 1, 1), of_role(Role::Sender, 3, 0)],
        },
    }
}

fn of_role(role: Role, processes: u64, restarts: u64) -> OfRole {
    OfRole {
        role,
        processes,
        restarts,
        cpu_s: 1.5,
    }
}

fn worker(role: Role, pid: u32) -> Worker {
    Worker {
        role,
        pid,
        state: State::Serving,
        restarts: 0,
        uptime_s: 10.0,
        viewer: None,
        via: None,
        user: None,
        key: None,
        target: None,
        condition: None,
        protocol: Some("http-stream".into()),
        id: None,
        place: None,
        wants: None,
        fps: 0.0,
        frames: 200,
        bytes: 200_000,
        skipped: 0,
        skip_causes: BTreeMap::new(),
        lag: 1,
        shift_s: 0.0,
        latency_ms: Some(1.5),
        stalled_s: 0.0,
        torn: 0,
        cpu_s: 0.5,
        pss_bytes: None,
        ever: Ever {
            frames: 250,
            bytes: 250_000,
            stalled_s: 0.5,
            skip_causes: BTreeMap::from([("slow", 7), ("behind", 0)]),
        },
    }
}

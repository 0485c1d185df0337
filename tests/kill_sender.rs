//! Senders killed: each takes its own viewers with it, and nobody else.
//!
//! Not here: stopped senders and slow viewers (`stall`).

mod common;
mod exact;

use common::{MODELS, Watch, assert_clean, pid, signal, wait_for};
use exact::{Exact, SMALL, start};
use nix::sys::signal::Signal::SIGKILL;

const LONG: f64 = 600.0;

#[test]
fn a_killed_sender_takes_only_its_own_viewer() {
    let instance = start(SMALL, &["--clients", "5", "--lag", "100"]);
    let view = |n: usize| {
        let url = instance.url(&format!("/stream?key=viewer-{n}"));
        Watch::start(&url, 1, LONG, &[])
    };
    let sent = || instance.status()["totals"]["frames_sent"].as_u64().unwrap();
    let mut watches: Vec<_> = (0..5).map(view).collect();
    for n in 0..5 {
        instance.viewer(&format!("viewer-{n}"));
    }
    for n in 0..5 {
        let before = sent();
        let victim = instance.viewer(&format!("viewer-{n}"));
        // What `pkill -9 -f 'seqcast: sender'` aims at.
        let title = std::fs::read(format!("/proc/{}/cmdline", pid(&victim))).unwrap();
        let peer = victim["viewer"].as_str().unwrap();
        assert!(title.starts_with(format!("seqcast: sender {peer}").as_bytes()));
        signal(pid(&victim), SIGKILL);
        // Its viewer had lived through all the kills before its own.
        let (report, code) = watches.remove(0).report();
        assert_eq!(code, 4, "cut off: {report}");
        assert_eq!(report["viewers"][0]["lost"], 0, "{report}");
        assert!(sent() >= before, "totals never fall");
        // There are five places: the dead one's is free again.
        wait_for("its place", || {
            (instance.status()["totals"]["viewers"] == 4).then_some(())
        });
        watches.push(view(n + 5));
        let next = instance.viewer(&format!("viewer-{}", n + 5));
        assert_ne!(next["pid"], victim["pid"]);
    }
    let status = instance.status();
    assert_eq!(status["totals"]["restarts"], 5, "{status}");
    assert_eq!(status["totals"]["viewers"], 5, "{status}");
    assert_eq!(status["totals"]["torn"], 0, "{status}");
    watches.into_iter().for_each(|watch| {
        assert_clean(watch);
    });
}

#[test]
fn a_killed_sender_of_several_takes_them_alone_and_is_succeeded() {
    for model in &MODELS[1..] {
        let args = [&["--clients", "5", "--lag", "100"], *model].concat();
        let instance = start(SMALL, &args);
        let capture = instance.capture();
        let view = |n: usize| {
            let url = instance.url(&format!("/stream?key=viewer-{n}"));
            Watch::start(&url, 1, LONG, &[])
        };
        let sent = || instance.status()["totals"]["frames_sent"].as_u64().unwrap();
        let watches: Vec<_> = (0..5).map(view).collect();
        let senders = [0, 1, 2, 3, 4].map(|n| pid(&instance.viewer(&format!("viewer-{n}"))));
        let victim = senders[0];
        let before = sent();
        signal(victim, SIGKILL);
        let dead = senders.iter().filter(|&&sender| sender == victim).count();
        let mut survivors = Vec::new();
        for (watch, sender) in watches.into_iter().zip(senders) {
            if sender != victim {
                survivors.push(watch);
                continue;
            }
            let (report, code) = watch.report();
            assert_eq!(code, 4, "cut off: {report}");
            assert_eq!(report["viewers"][0]["lost"], 0, "{report}");
        }
        assert_eq!(dead == 5, model[0] == "--model", "{senders:?}");
        instance.wait_until("the places of the dead", |s| {
            s["totals"]["viewers"] == survivors.len()
        });
        assert!(sent() >= before, "totals never fall");
        survivors.extend((5..5 + dead).map(view));
        for n in 5..5 + dead {
            let next = instance.viewer(&format!("viewer-{n}"));
            assert_ne!(pid(&next), victim);
        }
        let status = instance.status();
        assert_eq!(status["totals"]["restarts"], 1, "{model:?}: {status}");
        assert_eq!(status["totals"]["viewers"], 5, "{model:?}: {status}");
        assert_eq!(instance.capture(), capture, "capture went on");
        survivors.into_iter().for_each(|watch| {
            assert_clean(watch);
        });
    }
}

#[test]
fn idle_senders_may_die_by_the_dozen_while_capture_dies_too() {
    let instance = start(SMALL, &["--clients", "3", "--lag", "100"]);
    let exact = Exact::start(instance.address(), "survivor", SMALL);
    let survivor = instance.viewer("survivor");
    let mut killed = 0;
    while killed < 60 {
        for worker in instance.status()["workers"].as_array().unwrap() {
            if worker["pid"] != survivor["pid"] {
                // It may have died of the round before, unseen by the supervisor yet.
                assert_ne!(pid(worker), 0, "the test's own process group: {worker}");
                let dead = nix::unistd::Pid::from_raw(pid(worker) as i32);
                killed += u64::from(nix::sys::signal::kill(dead, SIGKILL).is_ok());
            }
        }
    }
    let head = instance.status()["ring"]["head"].as_u64().unwrap();
    wait_for("frames after the kills", || {
        (exact.account().last > head).then_some(())
    });
    let status = instance.wait_until("a full house of workers", |s| {
        s["workers"].as_array().unwrap().len() == 1 + 3 + 4
    });
    let restarts = status["totals"]["restarts"].as_u64().unwrap();
    assert!(restarts <= killed && restarts > 8, "{restarts} of {killed}");
    assert_eq!(instance.viewer("survivor")["pid"], survivor["pid"]);
    let next = Watch::start(&instance.url("/stream?key=next"), 1, LONG, &[]);
    instance.viewer("next");
    assert_clean(next);
    let account = exact.leave();
    assert_eq!(account.faults, [""; 0]);
    assert_eq!((account.lost, &account.ended), (0, &None), "{account:?}");
}

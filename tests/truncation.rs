//! An instance whose shared memory is cut short: nobody dies of it, all stop, and one line says
//! why.

mod common;
mod exact;

use common::left_in_shm;
use exact::{Exact, SMALL, start};

#[test]
fn an_instance_whose_memory_is_cut_short_stops_and_says_why() {
    // The board's first page, and the ring's header with its descriptors, are left once.
    for (kind, len) in [("ring", 0), ("ring", 40_000), ("board", 0), ("board", 4096)] {
        let mut instance = start(SMALL, &["--clients", "3", "--ring", "1M"]);
        let viewers = ["a", "b"].map(|key| {
            let viewer = Exact::start(instance.address(), key, SMALL);
            instance.viewer(key);
            viewer
        });
        let path = format!("/dev/shm/seqcast.{}.{kind}", instance.name);
        let file = std::fs::OpenOptions::new().write(true).open(&path);
        file.unwrap().set_len(len).unwrap();
        let end = instance.guard.wait("its end");
        let log = instance.log();
        assert_eq!(end.code(), Some(1), "{kind} {len}: {log}");
        let told: Vec<_> = log
            .lines()
            .filter(|line| line.contains("ERROR") || line.contains("WARN"))
            // On a busy machine.
            .filter(|line| !line.contains("frame dropped (late)"))
            .collect();
        assert!(
            matches!(told[..], [line] if line.contains(&path) && line.contains("start seqcast anew")),
            "{kind} {len}: {log}"
        );
        assert!(
            !log.contains("SIGBUS") && !log.contains("panicked"),
            "{log}"
        );
        assert_eq!(left_in_shm(&instance.name), [""; 0]);
        for viewer in viewers {
            let account = viewer.leave();
            assert_eq!(account.faults, [""; 0], "{kind} {len}");
            assert!(account.ended.is_some(), "{account:?}");
        }
    }
}

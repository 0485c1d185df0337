//! The stress program itself, briefly: no torn frame, ids that rise, and kills that hit.

use std::process::Command;

use serde_json::Value;

/// What the program printed, having ended well.
fn stress(args: &[&str]) -> Value {
    let program = env!("CARGO_BIN_EXE_stress");
    let output = Command::new(program).args(args).arg("--json").output();
    let output = output.expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn count(report: &Value, pointer: &str) -> u64 {
    let value = report.pointer(pointer).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("no {pointer} in {report}"))
}

#[test]
fn nothing_torn_is_accepted_while_all_are_killed_and_stopped() {
    // A small ring, so that many frames are overwritten while they are read.
    let report = stress(&["--seconds", "4", "--arena", "256"]);
    assert_eq!(count(&report, "/reads/torn"), 0);
    assert_eq!(count(&report, "/id_violations"), 0);
    assert!(count(&report, "/reads/accepted") > 1000, "{report}");
    assert!(count(&report, "/reads/overtaken") > 0, "{report}");
    assert!(count(&report, "/blows/reader_kills") > 0, "{report}");
    assert!(count(&report, "/blows/reader_stops") > 0, "{report}");
    assert!(count(&report, "/blows/writer_kills") > 0, "{report}");
}

#[test]
fn readers_killed_as_fast_as_they_come_back_hurt_nobody() {
    let report = stress(&["--kills", "200"]);
    assert_eq!(count(&report, "/reads/torn"), 0);
    assert_eq!(count(&report, "/id_violations"), 0);
    assert_eq!(count(&report, "/blows/writer_kills"), 0);
    assert!(count(&report, "/publishes") > 0, "{report}");
}

#[test]
fn a_killed_waiter_never_hangs_the_ring() {
    let trials = stress(&["event", "--trials", "1"]);
    assert_eq!(trials[0]["futex"]["hung"], false, "{trials}");
    assert!(count(&trials, "/0/futex/kills") > 0, "{trials}");
    assert!(count(&trials, "/0/futex/wakes") > 0, "{trials}");
}

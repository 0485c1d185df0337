//! The comparison itself, as small as it gets: one client, one second, two designs that are always there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The binary that is measured: cargo builds it for its own package's tests only. Of the whole
/// workspace, so that most of it is built already.
fn seqcast() -> PathBuf {
    let compare = Path::new(env!("CARGO_BIN_EXE_compare"));
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--workspace", "--bin", "seqcast"]);
    if compare.parent().is_some_and(|dir| dir.ends_with("release")) {
        build.arg("--release");
    }
    // Set for this test, and asked for by ring's build script: it would be built anew, and all that uses it.
    for (name, _) in std::env::vars() {
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build.env_remove(name);
        }
    }
    let status = build.status().expect("cargo runs");
    assert!(status.success());
    compare.with_file_name("seqcast")
}

fn compare(out: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
    command
        .arg("--seqcast")
        .arg(seqcast())
        .arg("--out")
        .arg(out);
    command.args([
        "--clients",
        "1",
        "--scenarios",
        "steady",
        "--frames",
        "jpeg720",
    ]);
    let output = command.args(args).output();
    output.expect("the program starts")
}

fn json(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn two_designs_are_measured_once() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--designs", "epoll,process", "--seconds", "1"];
    let first = compare(dir.path(), &args);
    let said = String::from_utf8_lossy(&first.stderr);
    assert!(first.status.success(), "{said}");
    assert!(said.contains("1/2 jpeg720-process-1-steady-1: "), "{said}");

    for design in ["epoll", "process"] {
        let name = format!("cases/jpeg720-{design}-1-steady-1.json");
        let record = json(&dir.path().join(name));
        let measured = &record["outcome"]["measured"];
        assert!(measured["cpu_us"].as_f64() > Some(0.0), "{record}");
        assert!(measured["pss_kib"].as_f64() > Some(0.0), "{record}");
        let fps = measured["fps"][0].as_f64();
        assert!(fps > Some(10.0), "{record}");
        assert!(
            measured["samples"].as_array().unwrap().len() > 5,
            "{record}"
        );
        assert_eq!(measured["skew_p50_ms"], Value::Null);
        // Server, viewers.
        assert_eq!(record["commands"].as_array().unwrap().len(), 2);
    }
    let plan = json(&dir.path().join("plan.json"));
    assert_eq!(plan["fingerprint"]["seconds"], 1);
    assert!(plan["lines_of_code"].as_array().unwrap().len() > 5);

    let before = json(&dir.path().join("cases/jpeg720-epoll-1-steady-1.json"));
    let again = compare(dir.path(), &args);
    assert!(again.status.success());
    assert_eq!(again.stderr, b"", "nothing was run");
    assert_eq!(
        json(&dir.path().join("cases/jpeg720-epoll-1-steady-1.json")),
        before
    );

    let other = compare(dir.path(), &["--designs", "epoll", "--seconds", "2"]);
    assert_eq!(other.status.code(), Some(3));
    let said = String::from_utf8_lossy(&other.stderr);
    assert!(said.contains("seconds was 1, is 2"), "{said}");
}

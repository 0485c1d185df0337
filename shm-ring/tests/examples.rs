//! The examples in Rust, run as they are: one process publishes, another follows.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// What `cargo test` built beside this test.
fn example(name: &str) -> Command {
    let here = std::env::current_exe().unwrap();
    let path: PathBuf = [here.parent().unwrap().parent().unwrap().as_os_str()]
        .into_iter()
        .chain(["examples", name].map(AsRef::as_ref))
        .collect();
    assert!(path.exists(), "`cargo test` builds {}", path.display());
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_consumer_follows_a_producer_over_its_death() {
    let name = format!("shm-ring-test-{}-examples", std::process::id());
    let start = |frames: &str| {
        let mut child = example("producer").args([&name, frames]).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "published 1");
        (Running(child), lines)
    };
    let first = start("1000000");
    let mut consumer = example("consumer").args([&name, "20"]).spawn().unwrap();
    let mut lines = BufReader::new(consumer.stdout.take().unwrap()).lines();
    let _consumer = Running(consumer);
    let seen = lines.next().unwrap().unwrap();
    assert!(
        seen.starts_with("frame ") && seen.contains("missed 0"),
        "{seen}"
    );
    drop(first); // SIGKILL: its ring stays behind, and the next replaces it

    let (mut second, _published) = start("60");
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let anew = rest.iter().position(|line| line == "Recreated").unwrap();
    assert!(rest[anew + 1].starts_with("frame 1: 7 bytes"), "{rest:?}");
    assert!(second.0.wait().unwrap().success());
    assert!(!PathBuf::from(format!("/dev/shm/{name}")).exists());
}

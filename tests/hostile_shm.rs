//! Shared memory that is not what it should be: `status` and `ring` say so, and never fall over it.
//!
//! Not here: what a sender makes of it (nobody but its own user can write a ring's memory).

mod common;
mod exact;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Guard, Instance, SEQCAST, drain, signal, unique};
use exact::{SMALL, start};
use nix::sys::signal::Signal::SIGKILL;

/// The shared memory of an instance that has run, as bytes, and under a name of its own as often
/// as wanted.
struct Left {
    board: Vec<u8>,
    ring: Vec<u8>,
}

impl Left {
    fn by_an_instance() -> Left {
        let mut instance = start(SMALL, &["--clients", "2", "--ring", "256k"]);
        signal(instance.guard.pid(), SIGKILL);
        instance.guard.wait("its end");
        let read = |kind| std::fs::read(path(&instance.name, kind)).unwrap();
        Left {
            board: read("board"),
            ring: read("ring"),
        }
    }
}

fn path(name: &str, kind: &str) -> PathBuf {
    Path::new("/dev/shm").join(format!("seqcast.{name}.{kind}"))
}

/// Files in /dev/shm that go with it.
struct Planted(String);

impl Planted {
    fn new(board: &[u8], ring: &[u8]) -> Planted {
        let planted = Planted(unique("planted"));
        std::fs::write(path(&planted.0, "board"), board).unwrap();
        std::fs::write(path(&planted.0, "ring"), ring).unwrap();
        planted
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        for kind in ["board", "ring", "lock"] {
            let _ = std::fs::remove_file(path(&self.0, kind));
        }
    }
}

/// The exit code of `seqcast status --name NAME MORE`, and what it said on standard error.
fn status(name: &str, more: &[&str]) -> (i32, String) {
    ask("status", name, more)
}

/// The same of any command. It must end by itself, and by no signal.
fn ask(command: &str, name: &str, more: &[&str]) -> (i32, String) {
    let mut guard = Guard::spawn(
        Command::new(SEQCAST)
            .args([command, "--name", name])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped()),
    );
    let end = guard.wait(command);
    let said = drain(&mut guard.0.stderr);
    (end.code().unwrap_or_else(|| panic!("{end}: {said}")), said)
}

fn assert_unreadable(planted: &Planted) {
    assert_unreadable_by("status", planted);
}

fn assert_unreadable_by(command: &str, planted: &Planted) {
    for more in [&[][..], &["--json"]] {
        let (code, said) = ask(command, &planted.0, more);
        // 7 where it cannot even be opened.
        assert!(matches!(code, 1 | 7), "{code}: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        assert!(
            said.contains(&planted.0) && said.contains("start it anew"),
            "{said}"
        );
    }
}

#[test]
fn what_is_no_board_or_no_ring_is_told_so() {
    let Left { board, ring } = Left::by_an_instance();
    let huge = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + 8].fill(0xff);
        bytes
    };
    for bad in [
        &b""[..],
        b"x",
        &[0; 4096],
        &board[..4096],
        &board[..5000],
        &ring,
    ] {
        assert_unreadable(&Planted::new(bad, &ring));
    }
    for at in [0, 8, 16, 24] {
        assert_unreadable(&Planted::new(&huge(&board, at), &ring));
    }
    for bad in [
        &b""[..],
        b"x",
        &[0; 4096],
        &ring[..64],
        &ring[..8192],
        &board,
    ] {
        let planted = Planted::new(&board, bad);
        assert_unreadable(&planted);
        assert_unreadable_by("ring", &planted);
    }
    for at in [0, 8, 16, 24] {
        let planted = Planted::new(&board, &huge(&ring, at));
        assert_unreadable(&planted);
        assert_unreadable_by("ring", &planted);
    }
    let lonely = Planted::new(&board, &ring);
    std::fs::remove_file(path(&lonely.0, "ring")).unwrap();
    assert_unreadable(&lonely);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let Left { board, ring } = Left::by_an_instance();
    for kind in ["board", "ring", "lock"] {
        let planted = Planted::new(&board, &ring);
        let told = || match kind {
            // Nobody holds it, whatever it is.
            "lock" => assert_eq!(status(&planted.0, &[]).0, 3),
            "ring" => {
                assert_unreadable(&planted);
                assert_unreadable_by("ring", &planted);
            }
            _ => assert_unreadable(&planted),
        };
        let path = path(&planted.0, kind);
        let _ = std::fs::remove_file(&path);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        told();
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        told();
    }
}

#[test]
fn any_bytes_at_all_are_survived() {
    const SEED: u64 = 7;
    println!("seed {SEED}");
    let left = Left::by_an_instance();
    let mut random = SEED;
    let mut next = || {
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for round in 0..150 {
        let (mut board, mut ring) = (left.board.clone(), left.ring.clone());
        for _ in 0..1 + next() % 40 {
            // Mostly where something is: the beginnings of pages.
            let bytes = if next() % 2 == 0 {
                &mut board
            } else {
                &mut ring
            };
            let page = next() as usize % bytes.len().div_ceil(4096).min(8) * 4096;
            let at = (page + next() as usize % 512).min(bytes.len() - 8);
            let value = [0, u64::MAX, u64::MAX / 2 + 1, next(), next() % 256][next() as usize % 5];
            bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        }
        let planted = Planted::new(&board, &ring);
        for more in [&[][..], &["--json"]] {
            let (code, said) = status(&planted.0, more);
            assert!(matches!(code, 1 | 3), "{code}: {said}");
            assert!(said.trim_end().lines().count() == 1, "{said}");
        }
        // Each takes the second that rates are measured for.
        if round % 10 == 0 {
            let (code, said) = ask("ring", &planted.0, &[]);
            assert!(matches!(code, 0 | 1), "{code}: {said}");
            assert_eq!(said.lines().count(), code as usize, "{said}");
        }
        // What is recorded from it may be anything, but it ends, and says what there was.
        if round % 10 == 5 {
            let dump = ["--dump", "/dev/null", "--seconds", "0.3"];
            let (code, said) = ask("ring", &planted.0, &dump);
            assert!(matches!(code, 0..=2), "{code}: {said}");
            assert!(said.lines().count() <= 1, "{said}");
        }
    }
}

#[test]
fn a_new_start_takes_no_notice_of_what_lies_there() {
    let Left { board, ring } = Left::by_an_instance();
    for (board, ring) in [
        (&b"x"[..], &b""[..]),
        (&board, &ring),
        (&[0; 9000], &[255; 9000]),
    ] {
        let planted = Planted::new(board, ring);
        let instance = Instance::start_named(&planted.0, &["--source", "test"], Stdio::null());
        instance.wait_live();
        assert_eq!(instance.stop().0.code(), Some(0));
        assert_eq!(common::left_in_shm(&planted.0), [""; 0]);
    }
}

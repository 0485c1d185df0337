//! examples/reader.c: a C compiler is part of every machine that builds Rust.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use shm_ring::{MIN_ARENA, Ring};

use crate::{
    Foreign, beside, body, each_bad_header, in_crate, len, name, noisy_rings, number, pause,
    publish_next, scribbler, succeed,
};

/// `reader NAME FRAMES`, compiled as its head says, and more strictly.
fn reader(name: &str, frames: u32) -> Foreign {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    let reader = COMPILED.get_or_init(|| {
        let reader = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reader");
        let compiled = Command::new("cc")
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O2"])
            .arg(in_crate("examples/reader.c"))
            .arg("-o")
            .arg(&reader)
            .status();
        assert!(compiled.unwrap().success());
        reader
    });
    Foreign::start(Command::new(reader).args([name, &frames.to_string()]))
}

/// Holds what it printed to what was published. Frames that it missed.
fn check(lines: &[Vec<String>]) -> u64 {
    let (mut last, mut missed) = (0, 0);
    for line in lines {
        let [id, bytes, gap] = [0, 1, 2].map(|at| number(&line[at]));
        let sum = body(id, len(id))
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, &byte| {
                (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            });
        assert_eq!((bytes, &line[3]), (len(id) as u64, &format!("{sum:016x}")));
        assert!(last == 0 || id == last + 1 + gap, "{last} {line:?}");
        (last, missed) = (id, missed + gap);
    }
    missed
}

#[test]
fn gets_every_byte_while_writers_die() {
    let name = name("c");
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut reader = reader(&name, 400);
    while reader.is_running() {
        if publish_next(&mut writer).is_multiple_of(50) {
            writer = succeed(&ring, &name, writer);
        }
        pause();
    }
    let end = reader.end();
    assert_eq!((end.lines.len(), end.code), (400, 0), "{}", end.error);
    check(&end.lines);
}

#[test]
fn takes_no_torn_frame_while_it_is_lapped() {
    let name = name("laps");
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut reader = reader(&name, 20_000);
    while reader.is_running() {
        for _ in 0..100 {
            publish_next(&mut writer);
        }
    }
    let end = reader.end();
    assert_eq!((end.lines.len(), end.code), (20_000, 0), "{}", end.error);
    assert!(check(&end.lines) > 1000, "it was hardly lapped");
}

#[test]
fn survives_hostile_rings_and_says_when_one_is_gone() {
    each_bad_header(|name| {
        let end = reader(name, 1).end();
        assert_eq!(end.code, 2, "{}", end.error);
    });
    let noisy = noisy_rings();
    let mut liars: Vec<_> = noisy.iter().map(|(name, _)| reader(name, 9)).collect();
    let (live, removed) = (name("scribbled"), name("removed"));
    let _scribbled = Ring::create(&live, MIN_ARENA).unwrap();
    let left = beside(scribbler(&live), || {
        liars.push(reader(&live, 1000));
        let ring = Ring::create(&removed, MIN_ARENA).unwrap();
        let mut left = reader(&removed, 9);
        publish_next(&mut ring.writer().unwrap());
        assert_eq!(left.line().unwrap()[0], "1");
        drop(ring);
        left.end()
    });
    assert_eq!((left.code, &left.error[..]), (1, "reader: gone\n"));
    for reader in liars {
        let end = reader.end();
        assert!(end.code < 2, "{}", end.error); // some numbers may have made a frame
    }
}

//! A ring written by anybody: attached or refused, and read without a panic or a read outside.
#![no_main]

use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use shm_ring::{MIN_ARENA, Reader, Ring, Segment};

fuzz_target!(|input: (bool, Vec<u8>)| {
    static NAME: OnceLock<String> = OnceLock::new();
    let name = NAME.get_or_init(|| format!("fuzz-ring-{}", std::process::id()));
    let (from_the_start, bytes) = input;
    let ring = Ring::create(name, MIN_ARENA).expect("a ring in /dev/shm");
    let path = format!("/dev/shm/{name}");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(path)
        .expect("it was just made");
    // Behind the fixed header noise gets further: it is attached, and then read.
    let (at, room) = if from_the_start {
        (0, 16_384)
    } else {
        (64, 16_320)
    };
    let noise = &bytes[..bytes.len().min(room)];
    file.write_all_at(noise, at).expect("within the segment");
    if let Ok(reader) = Reader::attach(name) {
        let bounds = reader.bounds();
        let mut copy = Vec::new();
        for id in [0, 1, 2, bounds.oldest, bounds.head, u64::MAX] {
            if let Ok(frame) = reader.frame(id) {
                copy.clear();
                frame.copy_range(0..frame.info().len, &mut copy);
                let _ = frame.is_intact();
            }
        }
        let _ = reader.signal();
    }
    drop(ring);
    assert!(Segment::open_read_only(name).is_err());
});

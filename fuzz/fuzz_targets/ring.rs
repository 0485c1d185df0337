//! A ring written by anybody: attached or refused, and read without a panic or a read outside.
#![no_main]

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use shm_ring::{Consumer, MIN_ARENA, Offset, Reader, Ring, Segment};

fuzz_target!(|input: (bool, Vec<u8>)| {
    static NAME: OnceLock<String> = OnceLock::new();
    let name = NAME.get_or_init(|| format!("fuzz-ring-{}", std::process::id()));
    let (from_the_start, bytes) = input;
    let ring = Ring::create(name, MIN_ARENA).expect("a ring in /dev/shm");
    let path = format!("/dev/shm/{name}");
    let file = File::options()
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
        let null = File::options()
            .write(true)
            .open("/dev/null")
            .expect("is there");
        let bounds = reader.bounds();
        let mut copy = Vec::new();
        for id in [0, 1, 2, bounds.oldest, bounds.head, u64::MAX] {
            if let Ok(frame) = reader.frame(id) {
                let all = 0..frame.info().len;
                copy.clear();
                frame.copy_range(all.clone(), &mut copy);
                assert_eq!(
                    frame.write_to(null.as_fd(), all.clone()).ok(),
                    Some(all.end)
                );
                let _ = frame.is_intact();
            }
            let _ = reader.read(id, &mut copy);
            reader.locate(Offset::Id(id));
            reader.locate(Offset::Time(id));
        }
        for place in [Offset::First, Offset::Last, Offset::Next, Offset::Time(1)] {
            let mut consumer = Consumer::open(name, place).expect("as before");
            for _ in 0..3 {
                let _ = consumer
                    .next(&mut copy, Duration::ZERO)
                    .expect("it is there");
            }
        }
        reader
            .bell()
            .expect("a ring's file")
            .clear()
            .expect("it can be read");
        reader.wait(reader.ticket(), Duration::ZERO);
        let _ = reader.signal();
    }
    drop(ring);
    assert!(Segment::open_read_only(name).is_err());
});

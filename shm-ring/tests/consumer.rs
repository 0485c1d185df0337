//! A consumer by name: rings that are made anew, writers that are replaced, and rings that lie.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use shm_ring::{
    Consumer, Error, Event, FrameMeta, MIN_ARENA, Offset, Reader, Ring, Segment, Writer,
};

const SOON: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(60);

fn name(test: &str) -> String {
    format!("shm-ring-test-{}-{test}", std::process::id())
}

fn publish(writer: &mut Writer, bytes: &[u8]) -> u64 {
    writer.publish(bytes, &FrameMeta::default()).unwrap()
}

/// The next frame's id and how many were missed; its bytes are in `bytes`.
fn frame(consumer: &mut Consumer, bytes: &mut Vec<u8>, timeout: Duration) -> (u64, u64) {
    match consumer.next(bytes, timeout).unwrap() {
        Event::Frame { info, missed } => (info.id, missed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_ring_made_anew_with_another_size_is_found_and_followed() {
    let name = name("anew");
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut consumer = Consumer::open(&name, Offset::First).unwrap();
    let mut bytes = Vec::new();
    for n in 1..=3 {
        publish(&mut writer, &[n; 100]);
    }
    assert_eq!(frame(&mut consumer, &mut bytes, SOON), (1, 0));

    // What the old ring still has comes first, and nothing while there is no ring.
    drop(writer);
    drop(ring);
    assert_eq!(frame(&mut consumer, &mut bytes, SOON), (2, 0));
    assert_eq!(frame(&mut consumer, &mut bytes, SOON), (3, 0));
    assert_eq!(consumer.next(&mut bytes, SOON).unwrap(), Event::Quiet);
    // One that is not finished is waited for.
    let unfinished = Segment::create(&name, 1 << 20).unwrap();
    assert_eq!(consumer.next(&mut bytes, SOON).unwrap(), Event::Quiet);
    drop(unfinished);

    let ring = Ring::create(&name, 4 * MIN_ARENA).unwrap();
    let mut writer = ring.writer().unwrap();
    let large = vec![7; MIN_ARENA as usize];
    publish(&mut writer, &large);
    publish(&mut writer, b"two");
    let event = consumer.next(&mut bytes, LONG).unwrap();
    assert_eq!(event, Event::Recreated);
    assert_eq!(consumer.reader().arena(), 4 * MIN_ARENA);
    assert_eq!(frame(&mut consumer, &mut bytes, SOON), (1, 0));
    assert_eq!(bytes, large);
    assert_eq!(frame(&mut consumer, &mut bytes, SOON), (2, 0));
    assert_eq!(bytes, b"two");
}

#[test]
fn what_is_no_ring_of_this_version_is_an_error_under_the_name() {
    let name = name("other");
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    let mut consumer = Consumer::open(&name, Offset::First).unwrap();
    drop(ring);
    let _ring = Ring::create(&name, MIN_ARENA).unwrap();
    open(&name).write_all_at(&[99], 8).unwrap();
    let found = consumer.next(&mut Vec::new(), SOON);
    assert!(matches!(found, Err(Error::Version { found: 99, .. })));
}

#[test]
fn a_consumer_goes_on_while_writers_are_replaced() {
    const FRAMES: u64 = 400;
    let name = name("replaced");
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    let mut consumer = Consumer::open(&name, Offset::First).unwrap();
    std::thread::scope(|scope| {
        let following = scope.spawn(|| {
            let (mut bytes, mut next, mut seen, mut lost) = (Vec::new(), 1, 0, 0);
            while next <= FRAMES {
                let (id, missed) = frame(&mut consumer, &mut bytes, LONG);
                assert_eq!(id, next + missed);
                assert_eq!(bytes, vec![id as u8; 1000 + id as usize]);
                (next, seen, lost) = (id + 1, seen + 1, lost + missed);
            }
            assert_eq!(seen + lost, FRAMES);
        });
        for run in 0..FRAMES / 20 {
            let mut writer = ring.writer().unwrap();
            for id in run * 20 + 1..=run * 20 + 20 {
                assert_eq!(
                    publish(&mut writer, &vec![id as u8; 1000 + id as usize]),
                    id
                );
            }
        }
        following.join().unwrap();
    });
}

#[test]
fn who_fell_behind_gets_the_oldest_at_once_and_is_told() {
    let name = name("behind");
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    let mut writer = ring.writer().unwrap();
    let mut consumer = Consumer::open(&name, Offset::First).unwrap();
    for _ in 0..1000 {
        publish(&mut writer, &[1; 5000]);
    }
    let oldest = consumer.reader().bounds().oldest;
    let next = frame(&mut consumer, &mut Vec::new(), Duration::ZERO);
    assert_eq!(next, (oldest, oldest - 1));
}

#[test]
fn a_timeout_may_be_as_long_as_one_likes() {
    let name = name("forever");
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    publish(&mut ring.writer().unwrap(), b"one");
    let mut consumer = Consumer::open(&name, Offset::Last).unwrap();
    assert_eq!(frame(&mut consumer, &mut Vec::new(), Duration::MAX), (1, 0));
}

fn open(name: &str) -> File {
    let path = format!("/dev/shm/{name}");
    File::options().write(true).open(path).unwrap()
}

/// Bytes of the header that change, and of all descriptors.
const NOISE: std::ops::Range<usize> = 64..4096 + 64 * 128;

#[test]
fn a_ring_that_lies_costs_no_more_than_the_timeout() {
    let name = name("lies");
    let _ring = Ring::create(&name, MIN_ARENA).unwrap();
    let file = open(&name);
    let reader = Reader::attach(&name).unwrap();
    let mut bytes = Vec::new();
    for (oldest, head) in [
        (1, u64::MAX),
        (1, u64::MAX / 2),
        (0, 9),
        (u64::MAX, u64::MAX),
        (9, 1),
    ] {
        for noise in [0_u8, 0x01, 0x55, 0xff] {
            file.write_all_at(&[noise].repeat(NOISE.len()), 64).unwrap();
            file.write_all_at(&oldest.to_ne_bytes(), 64).unwrap();
            file.write_all_at(&head.to_ne_bytes(), 128).unwrap();
            let times = [0, 1, u64::MAX].map(Offset::Time);
            let ids = [0, 1, head, u64::MAX].map(Offset::Id);
            let places = [Offset::First, Offset::Last, Offset::Next];
            for place in places.into_iter().chain(times).chain(ids) {
                reader.locate(place);
                let mut consumer = Consumer::open(&name, place).unwrap();
                for timeout in [Duration::ZERO, SOON] {
                    let begin = Instant::now();
                    consumer.next(&mut bytes, timeout).unwrap();
                    assert!(begin.elapsed() < LONG, "{place:?}");
                }
            }
        }
    }
}

#[test]
fn a_ring_that_cries_wolf_costs_no_more_than_the_timeout() {
    let name = name("wolf");
    let _ring = Ring::create(&name, MIN_ARENA).unwrap();
    let mut consumer = Consumer::open(&name, Offset::First).unwrap();
    let bell = consumer.reader().bell().unwrap();
    let file = open(&name);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let word = AtomicU32::new(0);
            while !done.load(Relaxed) {
                let count = word.fetch_add(1, Relaxed);
                file.write_all_at(&count.to_ne_bytes(), 192).unwrap();
            }
        });
        for _ in 0..20 {
            let begin = Instant::now();
            let event = consumer.next(&mut Vec::new(), SOON).unwrap();
            bell.clear().unwrap();
            assert_eq!(event, Event::Quiet);
            assert!(begin.elapsed() < LONG);
        }
        done.store(true, Relaxed);
    });
}

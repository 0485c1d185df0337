//! A ring that is written over while it is used: a scribbler on a map of its own overwrites any
//! part of it at any time, as a writer gone wrong could. Whoever reads, waits, follows or takes over
//! returns in bounded time, without a panic or an access outside the map. What they then believe
//! is anybody's, and the next writer's frames can be read again once the scribbling stops.
#![no_main]

use std::fs::File;
use std::os::fd::AsFd as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use shm_ring::{Consumer, Event, FrameMeta, MIN_ARENA, Map, Offset, Reader, Ring, Signal, Writer};

/// Far above what any step may take, with everything else on a busy machine.
const HANG: Duration = Duration::from_secs(5);
const WAIT: Duration = Duration::from_micros(200);

/// Where to, after how many spins, and what.
type Stroke = (u32, u8, Vec<u8>);

fuzz_target!(|input: (Vec<Stroke>, Vec<(u8, u16)>)| {
    static NAME: OnceLock<String> = OnceLock::new();
    let name = NAME.get_or_init(|| format!("fuzz-scribble-{}", std::process::id()));
    let (strokes, steps) = input;
    let ring = Ring::create(name, MIN_ARENA).expect("a ring in /dev/shm");
    let file = File::options()
        .read(true)
        .write(true)
        .open(format!("/dev/shm/{name}"))
        .expect("it was just made");
    let map = Map::read_write(&file).expect("it can be mapped");
    let mut user = User {
        reader: ring.reader().expect("it is whole"),
        consumer: Consumer::open(name, Offset::First).expect("it is whole"),
        writer: Some(ring.writer().expect("it is whole")),
        null: File::options()
            .write(true)
            .open("/dev/null")
            .expect("is there"),
        bytes: Vec::new(),
        ring: &ring,
        name,
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let scribbler = scope.spawn(|| {
            while !done.load(Relaxed) && !strokes.is_empty() {
                strokes.iter().for_each(|stroke| draw(&map, stroke));
            }
        });
        for (step, with) in steps.iter().take(64) {
            let begin = Instant::now();
            user.take(*step, *with);
            assert!(begin.elapsed() < HANG, "step {step} {with}");
        }
        done.store(true, Relaxed);
        // Joined, or the leak check at the end may find it half gone.
        scribbler.join().expect("it only stores");
    });
    user.recovers();
    drop(ring);
});

/// Overwrites bytes of the segment; the first 64, which are read once, as seldom as others.
fn draw(map: &Map, (at, spins, bytes): &Stroke) {
    (0..*spins).for_each(|_| std::hint::spin_loop());
    // Half of all strokes meet the header and the descriptors.
    let len = if at & 1 == 0 {
        map.len()
    } else {
        4096 + 64 * 128
    };
    for (i, byte) in bytes.iter().enumerate() {
        let at = ((at >> 1) as usize + i) % len;
        // SAFETY: within the map; nobody has a reference to it but to atomics.
        unsafe { (*map.as_ptr().as_ptr().add(at).cast::<AtomicU8>()).store(*byte, Relaxed) };
    }
}

struct User<'a> {
    ring: &'a Ring,
    name: &'a str,
    reader: Reader,
    consumer: Consumer,
    writer: Option<Writer>,
    null: File,
    bytes: Vec<u8>,
}

impl User<'_> {
    fn take(&mut self, step: u8, with: u16) {
        let bounds = self.reader.bounds();
        let id = bounds.oldest.wrapping_add((with % 70).into());
        match step % 12 {
            0..=2 => {
                let len = 1 + usize::from(with) % (MIN_ARENA as usize / 4);
                if let Some(writer) = &mut self.writer {
                    writer
                        .publish(&vec![1; len], &FrameMeta::default())
                        .expect("it fits");
                }
            }
            3 => {
                self.writer = None;
                self.writer = self.ring.writer().ok();
            }
            4 => {
                let _ = self.reader.read(id, &mut self.bytes);
            }
            5 => {
                if let Ok(frame) = self.reader.frame(bounds.head) {
                    let len = frame.info().len;
                    self.bytes.clear();
                    frame.copy_range(len / 2..len, &mut self.bytes);
                    let _ = frame
                        .write_to(self.null.as_fd(), 0..len)
                        .expect("takes all");
                    let _ = frame.is_intact();
                }
            }
            6 => {
                let places = [
                    Offset::First,
                    Offset::Last,
                    Offset::Next,
                    Offset::Id(id),
                    Offset::Time(u64::from(with) << 48),
                ];
                for place in places {
                    let _ = self.reader.locate(place);
                }
            }
            7 => {
                for _ in 0..4 {
                    let _ = self
                        .consumer
                        .next(&mut self.bytes, WAIT)
                        .expect("it stays there");
                }
            }
            8 => self.reader.wait(self.reader.ticket(), WAIT),
            9 => {
                let _ = self.reader.signal();
                match &mut self.writer {
                    Some(writer) => writer.set_signal(Signal::NoSignal, "unplugged"),
                    None => self.ring.set_signal(Signal::NoSignal, "unplugged"),
                }
            }
            10 => {
                let bell = self.reader.bell().expect("an inotify descriptor");
                bell.clear().expect("it can be read");
            }
            _ => {
                let _ = (self.reader.epoch(), self.reader.heartbeat_ns());
                assert!(!self.reader.is_removed().expect("it has a descriptor"));
                if let Ok(consumer) = Consumer::open(self.name, Offset::Id(id)) {
                    self.consumer = consumer;
                }
            }
        }
    }

    /// Nobody scribbles any more: a new writer's frame is read, unless it is told off (its `head`
    /// or the fixed header is no ring's).
    fn recovers(mut self) {
        self.writer = None;
        let Ok(mut writer) = self.ring.writer() else {
            return;
        };
        let Ok(id) = writer.publish(b"new", &FrameMeta::default()) else {
            return;
        };
        let info = self
            .reader
            .read(id, &mut self.bytes)
            .expect("just published");
        assert_eq!((info.id, self.bytes.as_slice()), (id, &b"new"[..]));
        let mut consumer = Consumer::open(self.name, Offset::Last).expect("a writer took it over");
        match consumer.next(&mut self.bytes, WAIT) {
            Ok(Event::Frame { info, .. }) => assert_eq!(info.id, id),
            other => panic!("{other:?}"),
        }
    }
}

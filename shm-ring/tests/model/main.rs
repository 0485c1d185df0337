//! The ring against a plain model, through random schedules: sizes that lap it, end exactly at its
//! end or leave a gap there, more frames than descriptors, writers that stop and writers that die
//! at any store, readers that hold a frame while it is overwritten, consumers that fall behind.
//!
//! One thread takes the steps, so each question has one right answer. Not here: interleavings (the
//! loom model), real kills (the stress program), strangers (`ring.rs`).

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use proptest::prelude::*;
use shm_ring::{
    Bounds, Clamped, Consumer, Error, Event, FrameInfo, FrameMeta, Gone, MaybeTorn, Offset, Reader,
    Ring, Signal, Start, Writer,
};

mod steps;
use steps::{Place, Size, Step, step};

/// Frames begin at multiples of this (`LAYOUT.md`).
const ALIGN: u64 = 64;
/// Of a ring of less than 260 KiB.
const DESCRIPTORS: u64 = 64;

/// Bytes of frame `id` that no other frame has at the same length.
fn body(id: u64, len: u64) -> Vec<u8> {
    let seed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..len)
        .map(|at| (seed >> (at % 57)) as u8 ^ at as u8)
        .collect()
}

fn meta(id: u64) -> FrameMeta {
    FrameMeta {
        format: (id as u32).to_le_bytes(),
        width: !id as u32,
        height: id as u32 + 1,
        flags: id as u32 + 2,
        sequence: id + 3,
        captured_ns: id + 4,
    }
}

/// A frame that was published: `model.frames[id - 1]`.
struct Published {
    info: FrameInfo,
    /// Bytes since the ring began.
    start: u64,
}

struct Held<'a> {
    frame: MaybeTorn<'a>,
    first_half: Vec<u8>,
}

struct Follower {
    consumer: Consumer,
    next: u64,
}

struct World<'a> {
    name: String,
    ring: &'a Ring,
    file: File,
    writer: Option<Writer>,
    readers: &'a [Reader],
    held: Vec<Held<'a>>,
    followers: Vec<Follower>,
    frames: Vec<Published>,
    signal: (Signal, String),
    epoch: u64,
    /// As last seen.
    bounds: Bounds,
    /// Up to where writers made room, bytes since the ring began.
    reach: u64,
}

impl World<'_> {
    fn head(&self) -> u64 {
        self.frames.len() as u64
    }

    fn max(&self) -> u64 {
        self.ring.arena() / 4
    }

    /// The end of the newest frame, bytes since the ring began.
    fn end(&self) -> u64 {
        let newest = self.frames.last();
        newest.map_or(0, |frame| frame.start + frame.info.len as u64)
    }

    fn place(&self, len: u64) -> u64 {
        let (arena, start) = (self.ring.arena(), self.end().next_multiple_of(ALIGN));
        let fits = start % arena + len <= arena;
        if fits {
            start
        } else {
            start.next_multiple_of(arena)
        }
    }

    fn len(&self, size: Size) -> u64 {
        let max = self.max();
        match size {
            Size::Bytes(len) => len,
            Size::Part(part) => 1 + u64::from(part) * (max - 1) / u64::from(u16::MAX),
            Size::ToTheEnd(more) => {
                let room = self.ring.arena() - self.place(1) % self.ring.arena();
                room.saturating_add_signed(more).clamp(1, max)
            }
        }
    }

    fn offset(&self, place: Place) -> Offset {
        let id = |at: u16| self.head() * u64::from(at) / u64::from(u16::MAX);
        match place {
            Place::First => Offset::First,
            Place::Last => Offset::Last,
            Place::Next => Offset::Next,
            Place::Far => Offset::Id(u64::MAX),
            Place::Id(at, by) => Offset::Id(id(at).saturating_add_signed(by)),
            Place::Time(at, by) => {
                let frame = id(at).checked_sub(1).map(|i| &self.frames[i as usize]);
                let time = frame.map_or(0, |frame| frame.info.published_ns);
                Offset::Time(time.saturating_add_signed(by))
            }
        }
    }

    /// Where an offset leads, by looking at every frame.
    fn start(&self, offset: Offset) -> Start {
        let Bounds { oldest, head } = self.bounds;
        let next = head + 1;
        let (id, clamped) = match offset {
            Offset::First => (oldest, None),
            Offset::Last if oldest > head => (next, None),
            Offset::Last => (head, None),
            Offset::Next => (next, None),
            Offset::Id(id) if id > next => (next, Some(Clamped::NotYet)),
            Offset::Id(id) if id.max(1) < oldest => (oldest, Some(Clamped::Overwritten)),
            Offset::Id(id) => (id.max(1), None),
            Offset::Time(time) => {
                let published = |id: u64| self.frames[id as usize - 1].info.published_ns;
                match (oldest..next).find(|&id| published(id) >= time) {
                    None => (next, Some(Clamped::NotYet)),
                    Some(id) if id == oldest && id > 1 && published(id) > time => {
                        (id, Some(Clamped::Overwritten))
                    }
                    Some(id) => (id, None),
                }
            }
        };
        Start { id, clamped }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Publish(size) => self.publish(self.len(size)),
            Step::Burst(count) => (0..u64::from(count)).for_each(|n| self.publish(1 + n)),
            Step::Stop => self.writer = None,
            Step::Exit(count) => self.exit(count),
            Step::Die(size, stores) => self.die_within(self.len(size), stores.into()),
            Step::Signal(n) => self.set_signal(n),
            Step::Lend(reader, frame) => self.lend(reader.into(), frame),
            Step::GiveBack(n) => {
                if !self.held.is_empty() {
                    self.held.remove(usize::from(n) % self.held.len());
                }
            }
            Step::Locate(place) => {
                let offset = self.offset(place);
                let found = self.readers[0].locate(offset);
                assert_eq!(found, self.start(offset), "{offset:?}");
            }
            Step::Open(which, place) => {
                let offset = self.offset(place);
                let consumer = Consumer::open(&self.name, offset).unwrap();
                // What was asked for by its id and is overwritten is missed, and said.
                let start = self.start(offset);
                let next = match (offset, start.clamped) {
                    (Offset::Id(id), Some(Clamped::Overwritten)) => id.max(1),
                    _ => start.id,
                };
                let which = usize::from(which) % self.followers.len();
                self.followers[which] = Follower { consumer, next };
            }
            Step::Follow(which, times) => {
                let which = usize::from(which) % self.followers.len();
                (0..times).for_each(|_| self.follow(which));
            }
        }
    }

    fn publish(&mut self, len: u64) {
        let writer = self.writer.get_or_insert_with(|| {
            let writer = self.ring.writer().unwrap();
            assert!(writer.epoch() > self.epoch, "epochs rise");
            self.epoch = writer.epoch();
            writer
        });
        let id = writer.next_id();
        assert!(matches!(
            writer.publish(&vec![0; self.ring.arena() as usize / 4 + 1], &meta(id)),
            Err(Error::FrameTooLarge { .. })
        ));
        let published = writer.publish(&body(id, len), &meta(id)).unwrap();
        assert_eq!(published, id);
        self.published(id, len);
    }

    fn published(&mut self, id: u64, len: u64) {
        assert_eq!(id, self.head() + 1, "ids rise by one");
        let start = self.place(len);
        // Time and epoch are the ring's own: as first read. All else is known.
        let info = self.readers[0].read(id, &mut Vec::new()).unwrap();
        assert_eq!((info.id, info.len as u64, info.meta), (id, len, meta(id)));
        assert_eq!(info.epoch, self.readers[0].epoch());
        self.frames.push(Published { info, start });
        self.reach = self.reach.max(self.end());
    }

    /// A child publishes and leaves without dropping anything.
    fn exit(&mut self, count: u8) {
        self.writer = None;
        let (ring, third) = (self.ring, self.max() / 3);
        let lens = (1..=u64::from(count)).map(|n| n * third);
        // SAFETY: the child takes no lock that another thread may have held at the fork (glibc
        // makes malloc usable there), and leaves by _exit.
        match unsafe { libc::fork() } {
            0 => {
                let publish = || {
                    let mut writer = ring.writer()?;
                    for len in lens {
                        let id = writer.next_id();
                        writer.publish(&body(id, len), &meta(id))?;
                    }
                    std::mem::forget(writer);
                    Ok::<(), Error>(())
                };
                let status = publish().map_or(1, |()| 0);
                // SAFETY: ends the child, and nothing else.
                unsafe { libc::_exit(status) }
            }
            child => {
                assert!(child > 0, "fork");
                let mut status = -1;
                // SAFETY: waits for this test's own child; `status` outlives the call.
                let waited = unsafe { libc::waitpid(child, &mut status, 0) };
                assert_eq!((waited, status), (child, 0));
            }
        }
        self.epoch = self.readers[0].epoch();
        for len in lens {
            self.published(self.head() + 1, len);
        }
    }

    /// What a writer leaves that is killed within a frame: the first of these stores, in their
    /// order, at the places that `LAYOUT.md` gives.
    fn die_within(&mut self, len: u64, stores: usize) {
        self.writer = None;
        let arena = self.ring.arena();
        let (id, start) = (self.head() + 1, self.place(len));
        let end = start + len;
        let kept = |id_kept: u64| {
            let frame = &self.frames[id_kept as usize - 1];
            frame.start + arena >= end && id_kept + DESCRIPTORS > id
        };
        let oldest = (self.bounds.oldest..id).find(|&id| kept(id)).unwrap_or(id);
        let arena_offset = 4096 + (DESCRIPTORS * 128).next_multiple_of(4096);
        let at = arena_offset + start % arena;
        let half = len as usize / 2;
        let bytes = vec![0xdd; len as usize];
        let descriptor = 4096 + id % DESCRIPTORS * 128;
        let word = |n: u64| n.to_ne_bytes().to_vec();
        let all = [
            (64, word(oldest)),
            (at, bytes[..half].to_vec()),
            (at + half as u64, bytes[half..].to_vec()),
            (descriptor, word(id)),
            (descriptor + 8, word(start)),
            (descriptor + 16, word(len)),
            (descriptor + 24, word(1)),
            (descriptor + 32, word(2)),
            (descriptor + 40, word(3)),
            (descriptor + 48, word(4)),
            (descriptor + 56, word(5)),
            (descriptor + 64, word(6)),
        ];
        for (at, bytes) in &all[..stores] {
            self.file.write_all_at(bytes, *at).unwrap();
        }
        if stores > 0 {
            self.reach = self.reach.max(end);
        }
    }

    fn set_signal(&mut self, n: u8) {
        let signals = [
            Signal::Starting,
            Signal::Live,
            Signal::NoSignal,
            Signal::Ended,
        ];
        let signal = signals[usize::from(n % 4)];
        let reason = ["", "unplugged", &"ä".repeat(80)][usize::from(n / 4 % 3)].to_owned();
        match &mut self.writer {
            Some(writer) => writer.set_signal(signal, &reason),
            None => self.ring.set_signal(signal, &reason),
        }
        self.signal = (signal, reason);
    }

    fn lend(&mut self, reader: usize, frame: u16) {
        let Bounds { oldest, head } = self.bounds;
        let count = head + 1 - oldest;
        if count == 0 || self.held.len() == 6 {
            return;
        }
        // The oldest are the first to be overwritten: half of all.
        let id = oldest + count * u64::from(frame).saturating_sub(1 << 15) / (1 << 15);
        let frame = self.readers[reader % self.readers.len()]
            .frame(id.min(head))
            .unwrap();
        let mut first_half = Vec::new();
        frame.copy_range(0..frame.info().len / 2, &mut first_half);
        self.held.push(Held { frame, first_half });
    }

    fn follow(&mut self, which: usize) {
        let Bounds { oldest, head } = self.bounds;
        let follower = &mut self.followers[which];
        let mut bytes = vec![1];
        let event = follower.consumer.next(&mut bytes, Duration::ZERO).unwrap();
        if follower.next > head {
            assert_eq!(event, Event::Quiet);
            return;
        }
        let id = follower.next.max(oldest);
        let (info, missed) = (self.frames[id as usize - 1].info, id - follower.next);
        assert_eq!(event, Event::Frame { info, missed });
        assert!(bytes == body(id, info.len as u64), "bytes of {id}");
        follower.next = id + 1;
    }

    /// The rules, after each step.
    fn check(&mut self) {
        let before = self.bounds;
        let Bounds { oldest, head } = self.readers[0].bounds();
        self.bounds = Bounds { oldest, head };
        assert_eq!(head, self.head());
        assert!(before.oldest <= oldest && before.head <= head, "they rise");
        assert!(oldest <= head.max(1), "the newest stays readable");
        let at_least = self.certain();
        assert!(oldest <= at_least, "{oldest} to {head}: not {at_least}");
        for (n, reader) in self.readers.iter().enumerate() {
            assert_eq!(reader.bounds(), self.bounds);
            let signal = reader.signal();
            assert_eq!((signal.signal, signal.reason), self.signal);
            // All of one, and of the others the ends.
            let ids = (oldest..=head).filter(|id| n == 0 || [oldest, head].contains(id));
            let mut bytes = vec![1];
            for id in ids {
                let info = self.frames[id as usize - 1].info;
                assert_eq!(reader.read(id, &mut bytes), Ok(info));
                assert!(bytes == body(id, info.len as u64), "bytes of {id}");
            }
            for id in [1, oldest / 2, oldest - 1] {
                if (1..oldest).contains(&id) {
                    assert_eq!(reader.read(id, &mut bytes), Err(Gone::Overwritten));
                    assert!(bytes.is_empty());
                }
            }
            for id in [0, head + 1, head + DESCRIPTORS, u64::MAX] {
                assert_eq!(reader.frame(id).err(), Some(Gone::NotYet));
            }
        }
        for Held { frame, first_half } in &self.held {
            let info = *frame.info();
            assert_eq!(info, self.frames[info.id as usize - 1].info);
            let mut bytes = first_half.clone();
            frame.copy_range(first_half.len()..info.len, &mut bytes);
            let intact = frame.is_intact();
            assert_eq!(intact, info.id >= oldest, "frame {}", info.id);
            assert!(!intact || bytes == body(info.id, info.len as u64));
        }
    }

    /// The newest frames that fit for certain, behind the largest gap and beside a frame that was
    /// begun: from this id on.
    fn certain(&self) -> u64 {
        let begun = self.reach - self.end();
        let mut free = self.ring.arena() - self.max() - begun;
        let mut count = DESCRIPTORS - u64::from(begun > 0);
        for frame in self.frames.iter().rev() {
            let len = (frame.info.len as u64).next_multiple_of(ALIGN);
            if len > free || count == 0 {
                return frame.info.id + 1;
            }
            (free, count) = (free - len, count - 1);
        }
        1
    }
}

proptest! {
    #[test]
    fn a_ring_is_the_newest_of_all_frames_ever_published(
        pages in 16..26u64,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let name = format!("shm-ring-test-{}-model", std::process::id());
        let ring = Ring::create(&name, pages * 4096).unwrap();
        let readers = [
            ring.reader().unwrap(),
            Reader::attach(&name).unwrap(),
            Reader::from_fd(ring.reader().unwrap()).unwrap(),
        ];
        let follower = || Follower {
            consumer: Consumer::open(&name, Offset::First).unwrap(),
            next: 1,
        };
        let path = format!("/dev/shm/{name}");
        let mut world = World {
            ring: &ring,
            file: File::options().write(true).open(path).unwrap(),
            writer: None,
            readers: &readers,
            held: Vec::new(),
            followers: vec![follower(), follower()],
            frames: Vec::new(),
            signal: (Signal::Starting, String::new()),
            epoch: 0,
            bounds: Bounds { oldest: 1, head: 0 },
            reach: 0,
            name,
        };
        for step in &steps {
            let (ticket, before) = (readers[1].ticket(), (world.head(), world.signal.clone()));
            world.take(step);
            world.check();
            if before != (world.head(), world.signal.clone()) {
                // Returns at once, or the test hangs.
                readers[1].wait(ticket, Duration::from_secs(3600));
                prop_assert_ne!(readers[1].ticket(), ticket);
            } else if !matches!(step, Step::Signal(_)) {
                prop_assert_eq!(readers[1].ticket(), ticket);
            }
        }
        drop(world);
        drop(ring);
        prop_assert!(readers[0].is_removed().unwrap());
    }
}

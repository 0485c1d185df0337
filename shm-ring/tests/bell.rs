//! Bells: several rings in one `epoll(7)` set, and no change slept through.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use shm_ring::{Bell, FrameMeta, MIN_ARENA, Reader, Ring, Signal, Writer};

fn name(test: &str) -> String {
    format!("shm-ring-test-{}-{test}", std::process::id())
}

fn publish(writer: &mut Writer) -> u64 {
    writer.publish(b"frame", &FrameMeta::default()).unwrap()
}

/// Bells by their place in a set.
struct Set(Epoll);

impl Set {
    fn of<'a>(bells: impl IntoIterator<Item = &'a Bell>) -> Set {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        for (n, bell) in bells.into_iter().enumerate() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, n as u64);
            epoll.add(bell, event).unwrap();
        }
        Set(epoll)
    }

    /// Who rings. A bell that never rings fails the test in a minute.
    fn wait(&self) -> Vec<u64> {
        let mut events = [EpollEvent::empty(); 8];
        let minute = EpollTimeout::from(60_000_u16);
        let count = self.0.wait(&mut events, minute).unwrap();
        assert!(count > 0, "no bell");
        events[..count].iter().map(EpollEvent::data).collect()
    }

    fn is_silent(&self) -> bool {
        let mut events = [EpollEvent::empty()];
        self.0.wait(&mut events, EpollTimeout::ZERO).unwrap() == 0
    }
}

#[test]
fn several_rings_are_waited_for_in_one_set() {
    let names = ["a", "b", "c"].map(name);
    let mut rings = names
        .each_ref()
        .map(|name| Ring::create(name, MIN_ARENA).ok());
    let mut writers = rings
        .each_ref()
        .map(|ring| ring.as_ref().unwrap().writer().unwrap());
    let readers = names.each_ref().map(|name| Reader::attach(name).unwrap());
    let bells = readers.each_ref().map(|reader| reader.bell().unwrap());
    let set = Set::of(&bells);
    assert!(set.is_silent());

    /// Until `happened`, only bell `n` rings.
    fn rings_until(set: &Set, bells: &[Bell; 3], n: usize, happened: impl Fn() -> bool) {
        loop {
            assert_eq!(set.wait(), [n as u64]);
            bells[n].clear().unwrap();
            if happened() {
                return;
            }
        }
    }

    for n in [1, 0, 2, 2, 1] {
        let id = publish(&mut writers[n]);
        rings_until(&set, &bells, n, || readers[n].bounds().head == id);
    }
    writers[0].set_signal(Signal::NoSignal, "unplugged");
    rings_until(&set, &bells, 0, || {
        readers[0].signal().signal == Signal::NoSignal
    });

    // The creator speaks while nobody writes; the next writer is heard by the same bell.
    let ring = rings[1].as_ref().unwrap();
    let [first, second, _third] = writers;
    drop((first, second));
    // A writer that ends may ring once more.
    bells.iter().for_each(|bell| bell.clear().unwrap());
    ring.set_signal(Signal::Ended, "closed");
    rings_until(&set, &bells, 1, || {
        readers[1].signal().signal == Signal::Ended
    });
    let mut writer = ring.writer().unwrap();
    let id = publish(&mut writer);
    rings_until(&set, &bells, 1, || readers[1].bounds().head == id);

    assert!(!readers[2].is_removed().unwrap());
    rings[2] = None;
    rings_until(&set, &bells, 2, || readers[2].is_removed().unwrap());
    assert!(!readers[0].is_removed().unwrap());
}

#[test]
fn a_bell_cleared_before_looking_loses_nothing() {
    const FRAMES: u64 = 20_000;
    let ring = Ring::create(&name("hammer"), MIN_ARENA).unwrap();
    let mut writer = ring.writer().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let reader = ring.reader().unwrap();
            scope.spawn(move || {
                let bell = reader.bell().unwrap();
                let set = Set::of([&bell]);
                while reader.bounds().head < FRAMES {
                    bell.clear().unwrap();
                    // A change from here on rings.
                    if reader.bounds().head < FRAMES {
                        set.wait();
                    }
                }
            });
        }
        for n in 0..FRAMES {
            publish(&mut writer);
            // Now and then the readers catch up, and sleep.
            if n % 64 == 0 {
                std::thread::yield_now();
            }
        }
    });
}

#[test]
fn a_bell_outlives_its_reader() {
    let ring = Ring::create(&name("outlives"), MIN_ARENA).unwrap();
    let bell = ring.reader().unwrap().bell().unwrap();
    publish(&mut ring.writer().unwrap());
    Set::of([&bell]).wait();
}

//! The ring with readers at full speed, by its ways out, and against strangers. Its rules are
//! checked in `model`, following it in `consumer.rs`.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use shm_ring::{Error, FrameMeta, Gone, MIN_ARENA, Reader, Ring, Segment, Signal};

fn name(test: &str) -> String {
    use std::sync::atomic::AtomicU32;
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Relaxed);
    format!("shm-ring-test-{}-{test}-{n}", std::process::id())
}

/// Bytes of frame `id` that no other frame has at the same length.
fn body(id: u64, len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|at| (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at % 57)) as u8 ^ at as u8)
        .collect()
}

fn read(reader: &Reader, id: u64) -> Result<Vec<u8>, Gone> {
    let frame = reader.frame(id)?;
    let mut bytes = Vec::new();
    frame.copy_range(0..frame.info().len, &mut bytes);
    frame.is_intact().then_some(bytes).ok_or(Gone::Overwritten)
}

#[test]
fn readers_at_full_speed_never_accept_a_torn_frame() {
    let ring = Ring::create(&name("torn"), MIN_ARENA).unwrap();
    let mut writer = ring.writer().unwrap();
    let done = AtomicBool::new(false);
    let (accepted, refused) = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let reader = ring.reader().unwrap();
                let done = &done;
                scope.spawn(move || {
                    let (mut accepted, mut refused) = (0u64, 0u64);
                    while !done.load(Relaxed) {
                        let bounds = reader.bounds();
                        // The oldest is the next to be overwritten: the most contended frame.
                        for id in [bounds.oldest, bounds.head] {
                            match read(&reader, id) {
                                Ok(bytes) => {
                                    assert_eq!(bytes, body(id, bytes.len()), "frame {id}");
                                    accepted += 1;
                                }
                                Err(_) => refused += 1,
                            }
                        }
                    }
                    (accepted, refused)
                })
            })
            .collect();
        let end = std::time::Instant::now() + Duration::from_secs(2);
        while std::time::Instant::now() < end {
            let id = writer.next_id();
            let bytes = body(id, 1 + (id as usize * 7919) % 16_000);
            writer.publish(&bytes, &FrameMeta::default()).unwrap();
        }
        done.store(true, Relaxed);
        readers.into_iter().fold((0, 0), |sum, reader| {
            let (accepted, refused) = reader.join().unwrap();
            (sum.0 + accepted, sum.1 + refused)
        })
    });
    // Both happened, or the test showed nothing.
    assert!(accepted > 100 && refused > 0, "{accepted} {refused}");
}

#[test]
fn a_waiting_reader_is_woken_by_frames_and_signals() {
    let ring = Ring::create(&name("wake"), MIN_ARENA).unwrap();
    let mut writer = ring.writer().unwrap();
    let reader = ring.reader().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            loop {
                let ticket = reader.ticket();
                let (head, signal) = (reader.bounds().head, reader.signal());
                if head == 3 && signal.signal == Signal::NoSignal {
                    return signal.reason;
                }
                reader.wait(ticket, Duration::from_secs(60));
            }
        });
        for _ in 0..3 {
            writer.publish(b"x", &FrameMeta::default()).unwrap();
        }
        writer.set_signal(Signal::NoSignal, "unplugged");
        assert_eq!(waiting.join().unwrap(), "unplugged");
    });
}

#[test]
fn since_when_begins_anew_with_another_signal_or_title() {
    let ring = Ring::create(&name("since"), MIN_ARENA).unwrap();
    let reader = ring.reader().unwrap();
    assert_eq!(reader.signal().since_ns, 0);
    let mut last = 0;
    for (signal, reason, anew) in [
        (Signal::NoSignal, "NO CAMERA: it is gone", true),
        (Signal::NoSignal, "NO CAMERA: another is there", false),
        (Signal::NoSignal, "CAMERA BUSY (pid 71): close that", true),
        (Signal::NoSignal, "a.mjpeg: gone", true),
        (Signal::NoSignal, "no frame for 2 s", false),
        (Signal::Live, "", true),
    ] {
        ring.set_signal(signal, reason);
        let state = reader.signal();
        assert_eq!(state.reason, reason);
        assert_eq!(state.since_ns > last, anew, "{reason}");
        last = state.since_ns;
    }
}

#[test]
fn one_writer_at_a_time() {
    let ring = Ring::create(&name("lock"), MIN_ARENA).unwrap();
    let writer = ring.writer().unwrap();
    assert!(matches!(ring.writer(), Err(Error::WriterLives)));
    drop(writer);
    ring.writer().unwrap();
}

#[test]
fn a_frame_goes_to_a_socket_behind_what_belongs_before_it() {
    use std::io::Read as _;
    use std::os::fd::AsFd as _;
    let ring = Ring::create(&name("write"), MIN_ARENA).unwrap();
    let reader = ring.reader().unwrap();
    let id = ring
        .writer()
        .unwrap()
        .publish(b"frame", &FrameMeta::default())
        .unwrap();
    let (mut from, to) = std::os::unix::net::UnixStream::pair().unwrap();
    let frame = reader.frame(id).unwrap();
    assert_eq!(frame.send_to(to.as_fd(), b"<", 0..4).unwrap(), 5);
    drop(to);
    let mut got = String::new();
    from.read_to_string(&mut got).unwrap();
    assert_eq!(got, "<fram");
}

#[test]
fn a_frame_goes_to_a_pipe_in_pieces_and_is_then_asked_after() {
    use std::io::{ErrorKind, Read as _};
    use std::os::fd::AsFd as _;
    let ring = Ring::create(&name("pipe"), MIN_ARENA).unwrap();
    let mut writer = ring.writer().unwrap();
    let reader = ring.reader().unwrap();
    let (mut from, to) = std::io::pipe().unwrap();
    let arg = nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096);
    nix::fcntl::fcntl(&to, arg).unwrap();
    let arg = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
    nix::fcntl::fcntl(&to, arg).unwrap();
    let len = MIN_ARENA as usize / 4;
    let bytes = body(1, len);
    let id = writer.publish(&bytes, &FrameMeta::default()).unwrap();

    let frame = reader.frame(id).unwrap();
    let (mut at, mut got, mut pieces) = (0, Vec::new(), 0);
    while at < len {
        match frame.write_to(to.as_fd(), at..len) {
            Ok(written) => (at, pieces) = (at + written, pieces + 1),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                let mut piece = [0; 1000];
                let read = from.read(&mut piece).unwrap();
                got.extend(&piece[..read]);
            }
            Err(e) => panic!("{e}"),
        }
    }
    assert!(pieces > 1 && frame.is_intact());

    // Overwritten between the first piece and the second: what was written stays, and is told.
    let late = frame.info().id;
    for id in 2..10 {
        writer
            .publish(&body(id, len), &FrameMeta::default())
            .unwrap();
    }
    assert!(!frame.is_intact());
    assert_eq!(reader.frame(late).err(), Some(Gone::Overwritten));
    drop(to);
    from.read_to_end(&mut got).unwrap();
    assert_eq!(got, bytes);
}

#[test]
fn strangers_are_refused() {
    let name = name("stranger");
    assert!(matches!(Reader::attach(&name), Err(Error::NotFound { .. })));
    let segment = Segment::create(&name, 65_536).unwrap();
    assert!(matches!(Reader::attach(&name), Err(Error::NotARing { .. })));
    drop(segment);
    // A ring whose header is right and whose content is noise is attached, and reads nothing.
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    let reader = Reader::attach(&name).unwrap();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(format!("/dev/shm/{name}"))
        .unwrap();
    use std::os::unix::fs::FileExt as _;
    for noise in [0xff_u8, 0x80, 0x01] {
        file.write_all_at(&vec![noise; 4096 + 64 * 128 - 64], 64)
            .unwrap();
        let bounds = reader.bounds();
        for id in [0, 1, bounds.oldest, bounds.head, u64::MAX] {
            let _ = read(&reader, id);
        }
        let _ = reader.signal();
        if let Ok(mut writer) = ring.writer() {
            let id = writer.publish(b"new", &FrameMeta::default()).unwrap();
            assert_eq!(read(&reader, id).unwrap(), b"new");
        }
    }
}

#[test]
fn a_readers_lock_is_in_no_writers_way() {
    let name = name("read-lock");
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    let reader = std::fs::File::open(format!("/dev/shm/{name}")).unwrap();
    let lock = nix::libc::flock {
        l_type: nix::libc::F_RDLCK as nix::libc::c_short,
        l_whence: nix::libc::SEEK_SET as nix::libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    nix::fcntl::fcntl(&reader, nix::fcntl::FcntlArg::F_OFD_SETLK(&lock)).unwrap();
    for _ in 0..2 {
        let writer = ring.writer().unwrap();
        assert!(matches!(ring.writer(), Err(Error::WriterLives)));
        drop(writer);
    }
}

#[test]
fn what_a_killed_creator_left_is_replaced_and_what_is_written_is_not() {
    let name = name("replace");
    let left = Ring::create(&name, MIN_ARENA).unwrap();
    let writer = left.writer().unwrap();
    assert!(matches!(
        Ring::replace(&name, 2 * MIN_ARENA),
        Err(Error::WriterLives)
    ));
    drop(writer);
    let reader = Reader::attach(&name).unwrap();
    assert!(!reader.is_removed().unwrap());
    let ring = Ring::replace(&name, 2 * MIN_ARENA).unwrap();
    assert!(reader.is_removed().unwrap());
    assert_eq!(Reader::attach(&name).unwrap().arena(), 2 * MIN_ARENA);
    drop(ring);
    std::mem::forget(left); // as if killed
    assert!(matches!(Reader::attach(&name), Err(Error::NotFound { .. })));
}

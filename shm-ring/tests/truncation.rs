//! Rings that are cut short from outside under their readers and their writer.
//!
//! What a signal does is a process's own affair, so every case runs in a child of this program.

use std::num::NonZeroUsize;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use shm_ring::{Consumer, Error, FrameMeta, Offset, Reader, Ring, Segment, Writer};

/// Says the case to a child.
const CASE: &str = "SHM_RING_TRUNCATION";
/// A ring as large as this has 64 descriptors, from 4096 to 12288, and its arena behind.
const ARENA: u64 = 256 << 10;

/// Runs this test once more, in a process of its own that finds `case` in the environment.
fn child(test: &str, case: &str) -> ExitStatus {
    let exe = std::env::current_exe().unwrap();
    let status = Command::new(exe)
        .args([test, "--exact", "--nocapture"])
        .env(CASE, case)
        .status();
    status.unwrap()
}

/// The case, in such a child.
fn case() -> Option<String> {
    std::env::var(CASE).ok()
}

fn name(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Relaxed);
    format!("shm-ring-test-{}-{what}-{n}", std::process::id())
}

/// Cuts an object short, as whoever may write it can.
fn cut(name: &str, len: u64) {
    let path = format!("/dev/shm/{name}");
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(len).unwrap();
}

fn body(id: u64) -> Vec<u8> {
    vec![id as u8 | 1; 20_000 + id as usize % 9000]
}

/// Publishes until it cannot.
fn publish(writer: &mut Writer) -> Error {
    loop {
        let bytes = body(writer.next_id());
        if let Err(e) = writer.publish(&bytes, &FrameMeta::default()) {
            return e;
        }
    }
}

/// Reads the newest frame until there will be none.
fn read(reader: &Reader, until: impl Fn(&Reader) -> bool) {
    let mut bytes = Vec::new();
    while !until(reader) {
        if let Ok(frame) = reader.read(reader.bounds().head, &mut bytes) {
            assert!(bytes == body(frame.id), "frame {} is not whole", frame.id);
        }
    }
}

#[test]
fn nobody_dies_of_it_and_everybody_learns_of_it() {
    if case().is_none() {
        let test = "nobody_dies_of_it_and_everybody_learns_of_it";
        let end = child(test, "yes");
        assert!(end.success(), "{end}");
        return;
    }
    shm_ring::survive_truncation().unwrap();
    shm_ring::survive_truncation().unwrap();
    let other = Ring::create(&name("other"), ARENA).unwrap();
    let mut untouched = other.writer().unwrap();
    untouched.publish(b"whole", &FrameMeta::default()).unwrap();
    let other = other.reader().unwrap();
    // From these on a reader must see it itself: all descriptors are missing, all bytes are.
    let lost: fn(&Reader) -> bool = |reader| reader.is_lost();
    // The others may leave the newest frame where it is, or a header of zeros, without any frame.
    // None cuts within a page of frames: what a reader takes from that page's end is zeros, unseen.
    let short: fn(&Reader) -> bool = |reader| reader.check_len().is_err();
    let cases = [
        (0, short),
        (1, short),
        (4096, lost),
        (12_288, lost),
        (98_304, short),
    ];
    for (len, over) in cases.into_iter().cycle().take(50) {
        let name = name("cut");
        let ring = Ring::create(&name, ARENA).unwrap();
        let mut writer = ring.writer().unwrap();
        let readers = [ring.reader().unwrap(), ring.reader().unwrap()];
        let mut consumer = Consumer::open(&name, Offset::First).unwrap();
        assert!(!ring.is_truncated().unwrap());
        std::thread::scope(|scope| {
            let publishing = scope.spawn(|| publish(&mut writer));
            let mut threads: Vec<_> = readers
                .iter()
                .map(|reader| scope.spawn(move || read(reader, over)))
                .collect();
            threads.push(scope.spawn(|| {
                let mut bytes = Vec::new();
                let end = loop {
                    if let Err(e) = consumer.next(&mut bytes, Duration::from_secs(60)) {
                        break e;
                    }
                };
                assert!(matches!(end, Error::Truncated { .. }), "{end}");
            }));
            while readers[0].bounds().head < 20 {
                std::thread::yield_now();
            }
            // Again and again: a writer's bell makes the first page anew, full of zeros.
            while !publishing.is_finished() || !threads.iter().all(|t| t.is_finished()) {
                cut(&name, len);
            }
            let end = publishing.join().unwrap();
            assert!(matches!(end, Error::Truncated { .. }), "{end}");
            threads.into_iter().for_each(|t| t.join().unwrap());
        });
        assert!(ring.is_truncated().unwrap());
        for id in (0..200).filter(|_| readers[0].is_lost()) {
            assert!(readers[0].frame(id).is_err(), "frame {id}");
        }
        ring.set_signal(shm_ring::Signal::Ended, "over");
        let mut bytes = Vec::new();
        other.read(1, &mut bytes).unwrap();
        assert_eq!(bytes, b"whole");
    }
}

#[test]
fn the_kernel_finds_out_without_a_signal() {
    if case().is_none() {
        let end = child("the_kernel_finds_out_without_a_signal", "yes");
        assert!(end.success(), "{end}");
        return;
    }
    shm_ring::survive_truncation().unwrap();
    let name = name("kernel");
    let ring = Ring::create(&name, ARENA).unwrap();
    let mut writer = ring.writer().unwrap();
    let id = writer.publish(&body(1), &FrameMeta::default()).unwrap();
    let reader = ring.reader().unwrap();
    let frame = reader.frame(id).unwrap();
    cut(&name, 12_288);
    let (socket, _peer) = UnixStream::pair().unwrap();
    let sent = frame.send_to(socket.as_fd(), b"", 0..100);
    assert_eq!(sent.unwrap_err().raw_os_error(), Some(libc::EFAULT));
    let written = frame.write_to(socket.as_fd(), 0..100);
    assert_eq!(written.unwrap_err().raw_os_error(), Some(libc::EFAULT));
    assert!(!reader.is_lost() && ring.is_truncated().unwrap());
    assert!(frame.is_intact(), "nobody had any of its bytes");
    frame.copy_range(0..frame.info().len, &mut Vec::new());
    assert!(reader.is_lost() && !frame.is_intact());
}

#[test]
fn who_did_not_ask_dies() {
    if let Some(name) = case() {
        let ring = Ring::create(&name, ARENA).unwrap();
        let reader = ring.reader().unwrap();
        cut(&name, 0);
        reader.bounds();
        unreachable!("a page that is not there was read");
    }
    let name = name("unasked");
    let end = child("who_did_not_ask_dies", &name);
    Segment::remove(&name).unwrap();
    assert_eq!(end.signal(), Some(libc::SIGBUS), "{end}");
}

/// Touches a map of somebody else's in which there is nothing.
fn touch_foreign() -> u8 {
    let empty = memfd_create("empty", MFdFlags::empty()).unwrap();
    let size = NonZeroUsize::new(4096).unwrap();
    // SAFETY: nothing mapped is replaced.
    let map = unsafe {
        mmap(
            None,
            size,
            ProtFlags::PROT_READ,
            MapFlags::MAP_SHARED,
            empty,
            0,
        )
    };
    // SAFETY: it is mapped for reading; that there is no memory is the point.
    unsafe { map.unwrap().cast::<u8>().read_volatile() }
}

extern "C" fn plain(_: libc::c_int) {
    // SAFETY: takes any code.
    unsafe { libc::_exit(41) }
}

extern "C" fn informed(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel's, handed on.
    let code = unsafe { (*info).si_code };
    // SAFETY: takes any code.
    unsafe { libc::_exit(40 + code) }
}

fn set_action(handler: libc::sighandler_t, flags: libc::c_int) {
    // SAFETY: all zero is an action; the handlers of this file make one system call.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (action.sa_sigaction, action.sa_flags) = (handler, flags);
        assert_eq!(
            libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()),
            0
        );
    }
}

#[test]
fn what_is_not_ours_goes_where_it_went() {
    let Some(case) = case() else {
        let end = |case| child("what_is_not_ours_goes_where_it_went", case);
        for case in ["std", "default", "ignored", "sent"] {
            assert_eq!(end(case).signal(), Some(libc::SIGBUS), "{case}");
        }
        assert_eq!(end("plain").code(), Some(41));
        assert_eq!(end("informed").code(), Some(40 + libc::BUS_ADRERR));
        assert_eq!(end("sent, ignored").code(), Some(0));
        return;
    };
    match case.as_str() {
        "std" => {} // which looks for overflown stacks
        "default" | "sent" => set_action(libc::SIG_DFL, 0),
        "ignored" | "sent, ignored" => set_action(libc::SIG_IGN, 0),
        "plain" => set_action(plain as *const () as libc::sighandler_t, 0),
        "informed" => set_action(
            informed as *const () as libc::sighandler_t,
            libc::SA_SIGINFO,
        ),
        other => unreachable!("{other}"),
    }
    shm_ring::survive_truncation().unwrap();
    // A range of ours that was there is none any more.
    drop(Ring::create(&name("gone"), ARENA).unwrap());
    if case.starts_with("sent") {
        // SAFETY: takes any signal.
        unsafe { libc::raise(libc::SIGBUS) };
    } else {
        touch_foreign();
    }
}

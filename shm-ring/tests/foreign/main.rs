//! Readers in other languages, written as `LAYOUT.md` says, beside a live writer: every byte held
//! to what was published, over laps, dead writers, new rings and hostile ones.
//!
//! Here: what is published, the rings, and the foreign processes. What each language is asked:
//! `c`, and `python` with `follow.py`. Not here: OpenCV and a killed capture process
//! (`tests/python.rs` of the whole).

mod c;
mod python;

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use shm_ring::{Error, FrameMeta, MIN_ARENA, Reader, Ring, Writer};

/// Longer than anything may take that does not hang.
const HANG: Duration = Duration::from_secs(120);

fn name(test: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Relaxed);
    format!("shm-ring-test-{}-foreign-{test}-{n}", std::process::id())
}

fn in_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The same as in follow.py: words that no other frame has, nor this one elsewhere.
fn body(id: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    for n in 0..len as u64 / 8 + 1 {
        bytes.extend_from_slice(&((id << 32) + n).to_ne_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Bytes of frame `id`, where nothing else is asked for.
fn len(id: u64) -> usize {
    2 + (id as usize * 7919) % 16_000
}

fn publish(writer: &mut Writer, len: usize) -> u64 {
    let id = writer.next_id();
    let meta = FrameMeta {
        format: *b"TEST",
        width: len as u32,
        height: 7,
        flags: 5,
        sequence: id,
        captured_ns: id * 1000,
    };
    writer.publish(&body(id, len), &meta).unwrap()
}

fn publish_next(writer: &mut Writer) -> u64 {
    publish(writer, len(writer.next_id()))
}

/// A frame's time, in which readers come to their turn.
fn pause() {
    std::thread::sleep(Duration::from_millis(1));
}

fn path(ring: &str) -> PathBuf {
    Path::new("/dev/shm").join(ring)
}

/// The ring's file, as a writer has it.
fn writable(ring: &str) -> File {
    OpenOptions::new().write(true).open(path(ring)).unwrap()
}

/// Has a writer die in the middle of a frame, and another take over.
fn succeed(ring: &Ring, name: &str, writer: Writer) -> Writer {
    let next = writer.next_id();
    drop(writer);
    let oldest = ring.reader().unwrap().bounds().oldest;
    let file = writable(name);
    // The oldest frame is given up for the new one, whose descriptor is half written.
    file.write_all_at(&(oldest + 1).to_ne_bytes(), 64).unwrap();
    let slot = 4096 + next % 64 * 128;
    file.write_all_at(&next.to_ne_bytes(), slot).unwrap();
    loop {
        match ring.writer() {
            // What another test is just starting holds the lock, too, until it executes.
            Err(Error::WriterLives) => std::thread::yield_now(),
            writer => return writer.unwrap(),
        }
    }
}

/// A foreign reader; ended with its guard.
struct Foreign {
    child: Child,
    lines: Receiver<String>,
}

/// How it ended by itself.
struct End {
    /// Lines that were not yet taken, in words.
    lines: Vec<Vec<String>>,
    code: i32,
    error: String,
}

impl Foreign {
    fn start(command: &mut Command) -> Foreign {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        // Takes what is printed at once: a full pipe would stop the reader.
        std::thread::spawn(move || out.lines().try_for_each(|line| send.send(line.unwrap())));
        Foreign { child, lines }
    }

    /// The next line's words; none at its end.
    fn line(&mut self) -> Option<Vec<String>> {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        match self.lines.recv_timeout(HANG) {
            Ok(line) => Some(line.split(' ').map(str::to_owned).collect()),
            Err(Disconnected) => None,
            Err(Timeout) => panic!("it hangs"),
        }
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; a signal is a failure.
    fn end(mut self) -> End {
        let lines: Vec<_> = std::iter::from_fn(|| self.line()).collect();
        let mut error = String::new();
        let mut pipe = self.child.stderr.take().unwrap();
        pipe.read_to_string(&mut error).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), None, "{error}");
        End {
            lines,
            code: status.code().unwrap(),
            error,
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("{word:?}"))
}

/// Has a reader attach to a ring whose header is wrong: in one bit of each byte that is checked,
/// and in its length.
fn each_bad_header(mut attach: impl FnMut(&str)) {
    let name = name("header");
    let _ring = Ring::create(&name, MIN_ARENA).unwrap();
    let good = std::fs::read(path(&name)).unwrap();
    let file = writable(&name);
    for at in (0..12).chain(16..49) {
        let bad = good[at] ^ 1 << (at % 8);
        file.write_all_at(&[bad], at as u64).unwrap();
        assert!(Reader::attach(&name).is_err(), "byte {at}");
        attach(&name);
        file.write_all_at(&[good[at]], at as u64).unwrap();
    }
    for len in [good.len() as u64 - 1, 4096, 64, 63, 7, 0] {
        file.set_len(len).unwrap();
        assert!(Reader::attach(&name).is_err(), "{len} bytes");
        attach(&name);
    }
}

/// Rings full of what no writer leaves.
fn noisy_rings() -> Vec<(String, Ring)> {
    let noises: [fn(usize) -> u8; 4] = [
        |_| 0xff,
        |_| 0x80,
        |_| 0x01,
        // Numbers of 0 to 255: ids, places and lengths that might be.
        |at| if at % 8 == 0 { (at / 8) as u8 } else { 0 },
    ];
    let rings = noises.map(|noise| {
        let name = name("noise");
        let ring = Ring::create(&name, MIN_ARENA).unwrap();
        let bytes: Vec<u8> = (64..4096 + 64 * 128).map(noise).collect();
        writable(&name).write_all_at(&bytes, 64).unwrap();
        (name, ring)
    });
    rings.into()
}

/// Runs `work` again and again in a thread of its own while `body` runs.
fn beside<T>(mut work: impl FnMut() + Send, body: impl FnOnce() -> T) -> T {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stopped.load(Relaxed) {
                work();
            }
        });
        let _stop = Stop(&stopped); // also where `body` panics
        body()
    })
}

/// Changes a word behind a live ring's header each time it is called.
fn scribbler(name: &str) -> impl FnMut() + Send {
    let file = writable(name);
    let mut random = 1_u64;
    move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let word = random >> (random % 61);
        let at = 64 + (random >> 20) % (4096 + 64 * 128 - 64) / 8 * 8;
        file.write_all_at(&word.to_ne_bytes(), at).unwrap();
    }
}

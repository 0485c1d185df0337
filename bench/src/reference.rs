//! The two references: what it costs at the very least to bring the same bytes to the same
//! sockets at the same rate.
//!
//! Both hold one JPEG in a private buffer, which the caches soon have, and do nothing but stamp
//! its part header and `write(2)` it: one call a viewer and frame, no ring, no source, no counters.
//!
//! - [`epoll`]: one process; a timerfd in an epoll set tells it that a frame is due, and it then
//!   writes that frame to each socket in turn.
//! - [`forked`]: a process for each socket, forked (not exec'd) when its viewer connects, which
//!   sleeps with `clock_nanosleep(2)` to the due time of the next frame and writes it. Each has its
//!   own timer, so no wake-up from process to process is charged. The pages that hold the
//!   JPEG are those that it inherited: its neighbours read the same ones, as the
//!   readers of a ring do, and not 100 KB of their own, which would make it dearer.
//!
//! Frames are due at the same times everywhere: [`Grid`]. Where a viewer does not keep up, the
//! frames that fall due meanwhile are skipped; the send buffer is the kernel's own to size,
//! as it is in most servers, and what it makes of a stall is what `stall` measures.
//!
//! They speak just enough HTTP for `watch` to be as strict with them as with seqcast: one request
//! head is read and answered with a multipart head, and each part has all of seqcast's headers.
//! `X-Timestamp` is the time at which the frame was due, the same for all viewers.
//!
//! A reference prints its address on standard output and ends at the end of its standard input,
//! so also when the bench dies.

mod epoll;
mod forked;

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

use crate::FPS;
use crate::process::{Ask, Process};

const HEAD: &[u8] = b"HTTP/1.0 200 OK\r\n\
    Content-Type: multipart/x-mixed-replace;boundary=boundarydonotcross\r\n\r\n\
    --boundarydonotcross\r\n";
const TRAILER: &[u8] = b"\r\n--boundarydonotcross\r\n";
/// Longest request head that is read, bytes.
const MAX_REQUEST: usize = 4096;

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// One process for all sockets.
    Epoll,
    /// A process for each socket.
    Forked,
}

/// The hidden subcommand `reference`.
#[derive(Debug, clap::Args)]
pub struct Args {
    kind: Kind,
    /// The JPEG to send
    jpeg: PathBuf,
    /// Frames a second
    fps: u32,
}

/// Starts one and returns when it listens, with its address. Whoever calls has [`Args`] as its subcommand `reference`.
///
/// # Errors
/// Where it does not come up.
pub fn start(kind: Kind, jpeg: &Path) -> Result<(Process, String)> {
    let name = kind.to_possible_value().context("a kind has a name")?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["reference", name.get_name()])
        .arg(jpeg)
        .arg(FPS.to_string())
        .stdout(Stdio::piped());
    let mut process = Process::start("the reference", &mut command, Ask::Hangup)?;
    let address = process.line()?;
    Ok((process, address))
}

/// Serves until standard input ends.
///
/// # Errors
/// Where it cannot.
pub fn run(args: &Args) -> Result<()> {
    let jpeg = std::fs::read(&args.jpeg).with_context(|| args.jpeg.display().to_string())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?);
    let part = Part::new(&jpeg);
    let grid = Grid::new(args.fps)?;
    match args.kind {
        Kind::Epoll => epoll::run(&listener, part, grid),
        Kind::Forked => forked::run(listener, part, grid),
    }
}

/// When frames are due: frame `id` `id` periods after the origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    /// The origin by `CLOCK_MONOTONIC` and by Unix time, nanoseconds.
    mono_ns: u64,
    unix_ns: u64,
    period_ns: u64,
}

impl Grid {
    pub(crate) fn new(fps: u32) -> Result<Grid> {
        Ok(Grid {
            mono_ns: now_ns(ClockId::CLOCK_MONOTONIC)?,
            unix_ns: now_ns(ClockId::CLOCK_REALTIME)?,
            period_ns: 1_000_000_000 / u64::from(fps.max(1)),
        })
    }

    /// The frame that fell due last, by `CLOCK_MONOTONIC`.
    pub(crate) fn last_due(&self, mono_ns: u64) -> u64 {
        mono_ns.saturating_sub(self.mono_ns) / self.period_ns
    }

    /// When `id` is due, by `CLOCK_MONOTONIC`.
    pub(crate) fn due(&self, id: u64) -> Duration {
        Duration::from_nanos(self.mono_ns + id * self.period_ns)
    }

    /// The same by Unix time, nanoseconds.
    pub(crate) fn due_unix_ns(&self, id: u64) -> u64 {
        self.unix_ns + id * self.period_ns
    }

    fn stamp(&self, id: u64, skipped: u64) -> Stamp {
        Stamp {
            id,
            skipped,
            unix_us: self.due_unix_ns(id) / 1000,
        }
    }
}

pub(crate) fn now_ns(clock: ClockId) -> nix::Result<u64> {
    Ok(Duration::from(clock_gettime(clock)?).as_nanos() as u64)
}

/// Sleeps until that time by `CLOCK_MONOTONIC`.
pub(crate) fn sleep_until(due: Duration) -> nix::Result<()> {
    let absolute = ClockNanosleepFlags::TIMER_ABSTIME;
    loop {
        match clock_nanosleep(ClockId::CLOCK_MONOTONIC, absolute, &TimeSpec::from(due)) {
            Err(Errno::EINTR) => {}
            slept => return slept.map(drop),
        }
    }
}

/// What a part's headers say beside the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    id: u64,
    skipped: u64,
    unix_us: u64,
}

/// A frame as it goes out: header, JPEG and the delimiter behind it, in one buffer.
struct Part {
    bytes: Vec<u8>,
    jpeg_len: usize,
    stamp: Stamp,
}

impl Part {
    fn new(jpeg: &[u8]) -> Part {
        let stamp = Stamp {
            id: 0,
            skipped: 0,
            unix_us: 0,
        };
        let mut bytes = Vec::with_capacity(jpeg.len() + 256);
        for piece in [header(jpeg.len(), &stamp).as_bytes(), jpeg, TRAILER] {
            bytes.extend_from_slice(piece);
        }
        Part {
            bytes,
            jpeg_len: jpeg.len(),
            stamp,
        }
    }

    /// The bytes to write for that frame.
    fn stamped(&mut self, stamp: Stamp) -> &[u8] {
        if self.stamp != stamp {
            let header = header(self.jpeg_len, &stamp);
            self.bytes[..header.len()].copy_from_slice(header.as_bytes());
            self.stamp = stamp;
        }
        &self.bytes
    }
}

/// Of the same length whatever it says, so that the JPEG stays where it is.
fn header(len: usize, stamp: &Stamp) -> String {
    format!(
        "Content-Type: image/jpeg\r\n\
         Content-Length: {len:010}\r\n\
         X-Timestamp: {:010}.{:06}\r\n\
         X-Seqcast-Frame: {:010}\r\n\
         X-Seqcast-Skipped: {:010}\r\n\r\n",
        stamp.unix_us / 1_000_000,
        stamp.unix_us % 1_000_000,
        stamp.id,
        stamp.skipped,
    )
}

/// Accepts a viewer, reads its request and sends the head of the stream.
fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut request = Vec::new();
    let mut buffer = [0; MAX_REQUEST];
    while !request.ends_with(b"\r\n\r\n") {
        let len = stream.read(&mut buffer)?;
        request.extend_from_slice(&buffer[..len]);
        if len == 0 || request.len() > MAX_REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    stream.write_all(HEAD)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_leave_the_jpeg_where_it_is() {
        let jpeg: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        let mut part = Part::new(&jpeg);
        for id in [1, 2, 123_456_789] {
            let stamp = Stamp {
                id,
                skipped: id / 2,
                unix_us: 1_700_000_000_000_001_u64.wrapping_mul(id) % 9_000_000_000_000_000,
            };
            let bytes = part.stamped(stamp);
            let want = [header(jpeg.len(), &stamp).as_bytes(), &jpeg, TRAILER].concat();
            assert!(bytes == want);
        }
    }

    #[test]
    fn the_header_is_what_watch_reads() {
        let stamp = Stamp {
            id: 42,
            skipped: 3,
            unix_us: 1_700_000_000_000_050,
        };
        let text = header(100_000, &stamp);
        assert!(text.contains("Content-Length: 0000100000\r\n"));
        assert!(text.contains("X-Timestamp: 1700000000.000050\r\n"));
        assert!(text.contains("X-Seqcast-Frame: 0000000042\r\n"));
        assert!(text.ends_with("X-Seqcast-Skipped: 0000000003\r\n\r\n"));
    }

    #[test]
    fn frames_fall_due_on_the_grid() {
        let grid = Grid {
            mono_ns: 1_000,
            unix_ns: 5_000_000,
            period_ns: 100,
        };
        assert_eq!(grid.last_due(0), 0);
        assert_eq!(grid.last_due(1_099), 0);
        assert_eq!(grid.last_due(1_100), 1);
        assert_eq!(grid.due(7), Duration::from_nanos(1_700));
        assert_eq!(grid.stamp(20, 0).unix_us, 5_002);
    }
}

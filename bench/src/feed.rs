//! A camera for servers that have none: JPEGs, one when each falls due, with id and time in them.
//!
//! Servers of others do not number their frames, so these carry what loss, latency and skew are measured by: a COM
//! segment (ITU T.81 B.2.4.5) right behind the SOI with the coding of `bench/originals/source.py` (`seqcast1`, the id, and
//! the Unix time in nanoseconds at which it was due, u64 little-endian each), which `watch` reads. They leave as parts of a
//! multipart stream on standard output. What falls due while a frame is still being taken is gone, as a camera's is, and has no id.
//!
//! Not here: pixels (`jpeg`), and who reads it.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::time::ClockId;

use crate::FPS;
use crate::process::{Ask, Process};
use crate::reference::{Grid, now_ns, sleep_until};

/// The boundary of the stream.
pub const BOUNDARY: &str = "camera";
/// SOI.
const SOI: [u8; 2] = [0xff, 0xd8];
/// COM and its length, which counts itself.
const COM: [u8; 4] = [0xff, 0xfe, 0, 26];
const MARK: &[u8; 8] = b"seqcast1";
/// Where the id begins; the time follows it.
const ID: usize = SOI.len() + COM.len() + MARK.len();

/// The hidden subcommand `feed`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Frames a second
    fps: u32,
    /// JPEGs, shown in turn
    #[arg(required = true)]
    jpegs: Vec<PathBuf>,
}

/// Feeds until nobody takes it any more.
///
/// # Errors
/// Where a JPEG cannot be read or sent.
pub fn run(args: &Args) -> Result<()> {
    let read = |path: &PathBuf| {
        let jpeg = fs::read(path).with_context(|| path.display().to_string())?;
        coded(&jpeg).with_context(|| path.display().to_string())
    };
    let mut jpegs = args.jpegs.iter().map(read).collect::<Result<Vec<_>>>()?;
    let mut stdout = io::stdout().lock();
    write!(stdout, "--{BOUNDARY}")?;
    let mut part = Vec::new();
    let grid = Grid::new(args.fps)?;
    let mut due = 1;
    for id in 1.. {
        sleep_until(grid.due(due))?;
        let turn = (id % jpegs.len() as u64) as usize;
        stamp(&mut jpegs[turn], id, grid.due_unix_ns(due));
        write_part(&mut part, &jpegs[turn])?;
        match stdout.write_all(&part).and_then(|()| stdout.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => break,
            sent => sent?,
        }
        due = grid.last_due(now_ns(ClockId::CLOCK_MONOTONIC)?).max(due) + 1;
    }
    Ok(())
}

/// Starts one over the JPEGs; its frames leave on standard output, which is piped. Whoever calls has [`Args`] as its
/// subcommand `feed`.
///
/// # Errors
/// Where it does not start.
pub fn start(jpegs: &[PathBuf]) -> Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("feed").arg(FPS.to_string()).args(jpegs);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Process::start("the camera", &mut command, Ask::Terminate)
}

/// What follows the boundary before a frame, with the boundary right behind it, so that a reader who looks for that need
/// not wait for the next frame.
fn write_part(part: &mut Vec<u8>, jpeg: &[u8]) -> io::Result<()> {
    part.clear();
    let length = jpeg.len();
    write!(
        part,
        "\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n"
    )?;
    part.extend_from_slice(jpeg);
    write!(part, "\r\n--{BOUNDARY}")
}

/// The JPEG with room for the coding.
///
/// # Errors
/// Where it is none.
pub fn coded(jpeg: &[u8]) -> Result<Vec<u8>> {
    ensure!(jpeg.starts_with(&SOI), "no JPEG");
    Ok([&SOI[..], &COM, MARK, &[0; 16], &jpeg[SOI.len()..]].concat())
}

/// Writes id and time into the room for them.
fn stamp(coded: &mut [u8], id: u64, unix_ns: u64) {
    coded[ID..ID + 8].copy_from_slice(&id.to_le_bytes());
    coded[ID + 8..ID + 16].copy_from_slice(&unix_ns.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_coded_is_still_a_jpeg() {
        let mut jpeg = Vec::new();
        picture::encode_bgr(&[128; 64 * 48 * 3], 64, 48, 80, &mut jpeg).unwrap();
        let mut coded = coded(&jpeg).unwrap();
        stamp(&mut coded, 0xffd9, u64::MAX);
        assert_eq!(coded.len(), jpeg.len() + 28);
        let info = picture::jpeg::check(&coded).unwrap();
        assert_eq!((info.width, info.height), (64, 48));
        assert!(super::coded(b"GIF").is_err());
    }

    #[test]
    fn a_part_ends_with_the_next_boundary() {
        let mut part = b"the one before".to_vec();
        write_part(&mut part, b"jpeg").unwrap();
        let text = "\r\nContent-Type: image/jpeg\r\nContent-Length: 4\r\n\r\njpeg\r\n--camera";
        assert_eq!(part, text.as_bytes());
    }
}

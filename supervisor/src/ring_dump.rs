//! `seqcast ring --dump`: records frames from a ring, in order and whole, until interrupted; over
//! the death of whoever writes it and the ring's re-creation.
//!
//! The file is bare MJPEG: one JPEG behind the other. Not here: following a ring
//! (`shm_ring::Consumer`), which instance (`ring`).

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use shm_ring::{Consumer, Event, FrameInfo, Offset, Reader};
use tracing::{info, warn};
use worker::{Instance, exit};

use crate::Usage;
use crate::output::{complain, say};
use crate::units;

/// The longest wait: how late a stop is heeded.
const TICK: Duration = Duration::from_millis(200);

/// Records into `path`, from the newest frame on, until Ctrl-C or SIGTERM, at most for `seconds`.
///
/// # Errors
/// No ring, no MJPG in it, a file that cannot be written.
pub fn run(instance: &Instance, path: &Path, seconds: Option<Duration>) -> Result<()> {
    worker::log::init("info", false).map_err(Usage)?;
    // Before the file is replaced: whether there is something to record.
    let ring = Reader::attach(&instance.ring())?;
    if let Ok(newest) = ring.frame(ring.bounds().head) {
        check_format(newest.info())?;
    }
    let mut file = Target::open(path)?;
    let stop = catch_stops()?;
    let mut consumer = Consumer::open(&instance.ring(), Offset::Last)?;
    let mut tally = Tally::default();
    let began = Instant::now();
    let over = record(&mut consumer, &mut file, &mut tally, || match seconds {
        _ if stop.load(Relaxed) => Duration::ZERO,
        Some(seconds) => seconds.saturating_sub(began.elapsed()),
        None => TICK,
    });
    tally.time = began.elapsed();
    over.with_context(|| format!("recording broke off: {tally}"))?;
    file.report(&tally);
    Ok(())
}

/// Takes frames over as long as there is time left.
fn record(
    consumer: &mut Consumer,
    file: &mut Target,
    tally: &mut Tally,
    left: impl Fn() -> Duration,
) -> Result<()> {
    let mut frame = Vec::new();
    let mut gone = false;
    loop {
        let left = left();
        if left.is_zero() {
            return Ok(());
        }
        match consumer.next(&mut frame, left.min(TICK))? {
            Event::Frame { info, missed } => {
                check_format(&info)?;
                file.append(&frame, tally.bytes)?;
                tally.frames += 1;
                tally.bytes += frame.len() as u64;
                // A stranger's ring may say anything.
                tally.missed = tally.missed.saturating_add(missed);
            }
            Event::Recreated => {
                gone = false;
                info!("the ring was made anew; recording goes on");
            }
            Event::Quiet if !gone && consumer.reader().is_removed()? => {
                gone = true;
                warn!("the ring was removed; recording goes on when there is one again");
            }
            Event::Quiet => {}
        }
    }
}

fn check_format(frame: &FrameInfo) -> Result<(), Usage> {
    let format = frame.meta.format;
    if format == *b"MJPG" {
        return Ok(());
    }
    let format = format.escape_ascii();
    Err(Usage(format!(
        "--dump records MJPG, and frame {} is {format}",
        frame.id
    )))
}

/// Set by Ctrl-C and by SIGTERM. The second one ends the program at once: a reader of a pipe that
/// takes nothing holds up the first.
fn catch_stops() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let handler = stop.clone();
    let again = move || {
        if handler.swap(true, Relaxed) {
            std::process::exit(exit::FAILURE);
        }
    };
    ctrlc::set_handler(again).context("handle Ctrl-C")?;
    Ok(stop)
}

/// Where frames go.
struct Target {
    file: File,
    name: String,
    is_stdout: bool,
}

impl Target {
    fn open(path: &Path) -> Result<Target> {
        let is_stdout = path.as_os_str() == "-";
        let name = match is_stdout {
            true => "standard output".into(),
            false => path.display().to_string(),
        };
        let file = match is_stdout {
            // By its descriptor: Rust's own would look for line feeds in the frames.
            true => io::stdout().as_fd().try_clone_to_owned().map(File::from),
            false => File::create(path),
        };
        let file = file.with_context(|| format!("--dump {name}"))?;
        Ok(Target {
            file,
            name,
            is_stdout,
        })
    }

    /// Appends a frame to the `before` bytes of whole ones, or says why not. What was written of
    /// it then is cut off again, where that can be.
    fn append(&mut self, frame: &[u8], before: u64) -> Result<()> {
        let Err(e) = self.file.write_all(frame) else {
            return Ok(());
        };
        if !self.is_stdout {
            let _ = self.file.set_len(before); // a pipe or a device has no length
        }
        Err(match e.kind() {
            io::ErrorKind::BrokenPipe => anyhow!("nobody reads {} any more", self.name),
            _ => anyhow!("{}: {e}", self.name),
        })
    }

    /// Says what came of it, where that is not in the way of frames.
    fn report(&self, tally: &Tally) {
        match self.is_stdout {
            true => complain!("{}: {tally}", self.name),
            false => say!("{}: {tally}", self.name),
        }
    }
}

/// What was recorded.
#[derive(Debug, Default)]
struct Tally {
    frames: u64,
    bytes: u64,
    /// Overwritten before they could be taken.
    missed: u64,
    time: Duration,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} frames, {} bytes ({}) in {:.1} s, {} missed",
            self.frames,
            self.bytes,
            units::show_bytes(self.bytes),
            self.time.as_secs_f64(),
            self.missed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_in_a_line() {
        let tally = Tally {
            frames: 299,
            bytes: 6_000_000,
            missed: 1,
            time: Duration::from_millis(9_960),
        };
        assert_eq!(
            tally.to_string(),
            "299 frames, 6000000 bytes (5.7 MiB) in 10.0 s, 1 missed"
        );
    }
}

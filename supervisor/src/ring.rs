//! `seqcast ring`: reads an instance's ring, whoever still lives of the instance. Needs no more
//! than the ring itself, which a group may be allowed to read (`--ring-group`).
//!
//! Not here: what is computed and printed (`ring_view`), recording (`ring_dump`).

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};
use nix::errno::Errno;
use shm_ring::{Bounds, FrameInfo, Reader, lock};
use worker::{Instance, exit, monotonic_ns, unix_ns};

use crate::output::say;
use crate::ring_view::{self, Frames, Newest, Rate, View, rounded, seconds};
use crate::{Usage, choose, cli, ring_dump};

/// How long rates are measured.
const MOMENT: Duration = Duration::from_secs(1);

/// Prints the ring of an instance, or records from it; the exit code.
///
/// # Errors
/// Shared memory that is no ring, is of another version or may not be read; those of
/// [`ring_dump::run`].
pub fn run(asked: &cli::Ring) -> Result<i32> {
    let instance = match &asked.name {
        Some(name) => Instance::new(name)?,
        None => match choose::only(Instance::list(), is_written) {
            Ok(instance) => instance,
            Err(several) if asked.dump.is_none() || several.is_empty() => {
                return Ok(choose::list(&several, is_written, asked.json, "ring"));
            }
            Err(several) => {
                let names: Vec<_> = several.iter().map(Instance::name).collect();
                let said = format!("choose one with --name: {}", names.join(", "));
                return Err(Usage(said).into());
            }
        },
    };
    let done = match &asked.dump {
        Some(file) => ring_dump::run(&instance, file, asked.seconds),
        None => print(&instance, asked.json),
    };
    match done {
        Ok(()) => Ok(exit::OK),
        Err(e) if matches!(e.downcast_ref(), Some(shm_ring::Error::NotFound { .. })) => {
            Ok(choose::none_runs(Some(&instance)))
        }
        Err(e) => Err(explain(&instance, e)),
    }
}

/// Whether a writer holds the ring. The instance's own lock is not a group's to read.
fn is_written(instance: &Instance) -> bool {
    Reader::attach(&instance.ring()).is_ok_and(|ring| writer_lives(&ring))
}

fn writer_lives(ring: &Reader) -> bool {
    lock::is_locked(ring.as_fd()).unwrap_or(false)
}

/// What to do where a ring cannot be read.
fn explain(instance: &Instance, error: Error) -> Error {
    let context = match error.downcast_ref() {
        Some(shm_ring::Error::Os { source, .. })
            if source.raw_os_error() == Some(Errno::EACCES as i32) =>
        {
            format!(
                "the ring of {instance} is not yours to read: its owner lets a group read it with \
                 --ring-group GROUP"
            )
        }
        Some(shm_ring::Error::Truncated { .. }) | None => return error, // it says so itself
        Some(_) => format!("the ring of {instance} cannot be read: stop it and start it anew"),
    };
    error.context(context)
}

fn print(instance: &Instance, json: bool) -> Result<()> {
    let ring = Reader::attach(&instance.ring())?;
    let rate = measure(&ring, MOMENT);
    let view = look(instance, &ring, rate);
    if ring.is_lost() {
        bail!("the ring of {instance} was cut short from outside: stop it and start it anew");
    }
    if json {
        say!("{}", serde_json::to_string(&view)?);
    } else {
        say!("{}", ring_view::text(&view).trim_end());
    }
    Ok(())
}

/// Counts what comes for so long.
fn measure(ring: &Reader, time: Duration) -> Rate {
    let began = Instant::now();
    let first = ring.bounds().head;
    let (mut last, mut seen, mut bytes) = (first, 0, 0_u64);
    loop {
        let ticket = ring.ticket();
        let new = readable(ring, ring.bounds(), last.saturating_add(1));
        seen += new.len() as u64;
        bytes = new
            .iter()
            .fold(bytes, |sum, frame| sum.saturating_add(frame.len as u64));
        last = new.last().map_or(last, |frame| frame.id);
        let elapsed = began.elapsed();
        let Some(rest) = time.checked_sub(elapsed).filter(|rest| !rest.is_zero()) else {
            return Rate::of(last.saturating_sub(first), seen, bytes, elapsed);
        };
        ring.wait(ticket, rest);
    }
}

/// The frames within `bounds`, from `id` on, that can be read now.
fn readable(ring: &Reader, bounds: Bounds, id: u64) -> Vec<FrameInfo> {
    // More than it has descriptors for there cannot be, whatever a stranger's header says.
    let least = bounds.head.saturating_sub(ring.descriptors());
    (id.max(bounds.oldest).max(least)..=bounds.head)
        .filter_map(|id| ring.frame(id).ok().map(|frame| *frame.info()))
        .collect()
}

fn look(instance: &Instance, ring: &Reader, rate: Rate) -> View {
    let bounds = ring.bounds();
    let frames = readable(ring, bounds, 1);
    let signal = ring.signal();
    let since =
        |then: u64, now: u64| (then != 0).then(|| rounded(seconds(now.saturating_sub(then))));
    View {
        name: instance.name().into(),
        version: shm_ring::VERSION,
        bytes: ring.arena(),
        descriptors: ring.descriptors(),
        epoch: ring.epoch(),
        writer: ring_view::Writer {
            pid: ring.writer_pid(),
            alive: writer_lives(ring),
            silent_s: since(ring.heartbeat_ns(), monotonic_ns()),
        },
        signal: ring_view::Signal {
            state: signal.signal.name(),
            reason: signal.reason,
            for_s: since(signal.since_ns, unix_ns()),
        },
        newest: frames.last().map(|last| Newest::of(last, unix_ns())),
        frames: Frames::of(bounds.oldest, bounds.head, &frames),
        rate,
    }
}

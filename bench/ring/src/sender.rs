//! The two processes that the row `send` starts: one sends a frame's bytes to loopback TCP,
//! straight from the ring and from a private buffer that is hot in its cache in turns, whenever a
//! frame was published; the other throws away what it gets.
//!
//! The sender says `+` when it is connected, and at the end pairs of native 64-bit words: CPU
//! nanoseconds of a send from the ring, and of the next one from the private buffer.
//! Not here: who publishes, at which pace, and what is made of the pairs (`rows::sending`).

use std::hint::black_box;
use std::io::{Read as _, Write as _, stdout};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use shm_ring::{MaybeTorn, Reader};

use crate::clock::thread_cpu_ns;
use crate::reader::{attached, end_with_parent};
use crate::side::{END, WARM_UP};
use crate::sys;

/// The hidden subcommand `sink`: takes one connection, on a port that it says as two bytes behind
/// its `+`.
///
/// # Errors
/// Those of its sockets.
pub fn sink() -> Result<()> {
    end_with_parent()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    attached()?;
    stdout().write_all(&listener.local_addr()?.port().to_ne_bytes())?;
    stdout().flush()?;
    let (mut connection, _) = listener.accept()?;
    let mut buffer = vec![0; 1 << 20];
    while connection.read(&mut buffer)? > 0 {}
    Ok(())
}

/// The hidden subcommand `sender`: sends every newest frame of a ring until [`END`].
///
/// # Errors
/// Those of the ring and of its socket, and where a frame was overwritten meanwhile: the ring is
/// to be large enough.
pub fn run(ring: &str, port: u16, len: usize) -> Result<()> {
    end_with_parent()?;
    let reader = Reader::attach(ring)?;
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    let private = vec![1; len];
    let mut spent = [Vec::new(), Vec::new()];
    let mut seen = reader.bounds().head;
    attached()?;
    loop {
        let ticket = reader.ticket();
        let head = reader.bounds().head;
        if head == seen {
            reader.wait(ticket, Duration::from_secs(5));
            continue;
        }
        seen = head;
        let frame = reader.frame(head).context("the newest frame is gone")?;
        let round = frame.info().meta.flags;
        if round == END {
            break;
        }
        // In turns, a frame each: both are the first send after a wait, with all that costs.
        let from_ring = head % 2 == 0;
        let cpu = if from_ring {
            let cpu = cpu_of(|| send_from_ring(&frame, &socket))?;
            ensure!(
                frame.is_intact(),
                "the frame was overwritten: too small a ring"
            );
            cpu
        } else {
            heat(&private);
            cpu_of(|| Ok(socket.write_all(&private)?))?
        };
        wait_drained(&socket)?;
        if round != WARM_UP {
            spent[usize::from(!from_ring)].push(cpu);
        }
    }
    let [ours, theirs] = spent;
    let pairs = ours
        .into_iter()
        .zip(theirs)
        .map(|(ours, theirs)| [ours, theirs]);
    let bytes: Vec<u8> = pairs.flatten().flat_map(u64::to_ne_bytes).collect();
    stdout().write_all(&bytes)?;
    Ok(stdout().flush()?)
}

fn cpu_of(send: impl FnOnce() -> Result<()>) -> Result<u64> {
    let before = thread_cpu_ns()?;
    send()?;
    Ok(thread_cpu_ns()? - before)
}

fn send_from_ring(frame: &MaybeTorn<'_>, socket: &TcpStream) -> Result<()> {
    let mut sent = 0;
    while sent < frame.info().len {
        sent += frame.write_to(socket.as_fd(), sent..frame.info().len)?;
    }
    Ok(())
}

/// Reads every cache line of a buffer.
fn heat(buffer: &[u8]) {
    let sum = buffer
        .iter()
        .step_by(64)
        .fold(0_u8, |sum, &b| sum.wrapping_add(b));
    black_box(sum);
}

/// Waits until the other end has acknowledged everything: each send begins with empty queues.
fn wait_drained(socket: &TcpStream) -> Result<()> {
    while sys::unsent(socket.as_raw_fd())? > 0 {
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

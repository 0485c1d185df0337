//! A process for each socket. Sockets are blocking: one that does not take a frame holds up its
//! own process alone.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;

use anyhow::Result;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::time::ClockId;
use nix::unistd::{ForkResult, Pid, getpid, getppid, write};

use super::{Grid, Part, accept, now_ns, sleep_until};
use crate::sys;

pub fn run(listener: TcpListener, part: Part, grid: Grid) -> Result<()> {
    let mut children = Children(Vec::new());
    let parent = getpid();
    let stdin = std::io::stdin();
    loop {
        let mut watched =
            [stdin.as_fd(), listener.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue, // a profiler that attached
            Err(e) => return Err(e.into()),
        }
        if watched[0].any() == Some(true) {
            return Ok(());
        }
        let Ok(socket) = accept(&listener) else {
            continue;
        };
        match sys::fork_single_threaded()? {
            ForkResult::Parent { child } => children.0.push(child),
            ForkResult::Child => {
                drop(listener);
                let orphan_proof = set_pdeathsig(Signal::SIGKILL).is_ok();
                if orphan_proof && getppid() == parent {
                    // It ends with its viewer; there is nobody to tell.
                    let _ = serve(&socket, part, &grid);
                }
                sys::exit_now(0);
            }
        }
    }
}

/// Not reaped before the end, so the pids stay their own.
struct Children(Vec<Pid>);

impl Drop for Children {
    fn drop(&mut self) {
        for &child in &self.0 {
            let _ = kill(child, Signal::SIGKILL);
            let _ = waitpid(child, None);
        }
    }
}

/// Sends frames as they fall due, until the viewer is gone.
fn serve(socket: &TcpStream, mut part: Part, grid: &Grid) -> nix::Result<()> {
    let last_due = || now_ns(ClockId::CLOCK_MONOTONIC).map(|now| grid.last_due(now));
    let mut id = last_due()? + 1;
    let mut skipped = 0;
    loop {
        sleep_until(grid.due(id))?;
        let mut bytes = part.stamped(grid.stamp(id, skipped));
        while !bytes.is_empty() {
            let written = write(socket, bytes)?;
            bytes = &bytes[written..];
        }
        let next = last_due()?.max(id + 1);
        skipped = next - id - 1;
        id = next;
    }
}

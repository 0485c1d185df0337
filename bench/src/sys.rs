//! The calls that are `unsafe` in Rust. Not here: any decision.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, fork};

/// Forks a process that has a single thread.
///
/// # Errors
/// Those of `fork(2)`.
pub fn fork_single_threaded() -> nix::Result<ForkResult> {
    // SAFETY: only the references fork, and they never start a thread: no lock is held by a
    // thread that the child does not have.
    unsafe { fork() }
}

/// Ends this process without running anything that it shares with its parent (atexit, destructors).
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) takes any value and does not return.
    unsafe { libc::_exit(code) }
}

/// Lets the kernel ask the process that `command` will start to end, should this one die first.
pub fn stop_with_us(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec the closure makes one system call, prctl(2), and allocates
    // nothing.
    unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGTERM)?)) }
}

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
pub(crate) fn fork_single_threaded() -> nix::Result<ForkResult> {
    // SAFETY: only the references fork, and they never start a thread: no lock is held by a
    // thread that the child does not have.
    unsafe { fork() }
}

/// Ends this process without running anything that it shares with its parent (atexit, destructors).
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) takes any value and does not return.
    unsafe { libc::_exit(code) }
}

/// Lets this thread run only when others leave the CPU to it (`nice` 19, setpriority(2), which is each thread's own on
/// Linux). Where that is refused it stays as it is.
pub fn give_way() {
    // SAFETY: setpriority(2) takes any values and touches no memory of ours.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}

/// Lets the kernel ask the process that `command` will start to end (SIGTERM), should the thread that starts it end
/// first (prctl(2), `PR_SET_PDEATHSIG`).
pub fn stop_with_us(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec the closure makes one system call, prctl(2), and allocates
    // nothing.
    unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGTERM)?)) }
}

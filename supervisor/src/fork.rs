//! Makes a worker: forks, and turns the copy into a process of its own that answers to nobody
//! but the supervisor and dies with it.
//!
//! Not here: what the worker then does, and when to fork (`policy`).

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{ForkResult, Pid, getpid, getppid};

use crate::sys;

/// A forked worker, as its parent knows it.
#[derive(Debug)]
pub struct Child {
    /// Its pid.
    pub pid: Pid,
    /// Readable once it is dead.
    pub pidfd: OwnedFd,
}

/// Forks a process that runs `body` and exits with the code it returns. After
/// [`end_workers_with_panics`], a panic of any of its threads ends it with
/// [`worker::exit::PANIC`]; it never unwinds into the parent's frames.
///
/// # Errors
/// Those of `fork(2)` and `pidfd_open(2)`.
pub fn fork(body: impl FnOnce() -> i32) -> io::Result<Child> {
    let parent = getpid();
    // Across the fork no signal may run a handler of ours in the child.
    let mut blocked = SigSet::all();
    // But that of a fault, which would kill (`shm_ring::survive_truncation`).
    blocked.remove(Signal::SIGBUS);
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&blocked), Some(&mut before))?;
    let forked = sys::fork_process();
    if let Ok(ForkResult::Child) = forked {
        IS_WORKER.store(true, Relaxed);
        let code = orphan_proof(parent).map_or(worker::exit::FAILURE, |()| body());
        sys::exit_now(code);
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    match forked? {
        ForkResult::Parent { child } => match sys::pidfd(child) {
            Ok(pidfd) => Ok(Child { pid: child, pidfd }),
            Err(e) => {
                // Unwatchable, so unwanted.
                let _ = nix::sys::signal::kill(child, Signal::SIGKILL);
                let _ = nix::sys::wait::waitpid(child, None);
                Err(e)
            }
        },
        ForkResult::Child => unreachable!("the child left above"),
    }
}

/// Dies when the thread that forked it dies; that is the supervisor's main thread.
fn orphan_proof(parent: Pid) -> Option<()> {
    set_pdeathsig(Signal::SIGKILL).ok()?;
    // It may have died before the line above.
    (getppid() == parent).then_some(())
}

/// Set in a forked process.
static IS_WORKER: AtomicBool = AtomicBool::new(false);

/// Makes a panic end a worker at once. Installed by the parent: what a child need not allocate,
/// it need not copy pages for.
pub fn end_workers_with_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        if IS_WORKER.load(Relaxed) {
            sys::exit_now(worker::exit::PANIC);
        }
    }));
}

/// What every worker does first, in this order: signals, and no descriptor but those of `keep`,
/// standard output and error. Standard input is kept for whom `keep` names it, and is else
/// /dev/null. Allocates nothing: a page of the heap that is written to is a private one.
///
/// # Errors
/// Those of the calls.
pub fn settle(keep: impl Iterator<Item = RawFd> + Clone) -> anyhow::Result<()> {
    if !keep.clone().any(|fd| fd == 0) {
        let null = std::fs::File::open("/dev/null")?;
        nix::unistd::dup2_stdin(&null)?;
    }
    sys::close_all_but(keep.chain([0, 1, 2]))?;
    worker::signals::install()?;
    Ok(())
}

//! A forked process: it ends with its parent, and its parent signals nobody else.
//!
//! Not here: what it does, and when it is killed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Result, bail};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, getpid, getppid};

use crate::sys;

/// A child. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct Child {
    /// Not reaped before it is given up, so the pid stays its own.
    pid: Option<Pid>,
}

impl Child {
    /// Forks a child that lives `life`, which is not meant to end.
    pub fn fork(life: impl FnOnce() -> Result<()>) -> Result<Child> {
        let parent = getpid();
        match sys::fork_single_threaded()? {
            ForkResult::Parent { child } => Ok(Child { pid: Some(child) }),
            ForkResult::Child => {
                let orphan_proof = set_pdeathsig(Signal::SIGKILL).is_ok();
                if !orphan_proof || getppid() != parent {
                    sys::exit_now(1);
                }
                // Unwinding into the parent's frames would kill the other children.
                if let Ok(Err(e)) = catch_unwind(AssertUnwindSafe(life)) {
                    eprintln!("stress: a process of the run ended: {e:#}");
                }
                sys::exit_now(1)
            }
        }
    }

    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        match self.pid {
            Some(pid) => Ok(kill(pid, signal)?),
            None => bail!("a process of the run is gone"),
        }
    }

    /// Kills the child and reaps it.
    pub fn kill(&mut self) {
        if let Some(pid) = self.pid.take() {
            // Neither fails for a child that was not reaped.
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }

    /// Fails if the child ended by itself.
    pub fn check(&mut self) -> Result<()> {
        let Some(pid) = self.pid else { return Ok(()) };
        match waitpid(pid, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::StillAlive => Ok(()),
            ended => {
                self.pid = None;
                bail!("a process of the run ended by itself: {ended:?}");
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

//! What `nix` lacks: pidfds, `close_range`, fork under its own name, `TCP_DEFER_ACCEPT`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::signal::{SigHandler, Signal};
use nix::unistd::{ForkResult, Pid, fork};

/// Forks.
///
/// # Errors
/// Those of `fork(2)`.
pub fn fork_process() -> nix::Result<ForkResult> {
    // SAFETY: the supervisor has one thread, which is here and so holds no lock: the child's copies
    // of all locks (malloc's, stderr's) are free. The caller blocked all signals, so no handler
    // runs in between.
    unsafe { fork() }
}

/// Whether `signal` is ignored.
///
/// # Errors
/// Those of `sigaction(2)`.
pub fn is_ignored(signal: Signal) -> io::Result<bool> {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: asks only; `now` is written whole where it succeeds, and only then read.
    unsafe {
        if libc::sigaction(signal as i32, std::ptr::null(), now.as_mut_ptr()) < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(now.assume_init().sa_sigaction == libc::SIG_IGN)
    }
}

/// Keeps the dead until they are waited for, whatever the parent left: where SIGCHLD is ignored,
/// the kernel reaps them itself and nobody learns how they ended (`wait(2)`).
///
/// # Errors
/// Those of `signal(2)`.
pub fn reap_by_waiting() -> nix::Result<()> {
    // SAFETY: the default disposition runs no code of ours.
    unsafe { nix::sys::signal::signal(Signal::SIGCHLD, SigHandler::SigDfl) }.map(drop)
}

/// Takes these variables out of the environment. To be called by `main`, before any other thread.
pub fn forget_variables(names: &[&str]) {
    for name in names {
        // SAFETY: there is one thread, so nobody reads the environment meanwhile.
        unsafe { std::env::remove_var(name) }
    }
}

/// How large the stacks of threads are that this process starts from now on, bytes. To be called before the first: `std` asks
/// once.
pub fn set_thread_stack(bytes: usize) {
    // SAFETY: there is one thread, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var("RUST_MIN_STACK", bytes.to_string()) }
}

/// Has all threads of this process share a heap (`M_ARENA_MAX`, mallopt(3)): threads that come and go, as a
/// connection's do, else leave theirs behind, with what was freed in it.
pub fn share_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it is a number of the allocator's, which may be set at any time.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// A descriptor that this process was given by whoever started it, if it is open. To be called by
/// `main`, before it opens anything, once for each.
pub fn passed_descriptor(fd: RawFd) -> Option<OwnedFd> {
    // SAFETY: asks only, and takes an integer.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: it is open, and nobody here has opened it: it was passed on to be ours.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Ends the process at once, running nothing of the parent's on the way.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any code and never returns.
    unsafe { libc::_exit(code) }
}

/// A descriptor that is readable once the child is dead (`pidfd_open(2)`, Linux 5.3).
///
/// # Errors
/// Those of the system call.
pub fn pidfd(child: Pid) -> io::Result<OwnedFd> {
    // SAFETY: takes two integers; the result is checked, and is ours alone when it is one.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, child.as_raw(), 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// Closes every descriptor but those of `keep` (`close_range(2)`, Linux 5.9).
///
/// After this, nothing inherited that owns a closed descriptor may be dropped; a worker leaves by
/// [`exit_now`], which drops nothing.
///
/// # Errors
/// Those of the system call.
pub fn close_all_but(keep: impl Iterator<Item = RawFd> + Clone) -> io::Result<()> {
    let mut from = 0;
    loop {
        let next = keep.clone().filter(|&fd| fd >= from).min();
        let end = next.unwrap_or(RawFd::MAX);
        if end > from {
            // SAFETY: takes three integers; see above for what its callers owe.
            let done = unsafe { libc::syscall(libc::SYS_close_range, from, end - 1, 0) };
            if done < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        if next.is_none() {
            return Ok(());
        }
        from = end + 1;
    }
}

/// Lets connections be accepted only when their first bytes are there, or after `seconds`:
/// silent ones then cost no process (`tcp(7)`).
///
/// # Errors
/// Those of `setsockopt(2)`.
pub fn defer_accept(listener: &impl AsFd, seconds: i32) -> io::Result<()> {
    // SAFETY: the option's value is an int, alive during the call.
    let set = unsafe {
        libc::setsockopt(
            listener.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if set < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

//! What `nix` lacks: pidfds, `close_range`, fork under its own name, `TCP_DEFER_ACCEPT`.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::signal::{SigHandler, Signal};
use nix::unistd::{ForkResult, Pid, fork};

/// Forks.
///
/// # Errors
/// Those of `fork(2)`.
pub fn fork_process() -> nix::Result<ForkResult> {
    // SAFETY: the one other thread is `ctrlc`'s, which only ever writes an eventfd and holds no
    // lock at any time, so the child's copies of all locks (malloc's, stderr's) are free. All
    // signals are blocked by the caller, so no handler runs in between.
    unsafe { fork() }
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
pub fn close_all_but(keep: &mut [RawFd]) -> io::Result<()> {
    keep.sort_unstable();
    let mut from = 0;
    for &fd in keep.iter().chain([&RawFd::MAX]) {
        if fd > from {
            // SAFETY: takes three integers; see above for what its callers owe.
            let done = unsafe { libc::syscall(libc::SYS_close_range, from, fd - 1, 0) };
            if done < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        from = fd.saturating_add(1);
    }
    Ok(())
}

/// Lets connections be accepted only when their first bytes are there, or after `seconds`:
/// silent ones then cost no process (`tcp(7)`).
///
/// # Errors
/// Those of `setsockopt(2)`.
pub fn defer_accept(listener: &TcpListener, seconds: i32) -> io::Result<()> {
    // SAFETY: the option's value is an int, alive during the call.
    let set = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
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

/// Whether `signal` is ignored, as `nohup` leaves SIGHUP.
///
/// # Errors
/// Those of `sigaction(2)`.
pub fn is_ignored(signal: Signal) -> nix::Result<bool> {
    let now = swap_handler(signal, SigHandler::SigIgn)?;
    swap_handler(signal, now)?;
    Ok(matches!(now, SigHandler::SigIgn))
}

/// Replaces the handler of `signal` by one of the system's own.
///
/// # Errors
/// Those of `sigaction(2)`.
pub fn set_handler(signal: Signal, handler: SigHandler) -> nix::Result<()> {
    swap_handler(signal, handler).map(drop)
}

fn swap_handler(signal: Signal, handler: SigHandler) -> nix::Result<SigHandler> {
    // SAFETY: SIG_IGN, SIG_DFL, or what was installed before: no handler of ours is added.
    unsafe { nix::sys::signal::signal(signal, handler) }
}

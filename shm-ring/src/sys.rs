//! System calls that `nix` lacks or whose safe form would need a reference into racing memory.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;

use crate::sync::AtomicU32;

/// Waits while `word` is `expected`, at most `timeout`. Returns on a wake, a change, a signal or
/// the timeout alike: the caller looks for itself. Works on a read-only map (`futex(2)`;
/// not `FUTEX_PRIVATE_FLAG`, since the waker is another process).
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32, timeout: Duration) {
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().min(3600) as libc::time_t,
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: `word` and `timeout` outlive the call, and FUTEX_WAIT writes to neither.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            &raw const timeout,
        );
    }
}

/// Wakes all who wait on `word`.
pub(crate) fn futex_wake_all(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE uses the address as a key only.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

/// One `write(2)` of the bytes at `shared`.
///
/// # Safety
/// As for [`send_behind`].
pub(crate) unsafe fn write(fd: BorrowedFd<'_>, shared: *const u8, len: usize) -> io::Result<usize> {
    // SAFETY: the range is readable (the caller vouches for it), and write does not write to it.
    let written = unsafe { libc::write(fd.as_raw_fd(), shared.cast(), len) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

/// One `sendmsg(2)` of `before` and the bytes at `shared`, with more to follow.
///
/// # Safety
/// `shared` is mapped and readable for `len` bytes. They may be changing: only the kernel reads
/// them, and no Rust reference to them is made.
pub(crate) unsafe fn send_behind(
    socket: BorrowedFd<'_>,
    before: &[u8],
    shared: *const u8,
    len: usize,
) -> io::Result<usize> {
    let part = |base: *const u8, len| libc::iovec {
        iov_base: base.cast_mut().cast(),
        iov_len: len,
    };
    let mut parts = [part(before.as_ptr(), before.len()), part(shared, len)];
    // SAFETY: all zero is an empty message: null pointers and lengths of 0.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len();
    let flags = libc::MSG_MORE | libc::MSG_NOSIGNAL;
    // SAFETY: the message and the two ranges are readable (the caller vouches for the second),
    // and sendmsg writes to none of them.
    let written = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

/// A handler of `SIGBUS` with its three arguments (`sigaction(2)`, `SA_SIGINFO`).
pub(crate) type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// What happens at a `SIGBUS` now.
pub(crate) fn bus_action() -> nix::Result<libc::sigaction> {
    let mut now = MaybeUninit::uninit();
    // SAFETY: asks only; `now` is written whole where it succeeds, and only then read.
    unsafe {
        Errno::result(libc::sigaction(
            libc::SIGBUS,
            std::ptr::null(),
            now.as_mut_ptr(),
        ))?;
        Ok(now.assume_init())
    }
}

/// Has `handler` called at a `SIGBUS`, on the alternate stack where a thread has one.
pub(crate) fn catch_bus(handler: Handler) -> nix::Result<()> {
    // SAFETY: all zero is an action: no flags, an empty mask, the default.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the action is whole, and the handler async-signal-safe (its only one is `guard`'s).
    Errno::result(unsafe { libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) }).map(drop)
}

/// In a handler: does what would have been done without it. Where that is the default, the signal
/// comes once more and kills.
pub(crate) fn pass_on(
    previous: Option<&libc::sigaction>,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let handler = previous.map_or(libc::SIG_DFL, |previous| previous.sa_sigaction);
    // SAFETY: `previous` was installed for this signal, so its handler is a function of the kind
    // that its flags say, and async-signal-safe; the arguments are the kernel's.
    unsafe {
        // By a process; a fault has a positive code (`sigaction(2)`).
        let sent = (*info).si_code <= 0;
        match handler {
            libc::SIG_IGN if sent => {}
            // The kernel does not let a fault be ignored either.
            libc::SIG_DFL | libc::SIG_IGN => {
                libc::signal(signal, libc::SIG_DFL);
                // Pending until the handler returns. A fault comes again by itself, and so do the
                // machine's memory errors, but for those that were only announced.
                libc::raise(signal);
            }
            _ if previous.is_some_and(|p| p.sa_flags & libc::SA_SIGINFO != 0) => {
                std::mem::transmute::<libc::sighandler_t, Handler>(handler)(signal, info, context);
            }
            _ => {
                type Plain = extern "C" fn(libc::c_int);
                std::mem::transmute::<libc::sighandler_t, Plain>(handler)(signal);
            }
        }
    }
}

/// Puts private zero pages in the place of a map, with its protection; whether that succeeded.
///
/// # Safety
/// `start..start + len` is one whole map that its owner expects to change at any moment.
pub(crate) unsafe fn replace_by_zeros(start: usize, len: usize, writable: bool) -> bool {
    let protection = match writable {
        true => libc::PROT_READ | libc::PROT_WRITE,
        false => libc::PROT_READ,
    };
    // Not reserved: a lost map is hardly written to.
    let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: the caller vouches for the range.
    let at = unsafe { libc::mmap(start as *mut libc::c_void, len, protection, flags, -1, 0) };
    at != libc::MAP_FAILED
}

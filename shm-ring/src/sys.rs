//! System calls that `nix` lacks or whose safe form would need a reference into racing memory.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

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

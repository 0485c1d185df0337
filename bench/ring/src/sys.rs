//! The calls that are `unsafe` in Rust. Not here: any decision.

use std::os::fd::RawFd;

mod request {
    // SIOCOUTQ is TIOCOUTQ (linux/sockios.h).
    nix::ioctl_read_bad!(outq, nix::libc::TIOCOUTQ, nix::libc::c_int);
}

/// Bytes that a TCP socket's other end has not acknowledged (`tcp(7)`, SIOCOUTQ).
///
/// # Errors
/// Those of `ioctl(2)`.
pub fn unsent(socket: RawFd) -> nix::Result<i32> {
    let mut bytes = 0;
    // SAFETY: the kernel writes one int, which `bytes` is.
    unsafe { request::outq(socket, &raw mut bytes) }?;
    Ok(bytes)
}

//! The few calls of this crate that are unsafe.

use std::os::raw::c_char;

use nix::sys::signal::{SigAction, Signal};

/// Installs `action` for `signal`.
pub(crate) fn sigaction(signal: Signal, action: &SigAction) -> nix::Result<()> {
    // SAFETY: the handlers of this crate only store to an atomic, which is async-signal-safe.
    unsafe { nix::sys::signal::sigaction(signal, action) }.map(drop)
}

/// Gives every variable of the environment a copy on the heap, so that the area it came in is free.
pub(crate) fn move_environment() {
    for (key, value) in std::env::vars_os() {
        // No name that setenv takes: such a variable stays where it is, and may be overwritten.
        if key.as_encoded_bytes().contains(&b'=') {
            continue;
        }
        // SAFETY: called by `main` before any other thread exists, as `title::init` asks; setenv
        // copies its strings.
        unsafe { std::env::set_var(key, value) };
    }
}

/// Overwrites the title's area with `text` and zeros, as far as `dirty` bytes of it are in use.
/// No more is touched: every page that a forked process writes becomes a copy of its own.
pub(crate) fn write_title(start: usize, len: usize, text: &[u8], dirty: usize) {
    let shown = text.len().min(len.saturating_sub(1));
    let rest = dirty.min(len).saturating_sub(shown);
    let to = start as *mut c_char;
    // SAFETY: the kernel said that `len` bytes from `start` hold arguments and environment; they
    // are on this process's stack, writable, and nothing refers to them any more: std copies its
    // arguments when asked and the environment was moved. One thread of a process sets titles.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), to, shown);
        std::ptr::write_bytes(to.add(shown), 0, rest);
    }
}

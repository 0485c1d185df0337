//! A lock on a file that the kernel releases when its holder dies: an open-file-description lock
//! (`F_OFD_SETLK`, `fcntl(2)`).
//!
//! It belongs to the open file description, so a holder must have opened the file itself: a lock
//! on an inherited descriptor outlives whoever took it.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

/// The whole file, for one holder.
fn exclusive() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Takes the lock, without waiting. False: somebody else holds it.
///
/// # Errors
/// Those of `fcntl(2)`, for instance for a file that is not open for writing.
pub fn try_lock(file: impl AsFd) -> std::io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&exclusive())) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Whether somebody else holds the lock; the file may be open for reading only.
///
/// # Errors
/// Those of `fcntl(2)`.
pub fn is_locked(file: impl AsFd) -> std::io::Result<bool> {
    // Asked for reading, which only a holder is in the way of: not others who locked it for
    // reading, as whoever may read it can.
    let mut asked = libc::flock {
        l_type: libc::F_RDLCK as libc::c_short,
        ..exclusive()
    };
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut asked))?;
    Ok(asked.l_type != libc::F_UNLCK as libc::c_short)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd as _;

    use nix::sys::memfd::{MFdFlags, memfd_create};

    use super::*;

    #[test]
    fn a_holder_is_seen_and_who_locks_for_reading_is_none() {
        let file = memfd_create("lock", MFdFlags::MFD_CLOEXEC).unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let (reader, other) = (File::open(&path).unwrap(), File::open(&path).unwrap());
        let shared = libc::flock {
            l_type: libc::F_RDLCK as libc::c_short,
            ..exclusive()
        };
        fcntl(&reader, FcntlArg::F_OFD_SETLK(&shared)).unwrap();
        assert!(!is_locked(&other).unwrap());
        drop(reader);
        assert!(try_lock(&file).unwrap());
        assert!(is_locked(&other).unwrap());
        drop(file);
        assert!(!is_locked(&other).unwrap());
    }
}

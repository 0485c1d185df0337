//! Named shared-memory segments: create and reserve, open read-only, map, remove.
//!
//! Not here: what lies in a segment, and who may write to it when.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::fcntl::{OFlag, posix_fallocate};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap, shm_open, shm_unlink};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, fchown};
use shared_memory::{Shmem, ShmemConf, ShmemError};

use crate::Error;
use crate::guard::Guarded;

/// A segment that this process created. Dropping it removes the name, unless disowned.
///
/// Its memory is reserved: no later store can run out of it (`SIGBUS`).
pub struct Segment {
    shmem: Shmem,
    guarded: &'static Guarded,
    /// The object by its own descriptor, so that it is reached even if the name was removed.
    file: File,
    read_only: OwnedFd,
}

// SAFETY: an address range of the process and descriptors, tied to no thread; all access to its
// memory goes through atomics or the racing copies of this crate.
unsafe impl Send for Segment {}
// SAFETY: as above; what changes `shmem` takes `&mut self`.
unsafe impl Sync for Segment {}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Segment({})", self.name())
    }
}

impl Segment {
    /// Creates `/dev/shm/NAME` with mode 0600 and `len` bytes of zeros, all of them reserved.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::Exists`], [`Error::NoSpace`], [`Error::Os`]; nothing is left
    /// behind then.
    pub fn create(name: &str, len: u64) -> Result<Segment, Error> {
        let path = object(name)?;
        let available = available_bytes()?;
        let too_small = Error::NoSpace {
            needed: len,
            available,
        };
        if len > available {
            return Err(too_small);
        }
        let shmem = ShmemConf::new()
            .os_id(&path)
            .size(len as usize)
            .create()
            .map_err(|e| match e {
                ShmemError::MappingIdExists => Error::Exists { name: name.into() },
                ShmemError::MapCreateFailed(errno) | ShmemError::UnknownOsError(errno) => {
                    Error::os(
                        format!("create /dev/shm/{name}"),
                        Errno::from_raw(errno as i32),
                    )
                }
                other => Error::os(
                    format!("create /dev/shm/{name}"),
                    std::io::Error::other(other),
                ),
            })?;
        // shared_memory keeps its descriptor to itself, so the object is opened again.
        let file = File::from(open(&path, OFlag::O_RDWR)?);
        let read_only = open(&path, OFlag::O_RDONLY)?;
        let guarded = Guarded::new(first_byte(&shmem), shmem.len(), true);
        let segment = Segment {
            shmem,
            guarded,
            file,
            read_only,
        };
        loop {
            match posix_fallocate(&segment.file, 0, len as libc::off_t) {
                Ok(()) => return Ok(segment),
                Err(Errno::EINTR) => {} // a signal handler ran: what was reserved stays
                Err(Errno::ENOSPC) => return Err(too_small),
                Err(other) => {
                    let what = format!("reserve {len} bytes in /dev/shm/{name}");
                    return Err(Error::os(what, other));
                }
            }
        }
    }

    /// The name as given to [`Segment::create`].
    pub fn name(&self) -> &str {
        self.shmem.get_os_id().trim_start_matches('/')
    }

    /// The writable map: page-aligned, of the length asked for, alive as long as `self`.
    pub fn as_ptr(&self) -> NonNull<u8> {
        first_byte(&self.shmem)
    }

    /// A descriptor that nothing can be written through; may be given to readers.
    pub fn read_only(&self) -> BorrowedFd<'_> {
        self.read_only.as_fd()
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Whether somebody cut the object short: it is shorter than it was made, or this process
    /// touched what is missing (and lives, by [`survive_truncation`](crate::survive_truncation)).
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn is_truncated(&self) -> Result<bool, Error> {
        let left = len_of(self.file.as_fd())?;
        Ok(self.guarded.is_lost() || left < self.shmem.len() as u64)
    }

    /// Lets the members of a group read the object: mode 0640 in place of 0600.
    ///
    /// # Errors
    /// [`Error::Os`], for instance `EPERM` for a group that the caller is not in.
    pub fn allow_group(&self, gid: u32) -> Result<(), Error> {
        let failed =
            |e: Errno| Error::os(format!("let group {gid} read /dev/shm/{}", self.name()), e);
        // The group first, or members of the present one could read it for a moment.
        fchown(&self.file, None, Some(Gid::from_raw(gid))).map_err(failed)?;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR | Mode::S_IRGRP;
        fchmod(&self.file, mode).map_err(failed)
    }

    /// Opens the object anew for writing: an open file description of the caller's own, on which
    /// a lock is the caller's own.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn reopen(&self) -> Result<File, Error> {
        reopen(&self.file)
    }

    /// Leaves the name to somebody else: a forked child says this before it drops its copy.
    pub fn disown(&mut self) {
        self.shmem.set_owner(false);
    }

    /// Unmaps the segment and forgets the rest: for a forked child that must not write it and
    /// closes all descriptors anyway. Nothing is freed, so none of the parent's pages is copied.
    pub fn abandon(self) {
        self.guarded.release();
        // SAFETY: the map is the segment's own and whole; whoever borrowed from it is gone, and
        // `self`, which would unmap it again, is forgotten.
        let unmapped = unsafe { munmap(self.as_ptr().cast(), self.shmem.len()) };
        debug_assert!(unmapped.is_ok());
        std::mem::forget(self);
    }

    /// Opens an existing segment for reading.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::NotFound`], [`Error::Os`].
    pub fn open_read_only(name: &str) -> Result<OwnedFd, Error> {
        open(&object(name)?, OFlag::O_RDONLY)
    }

    /// Removes a name that nobody lives behind any more. Maps of it stay valid. No such name: fine.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::Os`].
    pub fn remove(name: &str) -> Result<(), Error> {
        match shm_unlink(object(name)?.as_str()) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(e) => Err(Error::os(format!("remove /dev/shm/{name}"), e)),
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.guarded.release(); // before `shmem` unmaps
    }
}

fn first_byte(shmem: &Shmem) -> NonNull<u8> {
    NonNull::new(shmem.as_ptr()).expect("a successful mmap is never null")
}

/// Opens an object anew for reading and writing: an open file description of the caller's own.
pub(crate) fn reopen(file: &File) -> Result<File, Error> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|e| Error::os(format!("open {path} anew"), e))
}

/// Bytes that can still be reserved in /dev/shm.
fn available_bytes() -> Result<u64, Error> {
    let stat =
        nix::sys::statvfs::statvfs("/dev/shm").map_err(|e| Error::os("statvfs /dev/shm", e))?;
    Ok(stat.blocks_available() * stat.fragment_size())
}

/// The POSIX name of an object: one slash, then the name (`shm_open(3)`).
fn object(name: &str) -> Result<String, Error> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if name.is_empty() || name.len() > 200 || !name.bytes().all(fine) || name.starts_with('.') {
        return Err(Error::BadName { name: name.into() });
    }
    Ok(format!("/{name}"))
}

fn open(path: &str, flags: OFlag) -> Result<OwnedFd, Error> {
    // A FIFO in its place must not make anybody wait for its other end.
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    shm_open(path, flags, Mode::empty()).map_err(|e| match e {
        Errno::ENOENT => Error::NotFound {
            name: path[1..].into(),
        },
        other => Error::os(format!("open /dev/shm{path}"), other),
    })
}

/// A shared mapping of a whole object; unmapped when dropped.
#[derive(Debug)]
pub struct Map {
    start: NonNull<u8>,
    len: usize,
    guarded: &'static Guarded,
}

// SAFETY: a map is an address range of the process, tied to no thread; all access to it goes
// through atomics or the racing copies of this crate.
unsafe impl Send for Map {}
// SAFETY: as above; `Map` itself has no state that changes.
unsafe impl Sync for Map {}

impl Map {
    /// Maps `fd` for reading only.
    ///
    /// # Errors
    /// [`Error::NotARing`] for an empty object, [`Error::Os`].
    pub fn read_only(fd: impl AsFd) -> Result<Map, Error> {
        Self::new(fd.as_fd(), ProtFlags::PROT_READ)
    }

    /// Maps `fd` for reading and writing.
    ///
    /// # Errors
    /// [`Error::NotARing`] for an empty object, [`Error::Os`].
    pub fn read_write(fd: impl AsFd) -> Result<Map, Error> {
        Self::new(fd.as_fd(), ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)
    }

    fn new(fd: BorrowedFd<'_>, protection: ProtFlags) -> Result<Map, Error> {
        let len = len_of(fd)? as usize;
        let size = std::num::NonZeroUsize::new(len).ok_or_else(|| Error::NotARing {
            why: "it is empty".into(),
        })?;
        // SAFETY: no address is asked for, so nothing mapped is replaced; the descriptor is open.
        let start = unsafe { mmap(None, size, protection, MapFlags::MAP_SHARED, fd, 0) }
            .map_err(|e| Error::os(format!("map {len} bytes of shared memory"), e))?;
        let writable = protection.contains(ProtFlags::PROT_WRITE);
        Ok(Map {
            start: start.cast(),
            len,
            guarded: Guarded::new(start.cast(), len, writable),
        })
    }

    /// The first byte; page-aligned.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes; never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the object was cut short from outside and this process touched what is missing:
    /// then the map is all zeros, the object's no more, and so is all that was read from it since
    /// it was last asked. Always false without
    /// [`survive_truncation`](crate::survive_truncation).
    pub fn is_lost(&self) -> bool {
        self.guarded.is_lost()
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        self.guarded.release();
        // SAFETY: this range was mapped by `new`, and whoever borrowed from it is gone.
        let unmapped = unsafe { munmap(self.start.cast(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}

/// The true size of an object, bytes.
pub(crate) fn len_of(fd: BorrowedFd<'_>) -> Result<u64, Error> {
    let stat = nix::sys::stat::fstat(fd).map_err(|e| Error::os("fstat shared memory", e))?;
    Ok(stat.st_size as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(test: &str) -> String {
        format!("shm-ring-test-{}-{test}", std::process::id())
    }

    #[test]
    fn the_owner_removes_and_a_disowner_does_not() {
        let name = name("owner");
        let mut segment = Segment::create(&name, 4096).unwrap();
        assert!(matches!(
            Segment::create(&name, 4096),
            Err(Error::Exists { .. })
        ));
        segment.disown();
        drop(segment);
        let fd = Segment::open_read_only(&name).unwrap();
        assert_eq!(Map::read_only(&fd).unwrap().len(), 4096);
        assert!(Map::read_write(&fd).is_err());
        Segment::remove(&name).unwrap();
        Segment::remove(&name).unwrap();
        assert!(matches!(
            Segment::open_read_only(&name),
            Err(Error::NotFound { .. })
        ));
    }

    #[test]
    fn too_large_a_segment_says_what_it_needs_and_leaves_nothing() {
        let name = name("large");
        match Segment::create(&name, 999 << 30) {
            Err(Error::NoSpace { needed, available }) => assert!(available < needed),
            other => panic!("{other:?}"),
        }
        assert!(Segment::open_read_only(&name).is_err());
    }

    #[test]
    fn names_that_are_paths_are_refused() {
        for bad in ["", "a/b", "../x", ".", "ä", "a b", &"x".repeat(201)] {
            assert!(matches!(object(bad), Err(Error::BadName { .. })), "{bad}");
        }
    }
}

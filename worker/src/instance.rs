//! An instance by its name: its shared objects, and the lock that says whether it lives.
//!
//! The lock is the kernel's and dies with the supervisor: no pid to go stale, nothing to clean.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::mman::{shm_open, shm_unlink};
use nix::sys::stat::{Mode, fstat};

use shm_ring::{Segment, lock};

use crate::Error;

const PREFIX: &str = "seqcast.";

/// A name that can name an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance(String);

impl Instance {
    /// Checks a name: 1 to 64 of `A-Z a-z 0-9 _ -`.
    ///
    /// # Errors
    /// [`Error::BadName`].
    pub fn new(name: &str) -> Result<Instance, Error> {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fine) {
            return Err(Error::BadName { name: name.into() });
        }
        Ok(Instance(name.into()))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The ring's segment.
    pub fn ring(&self) -> String {
        format!("{PREFIX}{}.ring", self.0)
    }

    /// The board's segment.
    pub fn board(&self) -> String {
        format!("{PREFIX}{}.board", self.0)
    }

    fn lock_path(&self) -> String {
        format!("/{PREFIX}{}.lock", self.0)
    }

    /// The instances that have a board, living or not, by name.
    pub fn list() -> Vec<Instance> {
        let mut found: Vec<_> = std::fs::read_dir("/dev/shm")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let file = entry.file_name();
                let name = file.to_str()?.strip_prefix(PREFIX)?;
                Instance::new(name.strip_suffix(".board")?).ok()
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    /// Whether its supervisor lives.
    pub fn is_alive(&self) -> bool {
        let Ok(file) = shm_open(
            self.lock_path().as_str(),
            // A FIFO in its place must not make anybody wait for its other end.
            OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK,
            Mode::empty(),
        ) else {
            return false;
        };
        lock::is_locked(&file).unwrap_or(false)
    }

    /// Takes the name, if no living instance has it, and removes what a dead one left behind.
    ///
    /// # Errors
    /// [`Error::Running`], [`Error::Os`], [`Error::Segment`].
    pub fn lock(&self) -> Result<InstanceLock, Error> {
        loop {
            let path = self.lock_path();
            let file = shm_open(
                path.as_str(),
                OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_CLOEXEC,
                Mode::S_IRUSR | Mode::S_IWUSR,
            )
            .map_err(|e| match e {
                Errno::EACCES => Error::Foreign {
                    name: self.0.clone(),
                },
                e => Error::os(format!("open /dev/shm{path}"), e),
            })?;
            let locked = lock::try_lock(&file);
            if !locked.map_err(|e| Error::os(format!("lock /dev/shm{path}"), e))? {
                return Err(Error::Running {
                    name: self.0.clone(),
                });
            }
            // A stopping instance may have removed the name between our open and our lock: then
            // we hold a lock that nobody else will ever see.
            if same_file(&file, &path) {
                let lock = InstanceLock {
                    instance: self.clone(),
                    _file: file,
                };
                Segment::remove(&self.ring())?;
                Segment::remove(&self.board())?;
                return Ok(lock);
            }
        }
    }
}

impl std::fmt::Display for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn same_file(file: &OwnedFd, path: &str) -> bool {
    let Ok(named) = shm_open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) else {
        return false;
    };
    match (fstat(file), fstat(named.as_fd())) {
        (Ok(a), Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
        _ => false,
    }
}

/// The right to a name, held as long as this lives; dropping it gives the name back.
#[derive(Debug)]
pub struct InstanceLock {
    instance: Instance,
    /// Closed last, and the lock with it.
    _file: OwnedFd,
}

impl Drop for InstanceLock {
    fn drop(&mut self) {
        // Before the descriptor closes: nobody can take the name while it is being removed.
        let _ = shm_unlink(self.instance.lock_path().as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lock_a_name_and_nothing_left() {
        let instance = Instance::new(&format!("test-lock-{}", std::process::id())).unwrap();
        assert!(!instance.is_alive());
        let lock = instance.lock().unwrap();
        assert!(instance.is_alive());
        assert!(matches!(instance.lock(), Err(Error::Running { .. })));
        drop(lock);
        assert!(!instance.is_alive());
        assert!(
            !std::path::Path::new("/dev/shm")
                .join(&instance.lock_path()[1..])
                .exists()
        );
    }

    #[test]
    fn what_a_dead_instance_left_is_removed() {
        let instance = Instance::new(&format!("test-stale-{}", std::process::id())).unwrap();
        let mut left = Segment::create(&instance.ring(), 4096).unwrap();
        left.disown();
        drop(left);
        let _lock = instance.lock().unwrap();
        assert!(Segment::open_read_only(&instance.ring()).is_err());
    }

    #[test]
    fn names() {
        for bad in ["", "a.b", "a/b", "ä", &"x".repeat(65)] {
            assert!(Instance::new(bad).is_err(), "{bad}");
        }
    }
}

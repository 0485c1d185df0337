//! What a run puts into /dev/shm and /tmp has its tag in its name, and goes with it: also when it
//! is interrupted.
//!
//! Not here: the processes, which the kernel ends with their parent (`reader::end_with_parent`).

use std::fs;

use anyhow::{Context as _, Result};

/// Removes everything of the run's when dropped.
#[derive(Debug)]
pub struct Leftovers {
    /// Begins every name that the run makes up.
    pub tag: String,
}

impl Leftovers {
    /// A tag of this process's own, with an end that no other's goes on from; what it stands on goes also at SIGINT, SIGTERM and SIGHUP.
    ///
    /// # Errors
    /// Where a signal's handler cannot be set.
    pub fn new() -> Result<Leftovers> {
        let tag = format!("ringbench{}x", std::process::id());
        let interrupted = tag.clone();
        ctrlc::set_handler(move || {
            remove(&interrupted);
            std::process::exit(130); // as a shell says it of SIGINT
        })
        .context("set a signal handler")?;
        Ok(Leftovers { tag })
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        remove(&self.tag);
    }
}

/// Removes everything in /dev/shm, and in /tmp, where iceoryx2 was told to put its files, whose
/// name begins with the tag. Most is gone by then; what cannot be removed stays.
fn remove(tag: &str) {
    for directory in ["/dev/shm", "/tmp"] {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if !name.as_encoded_bytes().starts_with(tag.as_bytes()) {
                continue;
            }
            let _ = match entry.file_type() {
                Ok(kind) if kind.is_dir() => fs::remove_dir_all(entry.path()),
                _ => fs::remove_file(entry.path()),
            };
        }
    }
}

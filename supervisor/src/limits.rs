//! What the system allows a process, where the supervisor needs more than is usual.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::Usage;

/// Descriptors beside those of the workers: standard ones, listeners, shared memory.
const OTHERS: u64 = 64;

/// Makes room for a descriptor for each of so many workers.
///
/// # Errors
/// [`Usage`] where the system does not allow so many.
pub fn allow_workers(workers: usize) -> anyhow::Result<()> {
    let needed = workers as u64 + OTHERS;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if needed > hard {
        return Err(Usage(format!(
            "{workers} workers take {needed} open files and this user may have {hard}: use fewer --clients, or \
             raise that limit (ulimit -Hn; systemd: LimitNOFILE=)"
        ))
        .into());
    }
    if needed > soft {
        setrlimit(Resource::RLIMIT_NOFILE, needed, hard)?;
    }
    Ok(())
}

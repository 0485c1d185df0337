//! What the system allows a process, where the supervisor needs more than is usual.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use shm_ring::Reader;

use crate::Usage;

/// Descriptors beside those of the workers: standard ones, listeners, shared memory.
const OTHERS: u64 = 64;

/// Descriptors that the supervisor has for a worker: a pidfd, and its end of a channel.
const EACH: u64 = 2;

/// Makes room for the descriptors of so many workers, and in each of them for one for each of so
/// many connections.
///
/// # Errors
/// [`Usage`] where the system does not allow so many.
pub fn allow(workers: usize, connections: usize) -> anyhow::Result<()> {
    let needed = (EACH * workers as u64).max(connections as u64) + OTHERS;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if needed > hard {
        return Err(Usage(format!(
            "{workers} workers of {connections} connections take {needed} open files and this user may have \
             {hard}: use fewer --clients, or raise that limit (ulimit -Hn; systemd: LimitNOFILE=)"
        ))
        .into());
    }
    if needed > soft {
        setrlimit(Resource::RLIMIT_NOFILE, needed, hard)?;
    }
    Ok(())
}

/// Whether each of so many processes may have a bell of the ring: an inotify instance, of which a
/// user has a limited number, and other programs have some. Tries it.
///
/// # Errors
/// [`Usage`] where they cannot be had.
pub fn allow_bells(ring: &Reader, processes: usize) -> anyhow::Result<()> {
    let bells: Result<Vec<_>, _> = (0..processes).map(|_| ring.bell()).collect();
    match bells {
        Ok(_) => Ok(()),
        Err(error) => Err(Usage(format!(
            "{processes} senders take an inotify instance each, and so many cannot be had ({error}): use a larger \
             --viewers-per-sender or --model thread, or raise that limit (sysctl fs.inotify.max_user_instances)"
        ))
        .into()),
    }
}

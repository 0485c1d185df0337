//! `--ring-group`: which group may read the ring, beside its owner.
//!
//! Not here: changing the ring's mode (`shm_ring::Ring::allow_group`).

use anyhow::Result;
use nix::errno::Errno;
use nix::unistd::Group;
use shm_ring::Ring;

use crate::Usage;

/// The number of a group, by its name or number. A name that is a number is a name first, as with
/// `chgrp(1)`.
///
/// # Errors
/// [`Usage`] where there is no such group.
pub fn resolve(group: &str) -> Result<u32, Usage> {
    let known =
        Group::from_name(group).map_err(|e| Usage(format!("--ring-group {group:?}: {e}")))?;
    known
        .map(|known| known.gid.as_raw())
        .or_else(|| number(group))
        .ok_or_else(|| {
            Usage(format!(
                "--ring-group {group:?}: there is no such group; `getent group` lists them, \
                 `groupadd` makes one"
            ))
        })
}

/// `fchown(2)` takes the largest number for "leave it as it is".
fn number(group: &str) -> Option<u32> {
    let digits = group.bytes().all(|b| b.is_ascii_digit());
    let number = group.parse().ok().filter(|_| digits)?;
    (number != u32::MAX).then_some(number)
}

/// Lets the group's members read the ring.
///
/// # Errors
/// [`Usage`] where this user may not give it to that group, [`shm_ring::Error`].
pub fn allow(ring: &Ring, group: &str, gid: u32) -> Result<()> {
    let Err(error) = ring.allow_group(gid) else {
        return Ok(());
    };
    let errno = match &error {
        shm_ring::Error::Os { source, .. } => source.raw_os_error().map(Errno::from_raw),
        _ => None,
    };
    Err(match errno {
        Some(Errno::EPERM) => Usage(format!(
            "--ring-group {group}: you are not in that group; `usermod -aG {group} USER` adds you, \
             from your next login on"
        ))
        .into(),
        // In a user namespace not every number stands for a group.
        Some(Errno::EINVAL) => Usage(format!(
            "--ring-group {group}: group {gid} does not exist in this container; map it, or name \
             another"
        ))
        .into(),
        _ => error.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(resolve("root").unwrap(), 0);
        assert_eq!(resolve("54321").unwrap(), 54321);
        for bad in [
            "",
            "no-such-group",
            "-1",
            "+1",
            "4294967295",
            "99999999999",
            "1x",
        ] {
            let said = resolve(bad).unwrap_err().to_string();
            assert!(said.contains("no such group"), "{bad}: {said}");
            assert!(!said.contains('\n'), "{said}");
        }
    }
}

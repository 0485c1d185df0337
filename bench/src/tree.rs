//! Which processes and threads a server consists of.
//!
//! The tree is found by the parents that `/proc/PID/stat` names: `/proc/PID/task/TID/children` is an option of the
//! kernel (`CONFIG_PROC_CHILDREN`) that many lack.
//!
//! Not here: what they spend (`cpu`, `switches`, `memory`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use anyhow::{Context as _, Result};

/// The processes `roots` and all that descend from them, by pid.
///
/// # Errors
/// Where /proc cannot be read.
pub fn processes(roots: &[i32]) -> Result<BTreeSet<i32>> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for pid in numbers_in("/proc").context("/proc")? {
        let path = format!("/proc/{pid}/stat");
        // Not UTF-8 where a program put such a thing in its name.
        if let Ok(stat) = fs::read(&path) {
            let parent = parent(&stat).with_context(|| format!("{path} names no parent"))?;
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut ahead = roots.to_vec();
    while let Some(pid) = ahead.pop() {
        if found.insert(pid) {
            ahead.extend(children.get(&pid).into_iter().flatten());
        }
    }
    Ok(found)
}

/// The threads of a process; none of one that has ended.
pub fn threads(pid: i32) -> Vec<i32> {
    numbers_in(&format!("/proc/{pid}/task")).unwrap_or_default()
}

/// Whether a file of /proc could not be read because its process or thread has ended.
pub fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// What is behind the program's name in `/proc/PID/stat` (proc_pid_stat(5)), so from the third field on. The name, in
/// brackets, may hold spaces and brackets itself.
pub fn behind_name(stat: &[u8]) -> Option<&str> {
    let name_end = stat.iter().rposition(|&byte| byte == b')')?;
    str::from_utf8(&stat[name_end + 1..]).ok()
}

/// The fourth field.
fn parent(stat: &[u8]) -> Option<i32> {
    let fields = behind_name(stat)?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The entries of a directory that are numbers.
fn numbers_in(path: &str) -> io::Result<Vec<i32>> {
    let names = fs::read_dir(path)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(parent(b"12 (fanout) S 7 12 1 0 -1"), Some(7));
        assert_eq!(parent(b"12 (a) (\xff 9) R 8 12 1"), Some(8));
        assert_eq!(parent(b"12 fanout"), None);
    }

    #[test]
    fn a_parent_has_its_children() {
        let pid = std::process::id() as i32;
        let parent = nix::unistd::getppid().as_raw();
        assert!(processes(&[parent]).unwrap().contains(&pid));
        assert!(threads(pid).contains(&pid));
        assert!(threads(0).is_empty());
    }
}

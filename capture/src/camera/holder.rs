//! Who has a node open: what `fuser` would say, as far as this user may see.
//!
//! Not here: what that means for who wants it (`fault`).

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub pid: u32,
    /// What it is called (/proc/PID/comm), 15 bytes at most.
    pub name: String,
}

/// The process that has `node` open; of several, one that has its buffers mapped, so streams. Never
/// this process. Nothing where none can be seen: other users' processes cannot.
pub(super) fn of(node: &Path) -> Option<Holder> {
    let node = fs::canonicalize(node).ok()?;
    let device = fs::metadata(&node).ok()?;
    if !device.file_type().is_char_device() {
        return None;
    }
    let own = std::process::id();
    let pids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        (pid != own).then_some(pid)
    });
    let mut holders: Vec<u32> = pids.filter(|&pid| has_open(pid, device.rdev())).collect();
    holders.sort_by_key(|&pid| !has_mapped(pid, &node));
    let pid = *holders.first()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(Holder {
        pid,
        name: name.trim().to_owned(),
    })
}

fn has_open(pid: u32, device: u64) -> bool {
    let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    fds.flatten().any(|fd| {
        // Only what lies in /dev is looked at: to look at a file elsewhere may hang, on a network.
        fs::read_link(fd.path()).is_ok_and(|to| to.starts_with("/dev"))
            && fs::metadata(fd.path())
                .is_ok_and(|it| it.file_type().is_char_device() && it.rdev() == device)
    })
}

fn has_mapped(pid: u32, node: &Path) -> bool {
    let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    let node = node.as_os_str().as_encoded_bytes();
    maps.split(|&byte| byte == b'\n')
        .any(|line| line.ends_with(node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn who_has_it_open_is_found() {
        // A device that few have open, on which nobody minds one more.
        let file = fs::File::open("/dev/full").unwrap();
        let mut sleeper = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::from(file))
            .spawn()
            .unwrap();
        let pid = sleeper.id();
        let device = fs::metadata("/dev/full").unwrap().rdev();
        assert!(has_open(pid, device));
        assert!(of(Path::new("/dev/full")).is_some());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert!(!has_open(pid, device));
    }

    #[test]
    fn what_is_no_device_is_nobodys() {
        for path in ["/", "/proc/self/exe", "/dev/video-none"] {
            assert_eq!(of(Path::new(path)), None, "{path}");
        }
    }
}

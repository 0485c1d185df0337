//! Who may read a ring. In a process of its own: it forks, and a child has its parent's lock on a
//! ring until it executes something else.

use shm_ring::{MIN_ARENA, Reader, Ring};

fn name(test: &str) -> String {
    format!("shm-ring-test-{}-{test}", std::process::id())
}

#[test]
fn a_group_is_let_in_to_read_and_nothing_else() {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    let name = name("group");
    let path = format!("/dev/shm/{name}");
    let ring = Ring::create(&name, MIN_ARENA).unwrap();
    let mode = || std::fs::metadata(&path).map(|file| file.mode() & 0o7777);
    assert_eq!(mode().unwrap(), 0o600);
    let root = nix::unistd::geteuid().is_root();
    // Only root may name a group that it is not in.
    let gid = if root {
        nix::unistd::Gid::from_raw(54_321)
    } else {
        let groups = nix::unistd::getgroups().unwrap();
        groups.last().copied().unwrap_or(nix::unistd::getegid())
    };
    ring.allow_group(gid.as_raw()).unwrap();
    assert_eq!(mode().unwrap(), 0o640);
    assert_eq!(std::fs::metadata(&path).unwrap().gid(), gid.as_raw());
    assert_eq!(Reader::attach(&name).unwrap().arena(), MIN_ARENA);
    if root {
        let can = |test: &str, gid| {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &format!("{test} '{path}'")])
                .uid(54_321)
                .gid(gid);
            shell
                .stderr(std::process::Stdio::null())
                .status()
                .unwrap()
                .success()
        };
        assert!(can("exec <", 54_321));
        assert!(!can("exec >>", 54_321));
        assert!(!can("exec <", 54_322));
    }
}

//! `--ring-group`: a group's members read the ring, and nothing else; nobody else does.
//!
//! What other users may do is shown where the tests run as root, which can be any user.

mod common;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Guard, Instance, SEQCAST, drain, left_in_shm, run, unique};
use nix::unistd::{getegid, geteuid};

/// A user without rights, by number: `nobody`.
const NOBODY: u32 = 65_534;
/// Groups without a name and, but for who is put into them here, without members.
const LET_IN: u32 = 54_321;
const LEFT_OUT: u32 = 54_322;

const SOURCE: [&str; 4] = ["--source", "test", "--size", "64x48"];

/// Group and mode of an instance's object.
fn access(name: &str, kind: &str) -> (u32, u32) {
    let path = Path::new("/dev/shm").join(format!("seqcast.{name}.{kind}"));
    let found = std::fs::metadata(path).unwrap();
    (found.gid(), found.mode() & 0o7777)
}

/// A place from which any user can run the binary, wherever it was built.
struct Copied(tempfile::TempDir);

impl Copied {
    fn new() -> Copied {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        // Not by this process: a fork of another test's would hold it open for writing, and what
        // is open so cannot be executed (ETXTBSY).
        let copy = Command::new("cp").arg(SEQCAST).arg(dir.path()).status();
        assert!(copy.unwrap().success());
        Copied(dir)
    }

    /// Runs it as nobody of one group: exit code and both outputs.
    fn run(&self, gid: u32, args: &[&str]) -> (Option<i32>, String, String) {
        let mut guard = Guard::spawn(
            Command::new(self.0.path().join("seqcast"))
                .args(args)
                .current_dir("/")
                // With the user, the standard library drops all other groups.
                .uid(NOBODY)
                .gid(gid)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        );
        let end = guard.wait("its end");
        let (out, err) = (drain(&mut guard.0.stdout), drain(&mut guard.0.stderr));
        (end.code(), out, err)
    }
}

#[test]
fn the_ring_is_the_groups_and_the_board_is_not() {
    let own = getegid().as_raw();
    let instance = Instance::start(&[&SOURCE[..], &["--ring-group", &own.to_string()]].concat());
    assert_eq!(access(&instance.name, "ring"), (own, 0o640));
    for kind in ["board", "lock"] {
        assert_eq!(access(&instance.name, kind).1, 0o600, "{kind}");
    }
    instance.wait_live();
    assert_eq!(instance.stop().0.code(), Some(0));

    let closed = Instance::start(&SOURCE);
    for kind in ["ring", "board", "lock"] {
        assert_eq!(access(&closed.name, kind).1, 0o600, "{kind}");
    }
}

#[test]
fn a_group_that_cannot_be_is_one_line() {
    for group in ["no-such-group", "", "-1", "4294967295"] {
        let name = unique("group");
        let group = format!("--ring-group={group}");
        let (code, out, err) = run(&["--http", "127.0.0.1:0", "--name", &name, &group]);
        assert_eq!(
            (code, out.as_str(), err.lines().count()),
            (2, "", 1),
            "{err}"
        );
        assert!(
            err.contains("no such group") && err.contains("getent"),
            "{err}"
        );
        assert_eq!(left_in_shm(&name), [""; 0]);
    }
}

#[test]
fn a_group_that_one_is_not_in_is_one_line() {
    let name = unique("group");
    let others = LET_IN.to_string();
    let args = [
        "--http",
        "127.0.0.1:0",
        "--name",
        &name,
        "--ring-group",
        &others,
    ];
    let (code, out, err) = if geteuid().is_root() {
        Copied::new().run(LEFT_OUT, &args)
    } else {
        let (code, out, err) = run(&args);
        (Some(code), out, err)
    };
    assert_eq!(
        (code, out.as_str(), err.lines().count()),
        (Some(2), "", 1),
        "{err}"
    );
    assert!(
        err.contains(&others) && err.contains("not in that group"),
        "{err}"
    );
    assert_eq!(left_in_shm(&name), [""; 0]);
}

#[test]
fn members_read_and_others_do_not() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can be other users");
        return;
    }
    let copied = Copied::new();
    let open = Instance::start(&[&SOURCE[..], &["--ring-group", &LET_IN.to_string()]].concat());
    let closed = Instance::start(&SOURCE);
    open.wait_live();
    let show = |instance: &Instance, gid| copied.run(gid, &["ring", "--name", &instance.name]);

    let (code, out, err) = show(&open, LET_IN);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("64x48 MJPG") && out.contains("lives"), "{out}");
    let record = ["ring", "--name", &open.name, "--dump", "/dev/null"];
    let (code, out, _) = copied.run(LET_IN, &[&record[..], &["--seconds", "0.5"]].concat());
    assert_eq!(code, Some(0));
    assert!(!out.contains(" 0 frames"), "{out}");

    for (code, out, err) in [
        show(&open, LEFT_OUT),
        show(&closed, LET_IN),
        show(&closed, 0),
    ] {
        assert_eq!(
            (code, out.as_str(), err.lines().count()),
            (Some(7), "", 1),
            "{err}"
        );
        assert!(err.contains("--ring-group"), "{err}");
    }
    // The board, with viewers' addresses, is not theirs.
    let (code, _, err) = copied.run(LET_IN, &["status", "--name", &open.name]);
    assert_eq!(code, Some(7), "{err}");
}

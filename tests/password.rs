//! `seqcast password`: what it takes and what it refuses, on a pipe and on a terminal, which is as
//! it was afterwards.
//!
//! Not here: what the line is good for (`auth`).

mod common;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use common::{Guard, SEQCAST, drain, run, signal, wait_for};
use nix::pty::openpty;
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, tcgetattr};

/// `seqcast password ARGS` with that on standard input: exit code, output, errors.
fn piped(args: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut child = Guard::spawn(
        Command::new(SEQCAST)
            .arg("password")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    // It may be gone before it reads.
    let _ = child.0.stdin.take().unwrap().write_all(input);
    let (out, err) = (drain(&mut child.0.stdout), drain(&mut child.0.stderr));
    (child.wait("its end").code().unwrap(), out, err)
}

#[test]
fn what_it_takes_and_what_it_refuses() {
    for (args, input) in [
        (&["ann"][..], &b"secret\n"[..]),
        (&["ann"], b"secret"),
        (&["ann"], b"secret\r\n"),
    ] {
        let (code, out, err) = piped(args, input);
        assert_eq!((code, err.as_str()), (0, ""), "{input:?}");
        assert!(
            out.starts_with("ann:$6$") && !out.contains("secret"),
            "{out}"
        );
        assert_eq!(out.lines().count(), 1, "{out}");
    }
    let (_, one, _) = piped(&["ann", "--control"], b"secret\n");
    let (_, two, _) = piped(&["ann", "--control"], b"secret\n");
    assert!(
        one.ends_with(":control\n") && one != two,
        "a salt for each: {one}"
    );
    let long = [&[b'x'; 2000][..], b"\n"].concat();
    for (args, input) in [
        (&["ann"][..], &b"\n"[..]),
        (&["ann"], b""),
        (&["ann"], b"\xff\n"),
        (&["ann"], b"a\tb\n"),
        (&["ann"], &long),
        (&["a:b"], b"secret\n"),
        (&[""], b"secret\n"),
        (&["#ann"], b"secret\n"),
    ] {
        let (code, out, err) = piped(args, input);
        assert_eq!(
            (code, out.as_str(), err.lines().count()),
            (2, "", 1),
            "{err}"
        );
        assert!(!err.contains("secret"), "{err}");
    }
    assert_eq!(run(&["password"]).0, 2);
}

/// It on a terminal of its own, and the other end of that.
struct Terminal {
    child: Guard,
    slave: OwnedFd,
    keyboard: File,
    shown: String,
}

impl Terminal {
    fn start() -> Terminal {
        let pty = openpty(None, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        // Whoever runs the tests may ignore signals (nohup; a script's &), which is inherited.
        let child = Guard::spawn(
            Command::new("env")
                .args(["--default-signal", SEQCAST, "password", "ann"])
                .stdin(end())
                .stdout(end())
                .stderr(end()),
        );
        Terminal {
            child,
            slave: pty.slave,
            keyboard: File::from(pty.master),
            shown: String::new(),
        }
    }

    fn echoes(&self) -> bool {
        let flags = tcgetattr(self.slave.as_fd()).unwrap().local_flags;
        flags.contains(LocalFlags::ECHO)
    }

    /// Waits until it shows this.
    fn wait(&mut self, text: &str) {
        while !self.shown.contains(text) {
            let mut bytes = [0; 1024];
            let count = self.keyboard.read(&mut bytes).unwrap();
            self.shown += &String::from_utf8_lossy(&bytes[..count]);
        }
    }

    fn enter(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").unwrap();
    }
}

#[test]
fn a_terminal_shows_nothing_and_echoes_again() {
    let mut terminal = Terminal::start();
    terminal.wait("Password: ");
    assert!(!terminal.echoes());
    terminal.enter("geheim");
    terminal.wait("Again: ");
    terminal.enter("geheim");
    assert!(terminal.child.wait("its end").success());
    terminal.wait("ann:$6$");
    assert!(
        terminal.echoes() && !terminal.shown.contains("geheim"),
        "{}",
        terminal.shown
    );

    let mut terminal = Terminal::start();
    terminal.wait("Password: ");
    terminal.enter("geheim");
    terminal.wait("Again: ");
    terminal.enter("gemein");
    assert_eq!(terminal.child.wait("its end").code(), Some(2));
    terminal.wait("two different");
    assert!(terminal.echoes());
}

#[test]
fn an_interrupted_one_leaves_the_terminal_as_it_was() {
    use std::os::unix::process::ExitStatusExt as _;
    for stop in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut terminal = Terminal::start();
        terminal.wait("Password: ");
        wait_for("silence", || (!terminal.echoes()).then_some(()));
        signal(terminal.child.pid(), stop);
        let end = terminal.child.wait("its end");
        assert_eq!(end.signal(), Some(stop as i32), "{end}");
        assert!(terminal.echoes());
    }
}

//! What a service manager hears of the real program: ready, alive, how it goes, stopping; all of it
//! from the supervisor.

mod common;

use std::io::IoSliceMut;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use common::{Guard, SEQCAST, http, left_in_shm, signal, status, unique, wait_for};
use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};

/// A manager's end of it, and seqcast, which it started.
struct Service {
    name: String,
    seqcast: Guard,
    socket: UnixDatagram,
    /// All assignments so far, such as `READY=1`.
    heard: Vec<String>,
    _dir: tempfile::TempDir,
}

impl Service {
    /// Starts it as systemd does, with a watchdog that waits for 0.4 s.
    fn start(what: &str, source: &str) -> Service {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        setsockopt(&socket, sockopt::PassCred, &true).unwrap();
        let name = unique(what);
        // The process that the shell becomes is the one that the watchdog watches.
        let seqcast = Guard::spawn(
            Command::new("sh")
                .args(["-c", "WATCHDOG_PID=$$ exec \"$0\" \"$@\"", SEQCAST])
                .args(["--source", source, "--size", "320x240"])
                .args(["--http", "0", "--name", &name])
                .env("NOTIFY_SOCKET", &path)
                .env("WATCHDOG_USEC", "400000")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        Service {
            name,
            seqcast,
            socket,
            heard: Vec::new(),
            _dir: dir,
        }
    }

    /// Takes what is there.
    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        let mut control = nix::cmsg_space!(nix::sys::socket::UnixCredentials);
        loop {
            let (from, len) = {
                let mut parts = [IoSliceMut::new(&mut buffer)];
                let fd = self.socket.as_raw_fd();
                let Ok(message) =
                    recvmsg::<()>(fd, &mut parts, Some(&mut control), MsgFlags::empty())
                else {
                    return;
                };
                let from = message.cmsgs().unwrap().find_map(|control| match control {
                    ControlMessageOwned::ScmCredentials(from) => Some(from.pid() as u32),
                    _ => None,
                });
                (from, message.bytes)
            };
            let text = std::str::from_utf8(&buffer[..len]).unwrap();
            assert_eq!(from, Some(self.seqcast.pid()), "a worker said {text:?}");
            self.heard.extend(text.lines().map(String::from));
        }
    }

    /// Waits until something is heard that was not heard before the first `since`.
    fn hear(&mut self, what: &str, since: usize, wanted: impl Fn(&str) -> bool) {
        wait_for(what, || {
            self.listen();
            self.heard[since..]
                .iter()
                .any(|said| wanted(said))
                .then_some(())
        });
    }

    fn count(&mut self, said: &str) -> usize {
        self.listen();
        self.heard.iter().filter(|heard| *heard == said).count()
    }

    fn stop(mut self) {
        let since = self.heard.len();
        signal(self.seqcast.pid(), Signal::SIGTERM);
        self.hear("STOPPING", since, |said| said == "STOPPING=1");
        assert_eq!(self.seqcast.wait("a clean stop").code(), Some(0));
        assert_eq!(self.count("READY=1"), 1, "{:?}", self.heard);
        assert_eq!(self.count("STOPPING=1"), 1, "{:?}", self.heard);
        assert_eq!(left_in_shm(&self.name), [""; 0]);
    }
}

#[test]
fn ready_means_that_viewers_are_answered() {
    let mut service = Service::start("notify", "test");
    service.hear("READY", 0, |said| said == "READY=1");
    let (now, _) = status(&service.name);
    let address = now["http"].as_str().unwrap();
    let snapshot = http::get(address, "/snapshot");
    assert_eq!(snapshot.code, 200);
    service.hear("the state", 0, |said| {
        said == "STATUS=live: 320x240 MJPG; 0 of 10 viewers"
    });
    service.stop();
}

#[test]
fn a_service_without_its_camera_is_ready_and_says_so() {
    let mut service = Service::start("notify-none", "/dev/v4l/by-id/usb-of-a-test");
    service.hear("READY", 0, |said| said == "READY=1");
    service.hear("what is wrong", 0, |said| {
        said.starts_with("STATUS=NO CAMERA: ") && said.ends_with("; 0 of 10 viewers")
    });
    service.stop();
}

#[test]
fn a_stopped_capture_process_is_not_the_watchdog_s_affair() {
    let mut service = Service::start("notify-stall", "test");
    service.hear("READY", 0, |said| said == "READY=1");
    let capture = |name: &str| {
        wait_for("a capture process", || {
            let (status, _) = status(name);
            let mut workers = status["workers"].as_array()?.iter();
            workers.find(|w| w["role"] == "capture").map(common::pid)
        })
    };
    let stopped = capture(&service.name);
    service.listen();
    let (since, beats) = (service.heard.len(), service.count("WATCHDOG=1"));
    signal(stopped, Signal::SIGSTOP);
    service.hear("NO SIGNAL", since, |said| {
        said.starts_with("STATUS=NO SIGNAL")
    });
    let since = service.heard.len();
    // Three seconds later it is found hung and succeeded; until then the supervisor lives.
    service.hear("a picture again", since, |said| {
        said.starts_with("STATUS=live")
    });
    assert_ne!(capture(&service.name), stopped);
    let beats = service.count("WATCHDOG=1") - beats;
    assert!(beats >= 5, "{beats} in three seconds, one due each 0.2 s");
    service.stop();
}

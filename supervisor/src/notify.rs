//! What a service manager hears of the supervisor, as `sd_notify(3)` and `sd_watchdog_enabled(3)`
//! have it: that it is ready, how it does, that it lives, that it stops. Without `NOTIFY_SOCKET`
//! there is nobody to tell.
//!
//! Not here: what the state is in words (`announce`), and when the instance counts as ready (`serve`).
//! The crate `sd-notify` is not used because its sends wait for the manager: one that does not read
//! would hold up the supervisor, and so the restart of workers.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tracing::warn;

use crate::policy::{Moment, TICK};

/// The state is said at most so often, but that each new phase is said at once.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Nobody is told more often than so that we live, whatever `WATCHDOG_USEC` says.
const SHORTEST: Duration = Duration::from_millis(10);

/// How far the instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not yet ready.
    Starting,
    /// It answers.
    Ready,
    /// It ends.
    Stopping,
}

/// The service manager, if there is one.
#[derive(Debug)]
pub struct Manager {
    link: Option<Link>,
    /// How often it wants to hear that we live: half of what it waits.
    alive_every: Option<Duration>,
    said: Said,
    /// The latest message did not go out, and it was logged.
    failed: bool,
}

impl Manager {
    /// The one that these environment variables name to the process `pid`.
    pub fn new(pid: u32, variable: impl Fn(&str) -> Option<OsString>) -> Manager {
        let link = variable("NOTIFY_SOCKET").and_then(|at| {
            Link::to(at.as_bytes())
                .inspect_err(|e| {
                    warn!(
                        "NOTIFY_SOCKET={}: {e}; the service manager hears nothing",
                        at.display()
                    )
                })
                .ok()
        });
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let ours = variable("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(pid.into());
        let wait = number("WATCHDOG_USEC").filter(|&usec| usec > 0 && ours);
        Manager {
            link,
            alive_every: wait.map(|usec| Duration::from_micros(usec / 2).max(SHORTEST)),
            said: Said::default(),
            failed: false,
        }
    }

    /// Tells what is due, and never waits: what the manager does not take now is tried again next
    /// time. `status` is asked for only where it may be said.
    pub fn tell(&mut self, now: Moment, phase: Phase, status: impl FnOnce() -> String) {
        let Some(link) = &self.link else { return };
        let Some((message, said)) = self.said.next(now, phase, self.alive_every, status) else {
            return;
        };
        match link.send(&message) {
            Ok(()) => (self.said, self.failed) = (said, false),
            Err(e) => {
                if !std::mem::replace(&mut self.failed, true) {
                    warn!("the service manager does not listen: {e}; trying again");
                }
            }
        }
    }

    /// How long the supervisor may sleep before it must say that it lives.
    pub fn sleep(&self, now: Moment) -> Duration {
        let (Some(_), Some(every), Some(at)) = (&self.link, self.alive_every, self.said.alive_at)
        else {
            return TICK;
        };
        match (at + every).saturating_sub(now) {
            Duration::ZERO => TICK, // it did not take it; that is no reason to spin
            left => left.min(TICK),
        }
    }
}

/// What the manager has taken so far.
#[derive(Debug, Clone, Default)]
struct Said {
    phase: Option<Phase>,
    status: String,
    status_at: Moment,
    alive_at: Option<Moment>,
}

impl Said {
    /// What to say now, and what has been said once that is taken.
    fn next(
        &self,
        now: Moment,
        phase: Phase,
        alive_every: Option<Duration>,
        status: impl FnOnce() -> String,
    ) -> Option<(String, Said)> {
        let mut next = self.clone();
        let mut lines = Vec::new();
        let entered = self.phase.is_none_or(|said| phase > said);
        if entered {
            next.phase = Some(phase);
            match phase {
                Phase::Starting => {}
                Phase::Ready => lines.push("READY=1".to_owned()),
                Phase::Stopping => lines.push("STOPPING=1".to_owned()),
            }
        }
        if entered || now.saturating_sub(self.status_at) >= STATUS_EVERY {
            // A line break would begin another assignment.
            let status = status().replace(char::is_control, " ");
            if status != self.status {
                lines.push(format!("STATUS={status}"));
                (next.status, next.status_at) = (status, now);
            }
        }
        if let Some(every) = alive_every
            && self
                .alive_at
                .is_none_or(|at| now.saturating_sub(at) >= every)
        {
            lines.push("WATCHDOG=1".to_owned());
            next.alive_at = Some(now);
        }
        (!lines.is_empty()).then(|| (lines.join("\n"), next))
    }
}

/// A socket of ours and the manager's address.
#[derive(Debug)]
struct Link {
    socket: UnixDatagram,
    manager: SocketAddr,
}

impl Link {
    /// To a path, or with `@` in front to an abstract name.
    fn to(address: &[u8]) -> io::Result<Link> {
        let manager = match address {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(address))?,
            _ => return Err(io::Error::other("neither an absolute path nor @NAME")),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Link { socket, manager })
    }

    fn send(&self, message: &str) -> io::Result<()> {
        let sent = self.socket.send_to_addr(message.as_bytes(), &self.manager);
        sent.map(drop) // a datagram is sent whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A manager's socket, and ours as its environment makes it.
    fn listening(
        more: &[(&'static str, &'static str)],
    ) -> (tempfile::TempDir, UnixDatagram, Manager) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let manager = Manager::new(7, |name| match name {
            "NOTIFY_SOCKET" => Some(path.clone().into()),
            name => more.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into()),
        });
        (dir, socket, manager)
    }

    /// The next message; none if there is none yet.
    fn heard(socket: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 4096];
        let len = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..len].to_vec()).unwrap())
    }

    #[test]
    fn a_life_as_the_manager_hears_it() {
        let (_dir, socket, mut manager) = listening(&[]);
        let mut tell = |at: u32, phase, status: &str| {
            manager.tell(at * MS, phase, || status.to_owned());
            heard(&socket)
        };
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(tell(0, Phase::Starting, "a"), said("STATUS=a"));
        assert_eq!(tell(10, Phase::Ready, "b"), said("READY=1\nSTATUS=b"));
        assert_eq!(tell(20, Phase::Ready, "c"), None, "not so soon again");
        assert_eq!(tell(1009, Phase::Ready, "c"), None);
        assert_eq!(tell(1010, Phase::Ready, "d"), said("STATUS=d"));
        assert_eq!(tell(2500, Phase::Ready, "d"), None, "that is no news");
        assert_eq!(tell(2600, Phase::Starting, "e"), said("STATUS=e"));
        assert_eq!(tell(2700, Phase::Ready, "e"), None, "said once");
        assert_eq!(
            tell(2800, Phase::Stopping, "f"),
            said("STOPPING=1\nSTATUS=f")
        );
        assert_eq!(tell(2900, Phase::Stopping, "g"), None);
    }

    #[test]
    fn a_status_is_one_line() {
        let (_dir, socket, mut manager) = listening(&[]);
        manager.tell(MS, Phase::Starting, || "a\nREADY=1\u{7f}".into());
        assert_eq!(heard(&socket).unwrap(), "STATUS=a READY=1 ");
    }

    #[test]
    fn alive_at_half_of_what_the_manager_waits() {
        let (_dir, socket, mut manager) =
            listening(&[("WATCHDOG_USEC", "400000"), ("WATCHDOG_PID", "7")]);
        assert_eq!(manager.sleep(MS), TICK);
        let mut beats = Vec::new();
        for at in (0..1000).step_by(10) {
            manager.tell(at * MS, Phase::Starting, String::new);
            if let Some(message) = heard(&socket) {
                assert_eq!(message, "WATCHDOG=1");
                beats.push(at);
            }
            assert_eq!(manager.sleep(at * MS), (200 - at % 200) * MS);
        }
        assert_eq!(beats, [0, 200, 400, 600, 800]);
    }

    #[test]
    fn the_watchdog_of_another_process_is_left_alone() {
        for more in [
            [("WATCHDOG_USEC", "400000"), ("WATCHDOG_PID", "8")],
            [("WATCHDOG_USEC", "400000"), ("WATCHDOG_PID", "")],
            [("WATCHDOG_USEC", "0"), ("WATCHDOG_PID", "7")],
            [("WATCHDOG_USEC", "-1"), ("WATCHDOG_PID", "7")],
        ] {
            let (_dir, socket, mut manager) = listening(&more);
            manager.tell(MS, Phase::Starting, String::new);
            assert_eq!(heard(&socket), None, "{more:?}");
            assert_eq!(manager.sleep(MS), TICK);
        }
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up_and_hears_it_later() {
        let (_dir, socket, mut manager) = listening(&[("WATCHDOG_USEC", "20000")]);
        let mut now = Duration::ZERO;
        while !manager.failed {
            now += 10 * MS;
            manager.tell(now, Phase::Starting, String::new);
        }
        assert_eq!(manager.sleep(now), TICK, "it does not spin");
        now += 10 * MS;
        manager.tell(now, Phase::Ready, String::new);
        while let Some(message) = heard(&socket) {
            assert_eq!(message, "WATCHDOG=1");
        }
        manager.tell(now, Phase::Ready, String::new);
        assert_eq!(heard(&socket).unwrap(), "READY=1\nWATCHDOG=1");
        assert!(!manager.failed);
    }

    #[test]
    fn an_abstract_name_does_as_well() {
        let name = format!("seqcast-test-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let at = |variable: &str| (variable == "NOTIFY_SOCKET").then(|| format!("@{name}").into());
        Manager::new(7, at).tell(MS, Phase::Ready, || "x".into());
        assert_eq!(heard(&socket).unwrap(), "READY=1\nSTATUS=x");
    }

    #[test]
    fn nobody_is_told_where_nobody_can_be() {
        for at in [
            None,
            Some(""),
            Some("relative"),
            Some("vsock:2:1"),
            Some("/nobody/listens"),
        ] {
            let variable = |name: &str| (name == "NOTIFY_SOCKET").then_some(at?.into());
            let mut manager = Manager::new(7, variable);
            manager.tell(MS, Phase::Ready, String::new);
            assert_eq!(manager.sleep(MS), TICK);
            assert_eq!(manager.failed, at == Some("/nobody/listens"));
        }
    }
}

//! `seqcast password`: a line for `--auth-file`. On a terminal the password is asked for twice and
//! not shown; else it is the first line of standard input.
//!
//! Not here: what is in the line (`sender::auth`).

use std::io::{self, IsTerminal as _, Read as _, Stdin, Write as _};
use std::os::fd::AsFd;

use anyhow::{Context as _, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use sender::auth::{self, Rights};
use worker::exit;

use crate::output::say;
use crate::{Usage, cli};

/// The most bytes of a line: over those of a password, which then is found too long.
const MAX_LINE: usize = 1024;

/// Prints the line; returns the exit code.
///
/// # Errors
/// [`Usage`] where it cannot be a name or a password; those of the terminal.
pub fn run(asked: &cli::Password) -> Result<i32> {
    let refused = |why: &str| Usage(why.into());
    auth::check_name(&asked.user).map_err(refused)?;
    let stdin = io::stdin();
    let password = if stdin.is_terminal() {
        ask_twice(&stdin)?
    } else {
        read_line(&stdin)?
    };
    let rights = match asked.control {
        true => Rights::Control,
        false => Rights::View,
    };
    let mut salt = [0; 12];
    getrandom::fill(&mut salt).map_err(io::Error::from)?;
    let line = auth::line(&asked.user, &password, rights, salt).map_err(refused)?;
    say!("{line}");
    Ok(exit::OK)
}

fn read_line(stdin: &Stdin) -> Result<String> {
    let mut line = Vec::new();
    // One byte at a time, so that what follows is left to whom it is for.
    for byte in stdin.lock().bytes() {
        match byte? {
            b'\n' => break,
            byte => line.push(byte),
        }
        if line.len() > MAX_LINE {
            break;
        }
    }
    text(line)
}

fn text(line: Vec<u8>) -> Result<String> {
    let line = String::from_utf8(line).map_err(|_| Usage("the password is not UTF-8".into()))?;
    Ok(line.strip_suffix('\r').unwrap_or(&line).to_owned())
}

fn ask_twice(stdin: &Stdin) -> Result<String> {
    let stops = Stops::new()?;
    let silent = Silent::new(stdin).context("the terminal's echo cannot be turned off")?;
    let ask = |prompt: &str| -> Result<Option<String>> {
        let mut terminal = io::stderr();
        write!(terminal, "{prompt}")?;
        let line = stops.line(stdin)?;
        writeln!(terminal)?;
        line.map(text).transpose()
    };
    let mut answers = Vec::new();
    for prompt in ["Password: ", "Again: "] {
        let Some(answer) = ask(prompt)? else {
            drop(silent);
            return Err(stops.obey());
        };
        auth::check_password(&answer).map_err(|why| Usage(why.into()))?;
        answers.push(answer);
    }
    if answers[0] != answers[1] {
        return Err(Usage("these are two different passwords".into()).into());
    }
    Ok(answers.swap_remove(0))
}

/// A terminal that shows nothing of what is typed, until the drop.
struct Silent<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> Silent<'a> {
    fn new(terminal: &'a Stdin) -> nix::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Silent { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

/// Ctrl-C and the like, held back until the terminal is as it was.
struct Stops {
    signals: SigSet,
    fd: SignalFd,
}

impl Stops {
    fn new() -> nix::Result<Self> {
        let signals = [
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGQUIT,
            Signal::SIGTSTP, // a stop would leave the shell with a silent terminal
        ]
        .into_iter()
        .collect::<SigSet>();
        signals.thread_block()?;
        let fd = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Stops { signals, fd })
    }

    /// The next line, without its end; none: a signal came.
    fn line(&self, stdin: &Stdin) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let mut watched =
                [self.fd.as_fd(), stdin.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            poll(&mut watched, PollTimeout::NONE)?;
            if watched[0].any() == Some(true) {
                return Ok(None);
            }
            let mut chunk = [0; MAX_LINE];
            // A terminal gives no more than a line.
            let count = nix::unistd::read(stdin, &mut chunk)?;
            line.extend_from_slice(&chunk[..count]);
            if count == 0 || line.ends_with(b"\n") || line.len() > MAX_LINE {
                if line.ends_with(b"\n") {
                    line.pop();
                }
                return Ok(Some(line));
            }
        }
    }

    /// Does what the signal asks for.
    fn obey(&self) -> anyhow::Error {
        let number = self.fd.read_signal().ok().flatten();
        let signal = number.and_then(|info| Signal::try_from(info.ssi_signo as i32).ok());
        let _ = self.signals.thread_unblock();
        if let Some(signal) = signal.filter(|&signal| signal != Signal::SIGTSTP) {
            let _ = raise(signal);
        }
        anyhow::anyhow!("interrupted")
    }
}

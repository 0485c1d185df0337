//! A program that the bench started. Whatever way a [`Process`] is left, it ends with it, and it ends with the bench.
//!
//! Not here: which programs, and what for.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sys;

/// For a program to be ready, and again for it to end.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks.
pub const GLANCE: Duration = Duration::from_millis(50);

/// How a program is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// By SIGTERM.
    Terminate,
    /// By the end of its standard input.
    Hangup,
}

/// A program that runs, or has run.
#[derive(Debug)]
pub struct Process {
    name: String,
    command: String,
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    ask: Ask,
}

impl Process {
    /// Starts it; `name` is what errors call it. To be called by a thread that lives as long as the program is to: at
    /// its end the kernel sends SIGTERM (`PR_SET_PDEATHSIG`).
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start(name: &str, command: &mut Command, ask: Ask) -> Result<Process> {
        if ask == Ask::Hangup {
            command.stdin(Stdio::piped());
        }
        let text = shell(command);
        let mut child = sys::stop_with_us(command)
            .spawn()
            .with_context(|| format!("{name} does not start: {text}"))?;
        Ok(Process {
            name: name.to_owned(),
            command: text,
            stdout: child.stdout.take().map(BufReader::new),
            child,
            ask,
        })
    }

    /// As a shell takes it.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Its pid, its own until this is dropped.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Its standard input, where that is piped.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard output, where that is piped.
    pub fn take_stdout(&mut self) -> Option<BufReader<ChildStdout>> {
        self.stdout.take()
    }

    /// The next line of its standard output, which is piped.
    ///
    /// # Errors
    /// Where it ends before.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let stdout = self.stdout.as_mut();
        let stdout = stdout.with_context(|| format!("{} has no output", self.name))?;
        if stdout.read_line(&mut line)? == 0 {
            bail!("{} ended before it was ready", self.name);
        }
        Ok(line.trim_end().to_owned())
    }

    /// How it ended; none while it runs.
    ///
    /// # Errors
    /// Those of `waitpid(2)`.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends it a signal, if it still runs.
    ///
    /// # Errors
    /// Those of `kill(2)`.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // Not reaped, so the pid is still its own.
        if self.ended()?.is_none() {
            kill(Pid::from_raw(self.pid()), signal)?;
        }
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Those of `waitpid(2)`.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// Ends it, if it still runs.
    ///
    /// # Errors
    /// Where it had to be killed.
    pub fn stop(&mut self) -> Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        match self.ask {
            Ask::Terminate => self.signal(Signal::SIGTERM)?,
            Ask::Hangup => drop(self.child.stdin.take()),
        }
        let deadline = Instant::now() + PATIENCE;
        while self.ended()?.is_none() {
            if Instant::now() >= deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!("{} did not end when asked", self.name);
            }
            sleep(GLANCE);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(e) = self.stop() {
            eprintln!("{e:#}");
        }
    }
}

/// The command line as a shell takes it, with the environment that it was given.
fn shell(command: &Command) -> String {
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    let words = words.map(|word| quoted(&word.to_string_lossy()));
    let set = command.get_envs().filter_map(|(name, value)| {
        let value = quoted(&value?.to_string_lossy());
        Some(format!("{}={value}", name.to_string_lossy()))
    });
    set.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_would_take_the_command() {
        let mut command = Command::new("cat");
        command.args(["-u", "a b", "it's", "", "!"]).env("A", "b c");
        assert_eq!(shell(&command), r"A='b c' cat -u 'a b' 'it'\''s' '' '!'");
    }

    #[test]
    fn it_ends_as_it_is_asked() {
        let mut cat = Command::new("cat");
        let mut cat = Process::start("cat", cat.stdout(Stdio::piped()), Ask::Hangup).unwrap();
        assert!(cat.ended().unwrap().is_none());
        cat.stop().unwrap();
        assert!(cat.ended().unwrap().unwrap().success());
        let mut sleep = Command::new("sleep");
        let mut sleep = Process::start("sleep", sleep.arg("1000"), Ask::Terminate).unwrap();
        sleep.stop().unwrap();
        assert!(!sleep.ended().unwrap().unwrap().success());
        let error = Process::start("x", &mut Command::new("/nowhere/x"), Ask::Terminate);
        assert!(
            error
                .unwrap_err()
                .to_string()
                .starts_with("x does not start")
        );
    }
}

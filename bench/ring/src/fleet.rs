//! Reader processes of one kind: started, asked for what they saw, ended.
//!
//! Not here: what a reader does (`reader`).

use std::io::{ErrorKind, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::reader::{self, Kind, Seen};
use crate::side::{END, Publish, publish};

/// The processes, which end when it is dropped.
#[derive(Debug)]
pub struct Fleet {
    readers: Vec<Child>,
    /// From before the first was started until the last was attached.
    pub joined_in: Duration,
}

impl Fleet {
    /// Starts `count` readers (fork and exec of this program) and waits until all are attached.
    ///
    /// # Errors
    /// Where one cannot be started, or ends before it is attached.
    pub fn start(kind: &Kind, count: usize) -> Result<Fleet> {
        let program = std::env::current_exe()?;
        let arguments = arguments(kind);
        let began = Instant::now();
        let mut fleet = Fleet {
            readers: Vec::with_capacity(count),
            joined_in: Duration::ZERO,
        };
        for _ in 0..count {
            let child = Command::new(&program)
                .args(&arguments)
                .stdout(Stdio::piped())
                .spawn();
            let child = child.with_context(|| format!("start reader {}", fleet.readers.len()))?;
            fleet.readers.push(child);
        }
        for child in &mut fleet.readers {
            wait_attached(child)?;
        }
        fleet.joined_in = began.elapsed();
        Ok(fleet)
    }

    /// Their pids.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.readers.iter().map(Child::id)
    }

    /// Publishes the last frame and returns what each reader saw.
    ///
    /// # Errors
    /// Where one failed.
    pub fn finish(mut self, side: &mut dyn Publish, bytes: &[u8]) -> Result<Vec<Vec<Seen>>> {
        publish(side, bytes, END)?;
        let mut all = Vec::with_capacity(self.readers.len());
        for child in &mut self.readers {
            let mut said = Vec::new();
            if let Some(stdout) = &mut child.stdout {
                stdout.read_to_end(&mut said)?;
            }
            let status = child.wait()?;
            if !status.success() {
                bail!("a reader ended with {status}");
            }
            all.push(reader::parse(&said)?);
        }
        self.readers.clear();
        Ok(all)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in &mut self.readers {
            // Ended already, perhaps; either way there is nothing left to do about it.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until a child of this program has said that it has begun.
///
/// # Errors
/// Where it ends instead.
pub fn wait_attached(child: &mut Child) -> Result<()> {
    let stdout = child.stdout.as_mut().context("no pipe from a child")?;
    match stdout.read_exact(&mut [0]) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
            bail!("a child ended early, with {}", child.wait()?)
        }
        Err(e) => Err(e.into()),
    }
}

/// The command line that says `kind`.
fn arguments(kind: &Kind) -> Vec<&str> {
    match kind {
        Kind::Ours { name, copies } => {
            let copies = copies.then_some("--copies");
            ["reader", "ours", name].into_iter().chain(copies).collect()
        }
        Kind::Theirs { tag } => vec!["reader", "theirs", tag],
        Kind::Blank => vec!["reader", "blank"],
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{Cli, Part};

    #[test]
    fn the_command_line_says_the_kind() {
        let name = "n".to_owned();
        let (copies, tag) = (true, name.clone());
        for kind in [
            Kind::Ours { name, copies },
            Kind::Theirs { tag },
            Kind::Blank,
        ] {
            let line = [vec!["bench-ring"], arguments(&kind)].concat();
            let part = Cli::parse_from(line).part;
            assert_eq!(part, Some(Part::Reader { kind }));
        }
    }
}

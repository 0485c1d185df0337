//! What a forked process keeps of the supervisor's, and which worker it then is.
//!
//! Not here: the fork (`fork`), and what the supervisor does about it.

use std::os::fd::{AsFd as _, AsRawFd};

use anyhow::{Context as _, Result};
use worker::{Channel, Role, title};

use super::Supervisor;
use crate::{fork, sys};

impl Supervisor {
    /// Runs in the child: keeps what this worker may have, gives up the rest, works.
    pub(super) fn become_worker(&mut self, cell: usize, channel: &Channel) -> Result<i32> {
        self.board.disown();
        let ring = self.ring.take().context("the ring is there in a parent")?;
        let bell = self.board.bell().map(AsRawFd::as_raw_fd);
        let role = self.roles[cell];
        match role {
            Role::Capture => {
                title::set("seqcast: capture");
                if self.capture.choice.is_broker() {
                    // Before the writer, which has a thread.
                    sys::set_thread_stack(broker::STACK);
                    sys::share_heap();
                }
                let writer = ring.writer()?;
                ring.abandon();
                let stdin = self.capture.reads_stdin().then_some(0);
                let keep = writer.fds().map(|fd| fd.as_raw_fd());
                let line = [channel.as_fd().as_raw_fd()];
                let keep = keep.into_iter().chain(stdin).chain(bell).chain(line);
                fork::settle(keep)?;
                let cell = self.board.cell(cell);
                cell.begin(role);
                let resting = self.switchboard.resting();
                Ok(capture::run(&self.capture, writer, cell, channel, resting))
            }
            Role::Bridge => {
                title::set("seqcast: bridge");
                ring.abandon();
                let bridge = self.bridge.as_ref().context("whose cell this is")?;
                let reader = self.reader.as_fd().as_raw_fd();
                fork::settle([reader].into_iter().chain(bell))?;
                sys::set_thread_stack(broker::STACK);
                sys::share_heap();
                let cell = self.board.cell(cell);
                cell.begin(role);
                Ok(bridge::run(bridge, &self.reader, cell))
            }
            Role::Sender => {
                title::set("seqcast: sender");
                ring.abandon();
                let keep = self.listeners.iter().map(|l| l.socket.as_fd().as_raw_fd());
                let reader = self.reader.as_fd().as_raw_fd();
                let line = channel.as_fd().as_raw_fd();
                fork::settle(keep.chain(bell).chain([reader, line]))?;
                let cell = self.board.cell(cell);
                cell.begin(role);
                Ok(sender::run(
                    &self.sender,
                    &self.listeners,
                    &self.reader,
                    &self.board,
                    cell,
                    channel,
                ))
            }
        }
    }
}

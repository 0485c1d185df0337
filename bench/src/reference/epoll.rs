//! One process that writes to all sockets. Sockets are non-blocking: what one of them does not
//! take at once is copied and follows when it does.

use std::net::{TcpListener, TcpStream};

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{
    ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags,
};
use nix::time::ClockId;
use nix::unistd::write;

use super::{Grid, Part, accept, now_ns};

const STDIN: u64 = u64::MAX;
const LISTENER: u64 = u64::MAX - 1;
const TIMER: u64 = u64::MAX - 2;

/// A viewer; it has its place in the list as its number in the epoll set.
struct Viewer {
    socket: TcpStream,
    /// What of a part did not fit.
    rest: Vec<u8>,
    /// The last frame that was begun.
    last: u64,
}

pub fn run(listener: &TcpListener, mut part: Part, grid: Grid) -> Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let timer = TimerFd::new(TimerClock::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
    let period = grid.due(1) - grid.due(0);
    timer.set(
        Expiration::IntervalDelayed(TimeSpec::from(grid.due(1)), TimeSpec::from(period)),
        TimerSetTimeFlags::TFD_TIMER_ABSTIME,
    )?;
    let stdin = std::io::stdin();
    epoll.add(&stdin, EpollEvent::new(EpollFlags::EPOLLIN, STDIN))?;
    epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;

    let mut viewers: Vec<Option<Viewer>> = Vec::new();
    let mut events = [EpollEvent::empty(); 64];
    loop {
        let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0, // a profiler that attached
            Err(e) => return Err(e.into()),
        };
        for event in &events[..count] {
            match event.data() {
                STDIN => return Ok(()),
                LISTENER => {
                    if let Ok(socket) = accept(listener) {
                        socket.set_nonblocking(true)?;
                        let index = viewers.len() as u64;
                        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLRDHUP, index))?;
                        viewers.push(Some(Viewer {
                            socket,
                            rest: Vec::new(),
                            last: 0,
                        }));
                    }
                }
                TIMER => {
                    timer.wait()?;
                    let id = grid.last_due(now_ns(ClockId::CLOCK_MONOTONIC)?);
                    for (index, slot) in viewers.iter_mut().enumerate() {
                        let Some(viewer) = slot else { continue };
                        match viewer.send(id, &mut part, &grid) {
                            Ok(()) if viewer.rest.is_empty() => {}
                            Ok(()) => viewer.want(&epoll, index as u64, EpollFlags::EPOLLOUT)?,
                            Err(_) => *slot = None, // which also takes it out of the set
                        }
                    }
                }
                index => {
                    let slot = &mut viewers[index as usize];
                    let Some(viewer) = slot else { continue };
                    let gone = EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR | EpollFlags::EPOLLRDHUP;
                    if event.events().intersects(gone) || viewer.send_rest().is_err() {
                        *slot = None;
                    } else if viewer.rest.is_empty() {
                        viewer.want(&epoll, index, EpollFlags::empty())?;
                    }
                }
            }
        }
    }
}

impl Viewer {
    /// Sends frame `id`, unless one before it is still on its way.
    fn send(&mut self, id: u64, part: &mut Part, grid: &Grid) -> nix::Result<()> {
        if !self.rest.is_empty() || id <= self.last {
            return Ok(());
        }
        let skipped = match self.last {
            0 => 0,
            last => id - last - 1,
        };
        let bytes = part.stamped(grid.stamp(id, skipped));
        let written = write_some(&self.socket, bytes)?;
        if written > 0 {
            self.last = id;
            self.rest.extend_from_slice(&bytes[written..]);
        }
        Ok(())
    }

    fn send_rest(&mut self) -> nix::Result<()> {
        let written = write_some(&self.socket, &self.rest)?;
        self.rest.drain(..written);
        Ok(())
    }

    fn want(&self, epoll: &Epoll, index: u64, what: EpollFlags) -> nix::Result<()> {
        let mut event = EpollEvent::new(what | EpollFlags::EPOLLRDHUP, index);
        epoll.modify(&self.socket, &mut event)
    }
}

/// 0 where there is no room.
fn write_some(socket: &TcpStream, bytes: &[u8]) -> nix::Result<usize> {
    match write(socket, bytes) {
        Err(Errno::EAGAIN) => Ok(0),
        written => written,
    }
}

//! The model `multiplex`, and `process` with several viewers each: one thread, one `epoll(7)` set
//! with the listeners, the sockets and the ring's bell.
//!
//! A frame costs the set nothing: the bell rings once, and all streams that wait for a change make
//! a step. A socket is in the set only while its connection waits for it, one event at a time
//! (`EPOLLONESHOT`): a viewer that keeps up never is. Nothing here blocks but the wait for all.
//!
//! Not here: what a step does (`connection`).

use std::io;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use shm_ring::{Bell, Ticket};
use worker::{State, signals};

use crate::accept::{Arrival, Door};
use crate::awaiting::Await;
use crate::connection::Connection;
use crate::{DOOR, Heart, PAUSE, Sender};

/// What an event's number says: below [`GUEST`] a listener's index; from it on a guest's.
const GUEST: u64 = 1 << 32;
const BELL: u64 = u64::MAX;

/// Serves until the sender is wanted no more and every connection has ended.
///
/// # Errors
/// Those of the set itself, and of [`shm_ring::Reader::bell`].
pub(crate) fn run(sender: &Sender<'_>, mut door: Door<'_>) -> io::Result<()> {
    let mut ear = Ear::new(sender.ring.bell().map_err(io::Error::other)?);
    let mut floor = Floor::new(sender);
    let mut events = [EpollEvent::empty(); 64];
    let mut now = Instant::now();
    let mut heart = Heart::new(sender.cell, now);
    heart.tick(now);
    sender.cell.set_state(State::Idle);
    // Nobody is due before; whoever comes, at once.
    let mut next = now;
    // The door is opened anew then: a connection whose wake-up went to a process that died of it
    // would otherwise wait for the next one.
    let mut reopen = now;
    let mut shut_until = now;
    loop {
        let wanted = sender.is_wanted();
        if !wanted {
            sender.cell.set_state(State::Draining);
            if sender.ring.is_lost() || floor.is_empty() {
                return Ok(());
            }
        }
        let anew = now >= reopen;
        if anew {
            reopen = now + DOOR;
        }
        if anew || !wanted || !floor.has_room() || now < shut_until {
            door.close();
        }
        if wanted
            && floor.has_room()
            && now >= shut_until
            && let Err(error) = door.open()
        {
            // Out of memory or watches, which takes time to pass; whoever is inside stays.
            tracing::warn!("the door cannot be opened: {error}");
            shut_until = now + PAUSE;
        }
        // Deaf, streams look by themselves (`FRAME_WAIT`) until it is tried again.
        let _ = ear.listen(door.epoll(), !floor.is_empty());
        let left = next.min(reopen).saturating_duration_since(now);
        let count = wait(door.epoll(), &mut events, left)?;
        now = Instant::now();
        heart.tick(now);
        for event in &events[..count] {
            match event.data() {
                BELL => ear.bell.clear().map_err(io::Error::other)?,
                guest if guest >= GUEST => floor.ready((guest - GUEST) as usize, event.events()),
                _ if !floor.has_room() => {} // the door closes before the next wait
                listener => match door.accept(listener as usize) {
                    Ok(None) => {}
                    Ok(Some(arrival)) => floor.admit(arrival, now),
                    Err(error) => {
                        tracing::warn!("a connection could not be accepted: {error}");
                        shut_until = now + PAUSE;
                    }
                },
            }
        }
        next = floor.sweep(door.epoll(), now).min(now + DOOR);
    }
}

/// Waits at most `left`, rounded up: a wait of 0 ms towards a moment would spin.
fn wait(epoll: &Epoll, events: &mut [EpollEvent], left: Duration) -> io::Result<usize> {
    let millis = left.as_micros().div_ceil(1000).min(u16::MAX.into()) as u16;
    match epoll.wait(events, EpollTimeout::from(millis)) {
        Ok(count) => Ok(count),
        Err(nix::Error::EINTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// The ring's bell, in the set only while somebody is there for it to wake.
struct Ear {
    bell: Bell,
    listening: bool,
}

impl Ear {
    fn new(bell: Bell) -> Self {
        Ear {
            bell,
            listening: false,
        }
    }

    fn listen(&mut self, epoll: &Epoll, wanted: bool) -> io::Result<()> {
        match (self.listening, wanted) {
            (false, true) => epoll.add(&self.bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?,
            (true, false) => epoll.delete(&self.bell)?,
            _ => {}
        }
        self.listening = wanted;
        Ok(())
    }
}

/// The connections, by slot.
struct Floor<'a> {
    sender: &'a Sender<'a>,
    guests: Vec<Option<Guest<'a>>>,
    /// Indices of the empty ones; the last is taken next.
    free: Vec<usize>,
}

impl<'a> Floor<'a> {
    fn new(sender: &'a Sender<'a>) -> Self {
        let slots = sender.cell.slots().len();
        Floor {
            sender,
            guests: (0..slots).map(|_| None).collect(),
            free: (0..slots).rev().collect(),
        }
    }

    fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.free.len() == self.guests.len()
    }

    /// Takes a connection in; there is room.
    fn admit(&mut self, arrival: Arrival, now: Instant) {
        let Some(index) = self.free.pop() else {
            return;
        };
        let slot = &self.sender.cell.slots()[index];
        let connection = Connection::new(arrival, slot, self.sender, now);
        self.guests[index] = Some(Guest {
            connection,
            wait: Await::Turn,
            watched: None,
        });
    }

    /// The set says that a guest's wait is over, and has forgotten it.
    fn ready(&mut self, index: usize, events: EpollFlags) {
        let Some(place) = self.guests.get_mut(index) else {
            return;
        };
        if let Some(guest) = place {
            guest.watched = Some(EpollFlags::empty());
            guest.wait = Await::Turn;
        }
        if events.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP)
            && let Some(guest) = place.take()
        {
            self.free.push(index);
            let error = crate::socket::error_of(guest.connection.socket());
            guest.connection.broken(error);
        }
    }

    /// Lets everybody who is due make a step. Says when the next one will be.
    fn sweep(&mut self, epoll: &Epoll, now: Instant) -> Instant {
        let stopping = signals::stopping();
        // Before they look, or a change in between is slept through.
        let ticket = self.sender.ring.ticket();
        let mut next = now + DOOR;
        for (index, place) in self.guests.iter_mut().enumerate() {
            if let Some(guest) = place
                && (stopping || guest.is_due(ticket, now))
                && let Err(error) = guest.step(epoll, index, now)
                && let Some(guest) = place.take()
            {
                self.free.push(index);
                if let Some(error) = error {
                    guest.connection.broken(error);
                }
            }
            if let Some(guest) = place {
                next = next.min(guest.until(now));
            }
        }
        next
    }
}

/// A connection and what it waits for.
struct Guest<'a> {
    connection: Connection<'a>,
    wait: Await,
    /// What the set watches its socket for; none: the set does not know it.
    watched: Option<EpollFlags>,
}

impl Guest<'_> {
    fn is_due(&self, current: Ticket, now: Instant) -> bool {
        match self.wait {
            Await::Turn => true,
            Await::Change(ticket, until) => ticket != current || now >= until,
            Await::Readable(until) | Await::Writable(until) => now >= until,
        }
    }

    fn until(&self, now: Instant) -> Instant {
        match self.wait {
            Await::Turn => now,
            Await::Change(_, until) | Await::Readable(until) | Await::Writable(until) => until,
        }
    }

    /// Makes a step, and has the set watch for what comes then. It fails when the connection is
    /// over; with an error, if the set cannot watch it.
    fn step(&mut self, epoll: &Epoll, index: usize, now: Instant) -> Result<(), Option<io::Error>> {
        self.wait = self.connection.step(now).ok_or(None)?;
        let wanted = match self.wait {
            Await::Turn | Await::Change(..) => return Ok(()),
            Await::Readable(_) => EpollFlags::EPOLLIN,
            Await::Writable(_) => EpollFlags::EPOLLOUT,
        };
        if self.watched != Some(wanted) {
            self.watch(epoll, index, wanted)
                .map_err(|error| Some(error.into()))?;
        }
        Ok(())
    }

    fn watch(&mut self, epoll: &Epoll, index: usize, wanted: EpollFlags) -> nix::Result<()> {
        let socket = self.connection.socket();
        let flags = wanted | EpollFlags::EPOLLONESHOT;
        let mut event = EpollEvent::new(flags, GUEST + index as u64);
        match self.watched {
            None => epoll.add(socket, event)?,
            Some(_) => epoll.modify(socket, &mut event)?,
        }
        self.watched = Some(wanted);
        Ok(())
    }
}

//! The model `thread`: one process, a thread that accepts, and a thread for each connection. A
//! panic or a crash in any of them ends them all.
//!
//! Not here: what a thread does with its connection (`blocking`).

use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use worker::State;

use crate::accept::Door;
use crate::connection::Connection;
use crate::{DOOR, PAUSE, Sender, blocking};

/// Bytes of stack for a connection: a request's head, a placeholder's drawing, a picture's decoding
/// and a log line take a fifth of it; only what is touched takes memory.
const STACK: usize = 256 << 10;

/// Serves until the sender is wanted no more and every thread has ended.
pub(crate) fn run(sender: &Sender<'_>, mut door: Door<'_>) {
    sender.cell.beat();
    sender.cell.set_state(State::Idle);
    // The slots that are free. Where there are none, who comes waits at the door.
    let (give, free) = mpsc::channel();
    for slot in sender.cell.slots() {
        let _ = give.send(slot); // `free` is there to the end
    }
    thread::scope(|scope| {
        while sender.is_wanted() {
            sender.cell.beat();
            let Ok(slot) = free.recv_timeout(DOOR) else {
                continue;
            };
            let trouble = match door.next(DOOR) {
                Ok(Some(arrival)) => {
                    let connection = Connection::new(arrival, slot, sender, Instant::now());
                    let back = give.clone();
                    let viewer = thread::Builder::new().name("viewer".into());
                    let spawned = viewer.stack_size(STACK).spawn_scoped(scope, move || {
                        blocking::drive(connection, sender, |_| {});
                        let _ = back.send(slot);
                    });
                    match spawned {
                        Ok(_) => continue,
                        Err(error) => format!("no thread for a connection: {error}"),
                    }
                }
                Ok(None) => String::new(),
                Err(error) => format!("a connection could not be accepted: {error}"),
            };
            let _ = give.send(slot);
            if !trouble.is_empty() {
                tracing::warn!("{trouble}");
                thread::sleep(PAUSE);
            }
        }
        sender.cell.set_state(State::Draining);
    });
}

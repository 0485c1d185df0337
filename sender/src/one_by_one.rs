//! The model `process` with one viewer each: the process has one connection at a time, and whatever
//! happens to it happens to no other.
//!
//! Not here: how many such processes there are.

use std::time::Instant;

use worker::{State, title};

use crate::accept::Door;
use crate::connection::Connection;
use crate::{DOOR, Heart, PAUSE, Sender, blocking};

const IDLE_TITLE: &str = "seqcast: sender idle";

/// Serves until the sender is wanted no more.
pub(crate) fn run(sender: &Sender<'_>, mut door: Door<'_>) {
    title::set(IDLE_TITLE);
    sender.cell.beat();
    sender.cell.set_state(State::Idle);
    while sender.is_wanted() {
        sender.cell.beat();
        match door.next(DOOR) {
            Ok(None) => {}
            Ok(Some(arrival)) => {
                let now = Instant::now();
                let slot = sender.cell.slot();
                let connection = Connection::new(arrival, slot, sender, now);
                title::set(&format!("seqcast: sender {}", connection.caller()));
                let mut heart = Heart::new(sender.cell, now);
                blocking::drive(connection, sender, |now| heart.tick(now));
                title::set(IDLE_TITLE);
            }
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                std::thread::sleep(PAUSE);
            }
        }
    }
}

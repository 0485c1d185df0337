//! A reader: takes frames at random places of the ring and verifies every byte, until it is
//! killed.

use std::time::Duration;

use anyhow::Result;
use shm_ring::{Bounds, Gone, Reader};

use crate::order::{Order, Violation};
use crate::payload::{self, Wrong};
use crate::random::Random;
use crate::tally::{Reads, add};

/// How long it waits for a frame: about two at 30 fps.
const PATIENCE: Duration = Duration::from_millis(70);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Newest,
    Oldest,
    /// In order.
    Next,
}

/// What became of a look at the ring.
enum Look {
    Nothing,
    Accepted(usize),
    Torn(u64, Wrong),
    Overtaken,
    Gone,
}

pub fn run(ring: &Reader, max: usize, seed: u64, tally: &Reads) -> Result<()> {
    let mut random = Random::new(seed);
    let mut order = Order::default();
    let mut bytes = Vec::with_capacity(max);
    loop {
        let place = match random.below(3) {
            0 => Place::Newest,
            1 => Place::Oldest,
            _ => Place::Next,
        };
        let ticket = ring.ticket();
        add(&tally.looks, 1);
        match look(ring, max, place, &mut order, &mut bytes) {
            Ok(Look::Nothing) => ring.wait(ticket, PATIENCE),
            Ok(Look::Accepted(len)) => {
                add(&tally.accepted, 1);
                add(&tally.bytes, len as u64);
            }
            Ok(Look::Torn(id, wrong)) => {
                eprintln!("stress: a torn frame was accepted: {id}, {wrong:?}");
                add(&tally.accepted, 1);
                add(&tally.torn, 1);
            }
            Ok(Look::Overtaken) => add(&tally.overtaken, 1),
            Ok(Look::Gone) => add(&tally.gone, 1),
            Err(Violation) => {
                eprintln!("stress: an id repeated or fell: {order:?}");
                add(&tally.violations, 1);
            }
        }
    }
}

fn look(
    ring: &Reader,
    max: usize,
    place: Place,
    order: &mut Order,
    bytes: &mut Vec<u8>,
) -> Result<Look, Violation> {
    let bounds = ring.bounds();
    order.bounds(bounds)?;
    let Some(id) = pick(place, bounds, order) else {
        return Ok(Look::Nothing);
    };
    let frame = match ring.frame(id) {
        Ok(frame) => frame,
        Err(Gone::Overwritten) => return Ok(Look::Gone),
        Err(Gone::NotYet) => return Err(Violation), // `head` was above it
    };
    bytes.clear();
    frame.copy_range(0..frame.info().len, bytes);
    if !frame.is_intact() {
        return Ok(Look::Overtaken);
    }
    if let Err(wrong) = payload::verify(frame.info(), max, bytes) {
        return Ok(Look::Torn(id, wrong));
    }
    match place {
        Place::Next => order.accepted_next(id, frame.info())?,
        Place::Newest | Place::Oldest => order.accepted(id, frame.info())?,
    }
    Ok(Look::Accepted(bytes.len()))
}

/// The frame there is at a place.
fn pick(place: Place, bounds: Bounds, order: &Order) -> Option<u64> {
    let id = match place {
        Place::Newest => bounds.head,
        Place::Oldest => bounds.oldest,
        Place::Next => order.next(bounds),
    };
    (bounds.oldest..=bounds.head).contains(&id).then_some(id)
}

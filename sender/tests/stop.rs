//! A clean stop: SIGTERM to a process with a viewer. Alone in its binary, since it stops all
//! senders of the process.

#![allow(missing_docs)]

mod support;

use nix::sys::signal::{Signal, raise};
use support::{House, Options, wait_until};
use worker::State;

#[test]
fn viewers_see_the_end() {
    worker::signals::install().unwrap();
    let house = House::start(Options::default());
    house.publish(1000);
    let mut viewer = house.get("/stream");
    assert_eq!(viewer.frame().unwrap().id, Some(1));
    raise(Signal::SIGTERM).unwrap();
    while let Some(part) = viewer.part() {
        assert_eq!(part.id, None);
    }
    wait_until(|| {
        house
            .board()
            .all()
            .skip(1)
            .all(|cell| cell.state() == State::Draining)
    });
    wait_until(|| house.board().taken_seats() == 0);
}

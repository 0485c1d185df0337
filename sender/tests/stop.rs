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
    let houses: Vec<_> = House::each_way(Options::default()).collect();
    let mut viewers: Vec<_> = houses.iter().map(|house| house.get("/stream")).collect();
    for (house, viewer) in houses.iter().zip(&mut viewers) {
        house.publish(1000);
        assert_eq!(viewer.frame().unwrap().id, Some(1));
    }
    raise(Signal::SIGTERM).unwrap();
    for viewer in &mut viewers {
        while let Some(part) = viewer.part() {
            assert_eq!(part.id, None);
        }
        assert!(viewer.ended, "in good order");
    }
    for house in &houses {
        wait_until(|| {
            let mut senders = house.board().all().skip(1);
            senders.all(|cell| cell.state() == State::Draining)
        });
        wait_until(|| house.board().taken_seats() == 0);
    }
}

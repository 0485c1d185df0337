//! What the capture process was told to do for senders and has not reported done: who asked, and
//! until when he waits. Pure.
//!
//! Not here: channels (`switchboard`), and whether a value may be set (`worker::control`).

use std::time::Duration;

use worker::message::Ask;

use crate::policy::Moment;

/// A sender waits so long for one.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// At once, of all senders.
const MOST: usize = 32;
/// At once, of one: so that one that was taken over cannot keep the others out.
const MOST_OF_ONE: usize = 4;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// Whose it is.
    pub cell: usize,
    /// The sender's number for it.
    pub asked: u64,
    /// A fresh list, or to set something: what of it lasts.
    pub ask: Ask,
    /// Nobody waits for its answer: he was answered, or is dead. It happens all the same.
    pub answered: bool,
    id: u64,
    deadline: Moment,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Errands {
    last: u64,
    open: Vec<Errand>,
}

impl Errands {
    /// Takes one on and gives it a number; none: too many are open.
    pub fn begin(&mut self, cell: usize, asked: u64, ask: Ask, now: Moment) -> Option<u64> {
        let of_one = self.open.iter().filter(|errand| errand.cell == cell);
        if self.open.len() >= MOST || of_one.count() >= MOST_OF_ONE {
            return None;
        }
        self.last += 1;
        self.open.push(Errand {
            cell,
            asked,
            ask,
            answered: false,
            id: self.last,
            deadline: now + PATIENCE,
        });
        Some(self.last)
    }

    /// It is over; none: it never was, or the capture process is another one since.
    pub fn end(&mut self, id: u64) -> Option<Errand> {
        let at = self.open.iter().position(|errand| errand.id == id)?;
        Some(self.open.remove(at))
    }

    /// Those that took too long, each once: they are to be answered now.
    pub fn overdue(&mut self, now: Moment) -> Vec<Errand> {
        let late = |errand: &&mut Errand| !errand.answered && errand.deadline <= now;
        let late = self.open.iter_mut().filter(late);
        late.map(|errand| {
            let waiting = errand.clone();
            errand.answered = true;
            waiting
        })
        .collect()
    }

    /// The sender is dead: its successor asked for none of it.
    pub fn forget(&mut self, cell: usize) {
        let of_it = self.open.iter_mut().filter(|errand| errand.cell == cell);
        of_it.for_each(|errand| errand.answered = true);
    }

    /// The capture process is dead: takes all off.
    pub fn take_all(&mut self) -> Vec<Errand> {
        std::mem::take(&mut self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn begin(errands: &mut Errands, cell: usize, asked: u64, now: Moment) -> Option<u64> {
        errands.begin(cell, asked, Ask::List, now)
    }

    #[test]
    fn each_is_ended_once() {
        let mut errands = Errands::default();
        let first = begin(&mut errands, 1, 7, S).unwrap();
        let second = begin(&mut errands, 2, 7, S).unwrap();
        assert_ne!(first, second);
        let ended = errands.end(second).unwrap();
        assert_eq!((ended.cell, ended.asked), (2, 7));
        assert_eq!(errands.end(second), None);
        assert_eq!(errands.end(99), None);
        assert_eq!(errands.take_all().len(), 1);
        assert_eq!(errands.end(first), None);
    }

    #[test]
    fn what_takes_too_long_is_answered_once_and_still_comes_to_its_end() {
        let mut errands = Errands::default();
        let old = begin(&mut errands, 1, 1, S).unwrap();
        begin(&mut errands, 1, 2, 2 * S).unwrap();
        assert!(errands.overdue(S + PATIENCE - S / 1000).is_empty());
        let late = errands.overdue(S + PATIENCE);
        assert_eq!((late.len(), late[0].asked), (1, 1));
        assert!(errands.overdue(S + PATIENCE).is_empty());
        assert!(errands.end(old).unwrap().answered);
    }

    #[test]
    fn a_dead_senders_answers_go_to_nobody() {
        let mut errands = Errands::default();
        let id = begin(&mut errands, 1, 1, S).unwrap();
        errands.forget(1);
        assert!(errands.overdue(S + PATIENCE).is_empty());
        assert!(errands.end(id).unwrap().answered);
    }

    #[test]
    fn what_was_answered_late_has_its_place_until_it_is_done() {
        let mut errands = Errands::default();
        let ids: Vec<_> = (0..9)
            .filter_map(|n| begin(&mut errands, 1, n, S))
            .collect();
        assert_eq!(errands.overdue(S + PATIENCE).len(), MOST_OF_ONE);
        assert_eq!(begin(&mut errands, 1, 9, 9 * S), None);
        errands.end(ids[0]);
        assert!(begin(&mut errands, 1, 9, 9 * S).is_some());
    }

    #[test]
    fn one_sender_cannot_keep_the_others_out() {
        let mut errands = Errands::default();
        let taken = |errands: &mut Errands, cell| {
            (0..99)
                .filter(|&n| begin(errands, cell, n, S).is_some())
                .count()
        };
        assert_eq!(taken(&mut errands, 1), MOST_OF_ONE);
        let others: usize = (2..99).map(|cell| taken(&mut errands, cell)).sum();
        assert_eq!(others, MOST - MOST_OF_ONE);
    }
}

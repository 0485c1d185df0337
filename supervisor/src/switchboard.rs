//! The supervisor's ends of its workers' channels: what capture is told and tells, what senders ask
//! and are answered. A thin shell, which never waits for a worker.
//!
//! What comes from a sender is hostile until it was checked: senders face the network.
//!
//! Not here: when capture may rest (`demand`), what is under way (`errands`), which values a control
//! takes (`worker::control`), how messages are carried (`worker::channel`).

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use serde::de::DeserializeOwned;
use tracing::warn;
use worker::channel::{Received, Unsent};
use worker::control::{self, Control, MAX_NAME, MOST_SETTINGS, Setting};
use worker::message::{Answer, Answered, Ask, Asked, Order, Refusal, Report};
use worker::{CAPTURE_CELL, Channel};

use crate::errands::{Errand, Errands};
use crate::policy::Moment;

/// Messages taken from a worker in one turn, so that others have theirs.
const TURN: usize = 16;
/// The source is asked no more often for its controls as they are, whoever wants to know.
const REFRESH: Duration = Duration::from_secs(1);

/// A channel for each worker that lives, and what is known through them.
#[derive(Debug)]
pub struct Switchboard {
    ends: Vec<Option<End>>,
    errands: Errands,
    /// What the open source has; none: none is open.
    controls: Option<Vec<Control>>,
    /// When it was asked for them last.
    refreshed: Option<Moment>,
    /// What the capture process was told last.
    resting: bool,
}

#[derive(Debug)]
struct End {
    channel: Channel,
    /// Answers that it had no room for yet. Until they are gone, nothing more is heard from it, so
    /// there is at most one for each of its errands and one more.
    owed: VecDeque<Answered>,
    /// Something was wrong with what it said, or with the answer, and that was said.
    blamed: bool,
}

/// What the supervisor is to do about what was heard.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// What was to be set when the source was opened, and could not be: sentences.
    Refused(Vec<String>),
    /// These were set: the next capture process is to set them, too.
    Set(Vec<Setting>),
}

impl Switchboard {
    /// For so many cells, none of which has a worker yet.
    pub fn new(cells: usize) -> Switchboard {
        Switchboard {
            ends: (0..cells).map(|_| None).collect(),
            errands: Errands::default(),
            controls: None,
            refreshed: None,
            resting: false,
        }
    }

    /// The worker of `cell` lives, and this is the end of its channel.
    pub fn connect(&mut self, cell: usize, channel: Channel) {
        self.ends[cell] = Some(End {
            channel,
            owed: VecDeque::new(),
            blamed: false,
        });
    }

    /// The worker of `cell` is dead.
    pub fn disconnect(&mut self, cell: usize) {
        self.ends[cell] = None;
        if cell != CAPTURE_CELL {
            return self.errands.forget(cell);
        }
        self.controls = None;
        for errand in self.errands.take_all() {
            let why = "The capture process died of something meanwhile. Try again.";
            self.finish(&errand, Err(Refusal::Conflict(why.into())));
        }
    }

    /// Each worker's cell, and what to poll: it says something, or has room for what it is owed.
    pub fn fds(&self) -> impl Iterator<Item = (usize, PollFd<'_>)> {
        let ends = self.ends.iter().enumerate();
        ends.filter_map(|(cell, end)| {
            let end = end.as_ref()?;
            let flags = match end.owed.is_empty() {
                true => PollFlags::POLLIN,
                false => PollFlags::POLLOUT,
            };
            Some((cell, PollFd::new(end.channel.as_fd(), flags)))
        })
    }

    /// What the capture process was told last: its successor begins so.
    pub fn resting(&self) -> bool {
        self.resting
    }

    /// Tells the capture process to rest or not, if that is news. Where it cannot be told, it is
    /// tried again with the next call.
    pub fn rest(&mut self, rest: bool) {
        if rest == self.resting {
            return;
        }
        let order = if rest { Order::Rest } else { Order::Wake };
        match self.tell_capture(&order) {
            // A dead one's successor is forked as it should be.
            Ok(()) | Err(Unsent::Gone(_)) => self.resting = rest,
            Err(Unsent::Full) => {}
            Err(e) => warn!("capture: {e}"),
        }
    }

    /// Takes what the worker of `cell` has said, once it has what it is owed.
    pub fn hear(&mut self, cell: usize, now: Moment) -> Vec<News> {
        let mut news = Vec::new();
        self.pay(cell);
        for _ in 0..TURN {
            if cell == CAPTURE_CELL {
                match self.next(cell) {
                    Some(report) => news.extend(self.heed(report)),
                    None => break,
                }
            } else {
                match self.next(cell) {
                    Some(Asked { id, ask }) => self.consider(cell, id, ask, now),
                    None => break,
                }
            }
        }
        news
    }

    /// Answers those who have waited for the capture process for too long.
    pub fn expire(&mut self, now: Moment) {
        for errand in self.errands.overdue(now) {
            self.finish(&errand, Err(Refusal::Busy));
        }
    }

    /// The next message of that worker, if one is there and it is owed nothing.
    fn next<T: DeserializeOwned>(&mut self, cell: usize) -> Option<T> {
        loop {
            let end = self.ends[cell].as_mut()?;
            if !end.owed.is_empty() {
                return None;
            }
            match end.channel.receive() {
                Received::Message(message) => return Some(message),
                Received::Nothing => return None,
                // It is about to be buried; polled on, it would wake us all the time.
                Received::Closed => self.ends[cell] = None,
                Received::Broken(why) if !std::mem::replace(&mut end.blamed, true) => {
                    warn!(
                        "worker {cell} says what is no message ({why:.200}); ignored from now on"
                    );
                }
                Received::Broken(_) => return None, // the rest in another turn
            }
        }
    }

    fn heed(&mut self, report: Report) -> Option<News> {
        match report {
            Report::Controls { controls, refused } => {
                self.controls = Some(controls);
                Some(News::Refused(refused))
            }
            Report::Closed => {
                self.controls = None;
                None
            }
            Report::Done { id, outcome } => {
                let errand = self.errands.end(id)?;
                let was_set = outcome.is_ok();
                self.finish(&errand, outcome.map_err(Refusal::Conflict));
                match errand.ask {
                    Ask::Set(lasting) if was_set => Some(News::Set(lasting)),
                    _ => None,
                }
            }
        }
    }

    fn consider(&mut self, cell: usize, asked: u64, ask: Ask, now: Moment) {
        let (ask, settings) = match ask {
            Ask::List if self.is_stale(now) => (ask, Vec::new()),
            Ask::List => return self.answer(cell, asked, Ok(self.list())),
            Ask::Set(settings) => match self.lasting(&settings) {
                Ok(lasting) => (Ask::Set(lasting), settings),
                Err(refusal) => return self.answer(cell, asked, Err(refusal)),
            },
        };
        let is_list = ask == Ask::List;
        let Some(id) = self.errands.begin(cell, asked, ask, now) else {
            let busy = if is_list {
                Ok(self.list())
            } else {
                Err(Refusal::Busy)
            };
            return self.answer(cell, asked, busy);
        };
        if self.tell_capture(&Order::Set { id, settings }).is_err() {
            if let Some(errand) = self.errands.end(id) {
                self.finish(&errand, Err(Refusal::Busy));
            }
        } else if is_list {
            self.refreshed = Some(now);
        }
    }

    /// Whether the open source may have changed its controls by itself since it was asked.
    fn is_stale(&self, now: Moment) -> bool {
        let is_old = |at| now >= at + REFRESH;
        self.controls.is_some() && self.refreshed.is_none_or(is_old)
    }

    fn list(&self) -> Vec<Control> {
        self.controls.clone().unwrap_or_default()
    }

    /// What of it lasts, if it may be set.
    fn lasting(&self, settings: &[Setting]) -> Result<Vec<Setting>, Refusal> {
        let Some(controls) = &self.controls else {
            let why = match self.resting {
                true => "The camera is resting: nobody watches.",
                false => "There is no camera at the moment.",
            };
            return Err(Refusal::Conflict(why.into()));
        };
        if settings.is_empty() || settings.len() > MOST_SETTINGS {
            let why = format!("one to {MOST_SETTINGS} controls may be set at once");
            return Err(Refusal::Invalid(why));
        }
        if !settings
            .iter()
            .all(|setting| control::is_name(&setting.name))
        {
            let why = format!("a control's name has at most {MAX_NAME} of a to z, 0 to 9 and _");
            return Err(Refusal::Invalid(why));
        }
        let mut checks = settings
            .iter()
            .map(|setting| control::check(controls, setting));
        checks
            .try_for_each(|check| check)
            .map_err(Refusal::Invalid)?;
        Ok(control::lasting(controls, settings))
    }

    /// Answers who waits for that, if somebody does. A list is given as far as it is known.
    fn finish(&mut self, errand: &Errand, outcome: Result<(), Refusal>) {
        if errand.answered {
            return;
        }
        let answer = match (&errand.ask, outcome) {
            (Ask::List, _) => Ok(self.list()),
            (Ask::Set(_), Err(refusal)) => Err(refusal),
            (Ask::Set(_), Ok(())) if self.controls.is_some() => Ok(self.list()),
            (Ask::Set(_), Ok(())) => Err(Refusal::Conflict("The source is closed.".into())),
        };
        self.answer(errand.cell, errand.asked, answer);
    }

    fn answer(&mut self, cell: usize, id: u64, answer: Answer) {
        if let Some(end) = &mut self.ends[cell] {
            end.owed.push_back(Answered { id, answer });
            self.pay(cell);
        }
    }

    /// Sends what the worker of `cell` is owed, as far as it has room.
    fn pay(&mut self, cell: usize) {
        let Some(end) = &mut self.ends[cell] else {
            return;
        };
        while let Some(answered) = end.owed.front() {
            match end.channel.send(answered) {
                Err(Unsent::Full) => return,
                Err(e @ Unsent::Unfit(_)) if !std::mem::replace(&mut end.blamed, true) => {
                    warn!("the answer to worker {cell}: {e}");
                }
                // Who is gone waits for none.
                Ok(()) | Err(Unsent::Unfit(_) | Unsent::Gone(_)) => {}
            }
            end.owed.pop_front();
        }
    }

    fn tell_capture(&self, order: &Order) -> Result<(), Unsent> {
        match &self.ends[CAPTURE_CELL] {
            Some(end) => end.channel.send(order),
            None => Err(Unsent::Gone(std::io::ErrorKind::NotConnected.into())),
        }
    }
}

#[cfg(test)]
mod tests;

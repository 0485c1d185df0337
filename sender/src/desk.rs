//! Where a sender's connections ask the supervisor: questions go out over one channel, answers come
//! back in any order. Nobody waits here; who asked looks again.
//!
//! Not here: what is asked and answered (`worker::message`), and for how long (`connection`).

use std::sync::{Mutex, MutexGuard, PoisonError};

use worker::Channel;
use worker::channel::{Received, Unsent};
use worker::message::{Answer, Answered, Ask, Asked};

/// This process's end of the channel.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    channel: &'a Channel,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    sent: Vec<Sent>,
}

/// What was asked.
#[derive(Debug)]
struct Sent {
    id: u64,
    is_list: bool,
    /// How many wait for it.
    askers: usize,
    answer: Option<Answer>,
}

impl<'a> Desk<'a> {
    pub fn new(channel: &'a Channel) -> Self {
        Desk {
            channel,
            open: Mutex::default(),
        }
    }

    /// Asks. Who wants the list while it is under way gets that one: the answers are long.
    ///
    /// # Errors
    /// Those of [`Channel::send`].
    pub fn ask(&self, ask: Ask) -> Result<Question<'_>, Unsent> {
        let mut open = self.open();
        self.receive(&mut open); // or an old one would be joined
        let is_list = ask == Ask::List;
        let mut sent = open.sent.iter_mut();
        let under_way = sent.find(|sent| is_list && sent.is_list && sent.answer.is_none());
        if let Some(sent) = under_way {
            sent.askers += 1;
            let id = sent.id;
            return Ok(Question { desk: self, id });
        }
        let id = open.last + 1;
        self.channel.send(&Asked { id, ask })?;
        open.last = id;
        open.sent.push(Sent {
            id,
            is_list,
            askers: 1,
            answer: None,
        });
        Ok(Question { desk: self, id })
    }

    /// Takes the answers that are there. What is none was not sent by this supervisor.
    fn receive(&self, open: &mut Open) {
        while let Received::Message(Answered { id, answer }) = self.channel.receive() {
            if let Some(sent) = open.sent.iter_mut().find(|sent| sent.id == id) {
                sent.answer = Some(answer);
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // A panic ends the process: nobody is left to find it half-changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something asked; forgotten with its drop.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    desk: &'a Desk<'a>,
    id: u64,
}

impl Question<'_> {
    /// The answer, once it is there.
    pub fn answer(&self) -> Option<Answer> {
        let mut open = self.desk.open();
        self.desk.receive(&mut open); // others' may come first
        let mine = open.sent.iter().find(|sent| sent.id == self.id)?;
        mine.answer.clone()
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        let mut open = self.desk.open();
        if let Some(sent) = open.sent.iter_mut().find(|sent| sent.id == self.id) {
            sent.askers -= 1;
        }
        open.sent.retain(|sent| sent.askers > 0);
    }
}

#[cfg(test)]
mod tests {
    use worker::channel;
    use worker::message::Refusal;

    use super::*;

    #[test]
    fn each_gets_its_own_answer_in_any_order() {
        let (supervisor, channel) = channel::pair().unwrap();
        let desk = Desk::new(&channel);
        let [first, second, third] = [(); 3].map(|()| desk.ask(Ask::Set(vec![])).unwrap());
        let says = |question: &Question<'_>, why: &str| {
            let answer = Err(Refusal::Invalid(why.into()));
            supervisor
                .send(&Answered {
                    id: question.id,
                    answer,
                })
                .unwrap();
        };
        says(&third, "3");
        says(&second, "2");
        assert_eq!(first.answer(), None);
        assert_eq!(second.answer(), Some(Err(Refusal::Invalid("2".into()))));
        drop(third);
        says(&first, "1");
        assert_eq!(first.answer(), Some(Err(Refusal::Invalid("1".into()))));
        drop((first, second));
        assert!(desk.open().sent.is_empty());
    }

    #[test]
    fn who_wants_the_list_joins_who_waits_for_it() {
        let (supervisor, channel) = channel::pair().unwrap();
        let desk = Desk::new(&channel);
        let [first, second] = [(); 2].map(|()| desk.ask(Ask::List).unwrap());
        let set = desk.ask(Ask::Set(vec![])).unwrap();
        let asked = || match supervisor.receive::<Asked>() {
            Received::Message(asked) => Some(asked.id),
            _ => None,
        };
        assert_eq!([(); 3].map(|()| asked()), [Some(1), Some(2), None]);
        drop(first);
        let answer = Ok(vec![]);
        supervisor.send(&Answered { id: 1, answer }).unwrap();
        let third = desk.ask(Ask::List).unwrap();
        assert_eq!(asked(), Some(3), "that one has been answered");
        assert_eq!(second.answer(), Some(Ok(vec![])));
        assert_eq!((third.answer(), set.answer()), (None, None));
        drop((second, third, set));
        assert!(desk.open().sent.is_empty());
    }
}

//! Where in a stream a time of capture is, by halving.
//!
//! RabbitMQ can be asked to begin at a time, but 3.10.8 then begins at the stream's end now and then: RbFly and
//! AMQP 0-9-1 alike got what was just being published for 24 of 42 times that lay seconds back. An offset it finds
//! each time.
//!
//! Not here: passing over what lies before (`capture`).

use std::time::Duration;

use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use shm_ring::Offset;
use tokio::time::timeout;

use crate::message;
use crate::session::Session;
use crate::subscription::{delivery, stream_offset};

/// After so long without a message there is none: time for one of 6 MB (raw 1080p) over 25 Mbit/s.
const SILENCE: Duration = Duration::from_secs(2);

/// A message of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    offset: u64,
    /// When it was captured, Unix time, nanoseconds; 0: it does not say.
    captured_ns: u64,
}

/// From where on to read, to have the first message that was captured then or later; never a time.
pub(crate) async fn seek(session: &Session, queue: &str, ns: u64) -> lapin::Result<Offset> {
    let Some(first) = first_from(session, queue, Offset::First).await? else {
        return Ok(Offset::First);
    };
    let last = first_from(session, queue, Offset::Last).await?;
    let mut search = match Search::new(ns, first, last.unwrap_or(first)) {
        Ok(search) => search,
        Err(found) => return Ok(found),
    };
    while let Some(middle) = search.next() {
        search.learn(first_from(session, queue, Offset::Id(middle)).await?);
    }
    Ok(Offset::Id(search.high))
}

/// Between a message that is too early and one that is not.
#[derive(Debug)]
struct Search {
    ns: u64,
    low: u64,
    high: u64,
}

impl Search {
    /// Without one, where to begin.
    fn new(ns: u64, first: Found, last: Found) -> Result<Search, Offset> {
        if first.captured_ns >= ns {
            return Err(Offset::First);
        }
        if last.captured_ns < ns {
            return Err(Offset::Last);
        }
        let (low, high) = (first.offset, last.offset);
        Ok(Search { ns, low, high })
    }

    /// The offset to look at next.
    fn next(&self) -> Option<u64> {
        let between = self.high.saturating_sub(self.low);
        (between > 1).then_some(self.low + between / 2)
    }

    /// What is there, or next behind it: offsets have gaps.
    fn learn(&mut self, found: Option<Found>) {
        let middle = self.low + (self.high - self.low) / 2;
        match found {
            Some(found) if found.captured_ns < self.ns && found.offset < self.high => {
                self.low = found.offset.max(middle);
            }
            _ => self.high = middle,
        }
    }
}

/// The first message from there on; none where none comes.
pub(crate) async fn first_from(
    session: &Session,
    queue: &str,
    from: Offset,
) -> lapin::Result<Option<Found>> {
    let channel = &session.channel;
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-stream-offset".into(), stream_offset(from));
    let options = BasicConsumeOptions::default();
    let mut consumer = channel
        .basic_consume(queue.into(), "".into(), options, arguments)
        .await?;
    let mut found = None;
    // Those of the same chunk may come first.
    while let Ok(Some(next)) = timeout(SILENCE, delivery(&mut consumer)).await {
        let next = next?;
        let offset = message::stream_offset(&next.properties).unwrap_or(0);
        next.acker.ack(BasicAckOptions::default()).await?;
        if !matches!(from, Offset::Id(id) if offset < id) {
            let tags = message::tags_of(&next.properties);
            let captured_ns = tags.map_or(0, |tags| tags.captured_ns);
            found = Some(Found {
                offset,
                captured_ns,
            });
            break;
        }
    }
    let tag = consumer.tag();
    channel
        .basic_cancel(tag, BasicCancelOptions::default())
        .await?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(offset: u64) -> Found {
        Found {
            offset,
            captured_ns: offset * 10,
        }
    }

    #[test]
    fn before_the_first_and_behind_the_last() {
        let (first, last) = (found(3), found(9));
        assert_eq!(Search::new(30, first, last).unwrap_err(), Offset::First);
        assert_eq!(Search::new(91, first, last).unwrap_err(), Offset::Last);
        assert!(Search::new(90, first, last).is_ok());
    }

    proptest! {
        /// Whatever gaps there are, reading from there on passes over nothing that was asked for.
        #[test]
        fn nothing_is_passed_over(gaps in prop::collection::vec(1_u64..50, 2..200), at in 0_u64..10_000) {
            let mut offset = 0;
            let there: Vec<u64> = gaps.iter().map(|gap| { offset += gap; offset }).collect();
            let from = |least: u64| there.iter().copied().find(|&there| there >= least);
            let (first, last) = (found(there[0]), found(*there.last().unwrap()));
            if let Ok(mut search) = Search::new(at, first, last) {
                let mut steps = 0;
                while let Some(middle) = search.next() {
                    search.learn(from(middle).map(found));
                    steps += 1;
                    prop_assert!(steps < 64);
                }
                let wanted = there.iter().copied().find(|&there| found(there).captured_ns >= at);
                prop_assert_eq!(from(search.high), wanted);
            }
        }
    }
}

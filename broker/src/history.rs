//! What the broker keeps of an exchange: a stream queue that is bound to it, and how much that holds.
//!
//! Retention is looked at only when a segment is full, so a segment is a small part of the whole.
//!
//! Not here: reading it (`subscription`), and how far somebody has read it (`position`).

use std::time::Duration;

use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::Address;
use crate::session::Session;
use crate::trouble::{Trouble, is_precondition_failed};

/// The smallest and the largest segment, bytes.
const SEGMENT: (u64, u64) = (1_000_000, 100_000_000);
/// Segments of the whole.
const SEGMENTS: u64 = 16;

/// What is kept: whatever is within both, and the segment that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    age: Duration,
    bytes: u64,
}

impl Retention {
    /// For so long, whole seconds, and so many bytes.
    ///
    /// # Errors
    /// A sentence: less than a broker can tell apart, or more than it can count.
    pub fn new(age: Duration, bytes: u64) -> Result<Retention, String> {
        let least = SEGMENT.0 * SEGMENTS;
        if age < Duration::from_secs(1) {
            return Err("keep a second or more".into());
        }
        if bytes < least || i64::try_from(bytes).is_err() {
            return Err(format!(
                "keep 16M or more ({least} bytes): so much is removed at a time"
            ));
        }
        Ok(Retention { age, bytes })
    }

    /// Bytes that are removed at a time.
    fn segment(self) -> u64 {
        (self.bytes / SEGMENTS).clamp(SEGMENT.0, SEGMENT.1)
    }

    /// As a queue is declared (rabbitmq.com/docs/streams#declaring).
    fn arguments(self) -> FieldTable {
        let text = |text: String| AMQPValue::LongString(text.into());
        let long = |value: u64| AMQPValue::LongLongInt(i64::try_from(value).unwrap_or(i64::MAX));
        let mut arguments = FieldTable::default();
        for (name, value) in [
            ("x-queue-type", text("stream".into())),
            ("x-max-age", text(format!("{}s", self.age.as_secs()))),
            ("x-max-length-bytes", long(self.bytes)),
            ("x-stream-max-segment-size-bytes", long(self.segment())),
        ] {
            arguments.insert(name.into(), value);
        }
        arguments
    }
}

/// The queue that holds the history of an exchange.
pub(crate) fn queue(address: &Address) -> String {
    format!("{}.history", address.exchange)
}

/// Has the broker keep what is published from now on. What it keeps already stays.
pub(crate) async fn keep(
    session: &Session,
    address: &Address,
    retention: Retention,
) -> Result<(), Trouble> {
    let queue = queue(address);
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared =
        session
            .channel
            .queue_declare(queue.as_str().into(), durable, retention.arguments());
    declared.await.map_err(|e| match is_precondition_failed(&e) {
        true => Trouble::refusal(format!(
            "{queue} is there with other limits: give those, or remove it: rabbitmqctl -p {} delete_queue {queue}",
            address.vhost
        )),
        false => Trouble::of(&e, address, false),
    })?;
    // Again each time: an exchange that is not durable is gone with its broker, and its bindings with it.
    let bound = session.channel.queue_bind(
        queue.as_str().into(),
        address.exchange.as_str().into(),
        "".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.map_err(|e| Trouble::of(&e, address, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn segments_are_a_small_part() {
        let segment = |bytes| Retention::new(HOUR, bytes).unwrap().segment();
        assert_eq!(segment(16_000_000), 1_000_000);
        assert_eq!(segment(160_000_000), 10_000_000);
        assert_eq!(segment(12 << 30), 100_000_000);
    }

    #[test]
    fn what_no_broker_keeps() {
        assert!(Retention::new(HOUR, 1000).is_err());
        assert!(Retention::new(HOUR, u64::MAX).is_err());
        assert!(Retention::new(Duration::from_millis(900), 1 << 30).is_err());
    }

    #[test]
    fn as_a_broker_is_told() {
        let arguments = Retention::new(HOUR, 12 << 30).unwrap().arguments();
        let said = |name: &str| arguments.inner().get(name).cloned();
        assert_eq!(
            said("x-max-age"),
            Some(AMQPValue::LongString("3600s".into()))
        );
        assert_eq!(
            said("x-max-length-bytes"),
            Some(AMQPValue::LongLongInt(12 << 30))
        );
    }
}

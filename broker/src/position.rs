//! How far somebody has read a history, under a name, kept by the broker: a durable queue that holds one message, the
//! offset of the last frame that was shown. AMQP 0-9-1 has no word for a stream's own offset tracking, and a
//! file would be on one machine only.
//!
//! Not here: where to go on (`subscription`, `capture`).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicNackOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::session::Session;
use crate::{Address, Trouble};

/// Longest name, bytes.
const MAX_NAME: usize = 64;
/// Of a message that outlives the broker (`delivery-mode`).
const PERSISTENT: u8 = 2;

/// How often it is stored.
const STORING: Duration = Duration::from_secs(1);

/// The name of a position: letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position(String);

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Position, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(plain) {
            return Err(format!(
                "a position's name is up to {MAX_NAME} letters, digits, -, _ and ."
            ));
        }
        Ok(Position(text.to_owned()))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Position {
    fn queue(&self, address: &Address) -> String {
        format!("{}.position.{}", address.exchange, self.0)
    }
}

/// Where a position is stored: over a connection of its own, since a broker that is short of memory or disk reads
/// nothing more from who publishes, not even what it says of its messages.
pub(crate) struct Bookmark {
    queue: String,
    session: Session,
    /// What was stored last, and when.
    stored: Option<u64>,
    stored_at: Option<Instant>,
}

impl Bookmark {
    /// Connects; `name` and the position's is what the broker's operator sees.
    pub async fn open(
        position: &Position,
        address: &Address,
        name: &str,
    ) -> Result<Bookmark, Trouble> {
        let name = format!("{name}, position {position}");
        Ok(Bookmark {
            queue: position.queue(address),
            session: Session::connect(address, &name).await?,
            stored: None,
            stored_at: None,
        })
    }

    /// The offset that was stored last; none: this is the first time.
    pub async fn load(&mut self) -> lapin::Result<Option<u64>> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
        arguments.insert(
            "x-overflow".into(),
            AMQPValue::LongString("drop-head".into()),
        );
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let channel = &self.session.channel;
        let queue = || self.queue.as_str().into();
        channel.queue_declare(queue(), durable, arguments).await?;
        let got = channel.basic_get(queue(), BasicGetOptions::default());
        let Some(message) = got.await? else {
            return Ok(None);
        };
        // It stays there until a later one takes its place.
        let back = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        message.delivery.acker.nack(back).await?;
        let text = String::from_utf8_lossy(&message.delivery.data);
        self.stored = text.trim().parse().ok();
        Ok(self.stored)
    }

    /// Whether it was not stored just now.
    pub fn is_due(&self) -> bool {
        self.stored_at.is_none_or(|at| at.elapsed() >= STORING)
    }

    /// Stores what was shown last in place of what was before, if that is news, and the broker takes it.
    pub async fn store(&mut self, shown: Option<u64>) -> lapin::Result<()> {
        let Some(offset) = shown.filter(|_| shown != self.stored && !self.session.is_blocked())
        else {
            return Ok(());
        };
        let text = offset.to_string();
        let properties = BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_delivery_mode(PERSISTENT);
        // The default exchange is bound to each queue by its name.
        let published = self.session.channel.basic_publish(
            "".into(),
            self.queue.as_str().into(),
            BasicPublishOptions::default(),
            text.as_bytes(),
            properties,
        );
        published.await?;
        self.stored = Some(offset);
        self.stored_at = Some(Instant::now());
        Ok(())
    }

    /// Says good-bye, if that can be done quickly.
    pub async fn close(&self) {
        self.session.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let address = Address::parse("amqp://mq/cam", None).unwrap();
        let position: Position = "wall-2".parse().unwrap();
        assert_eq!(position.queue(&address), "cam.position.wall-2");
        for bad in ["", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}

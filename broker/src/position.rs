//! How far somebody has read a history, under a name, kept by the broker: a durable queue that holds one message, the
//! offset of the last frame that was shown. AMQP 0-9-1 has no word for a stream's own offset tracking, and a
//! file would be on one machine only.
//!
//! Not here: when it is stored (`subscription`), where to go on (`capture`).

use std::fmt;
use std::str::FromStr;

use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicNackOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::Address;
use crate::session::Session;

/// Longest name, bytes.
const MAX_NAME: usize = 64;
/// Of a message that outlives the broker (`delivery-mode`).
const PERSISTENT: u8 = 2;

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

    /// The offset that was stored last; none: this is the first time.
    pub(crate) async fn load(
        &self,
        session: &Session,
        address: &Address,
    ) -> lapin::Result<Option<u64>> {
        let queue = self.queue(address);
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
        let channel = &session.channel;
        channel
            .queue_declare(queue.as_str().into(), durable, arguments)
            .await?;
        let got = channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
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
        Ok(text.trim().parse().ok())
    }

    /// Stores an offset in place of the one before.
    pub(crate) async fn store(
        &self,
        session: &Session,
        address: &Address,
        offset: u64,
    ) -> lapin::Result<()> {
        let queue = self.queue(address);
        let text = offset.to_string();
        let properties = BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_delivery_mode(PERSISTENT);
        let options = BasicPublishOptions::default();
        let channel = &session.channel;
        // The default exchange is bound to each queue by its name.
        let published = channel.basic_publish(
            "".into(),
            queue.as_str().into(),
            options,
            text.as_bytes(),
            properties,
        );
        published.await.map(drop)
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

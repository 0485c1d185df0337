//! Consuming from the exchange, the newest message alone, on a thread of its own: whoever waits for messages
//! waits as long as it likes, and the connection lives meanwhile.
//!
//! The queue is the subscription's own and holds one message, the newest; the next one is given when the last
//! is done with. A broker that is silent is asked, and the binding made again where it went with its exchange.
//!
//! Not here: what to make of a message (`message`, `capture`), when to open again.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_core::Stream;
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use tokio::select;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::message::{self, Malformed, Message};
use crate::session::{Session, runtime};
use crate::{Address, Trouble};

/// After so long without a message the broker is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(2);
/// How long it has for an answer.
const ANSWER: Duration = Duration::from_secs(2);

/// What is heard of a broker.
#[derive(Debug)]
pub enum Heard {
    /// The queue is bound: messages come if somebody publishes.
    Bound,
    /// A message. The next one comes after [`Subscription::taken`].
    Message(Result<Message, Malformed>),
    /// It is over.
    Gone(Trouble),
}

/// A connection that consumes. Dropping it ends it.
pub struct Subscription {
    heard: Receiver<Heard>,
    signals: Arc<Signals>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Signals {
    taken: Notify,
    stop: Notify,
}

impl Subscription {
    /// Begins to connect. `name` is what the broker's operator sees; `queue` names the queue, which no other
    /// may have.
    ///
    /// # Errors
    /// No thread or descriptor to be had.
    pub fn open(address: &Address, name: String, queue: String) -> io::Result<Subscription> {
        let (speaker, heard) = channel();
        let signals = Arc::new(Signals::default());
        let consuming = Consuming {
            address: address.clone(),
            name,
            queue: queue.into(),
            speaker,
            signals: signals.clone(),
        };
        let runtime = runtime()?;
        let thread = thread::Builder::new().name("amqp".into()).spawn(move || {
            runtime.block_on(consuming.run());
            runtime.shutdown_background();
        })?;
        Ok(Subscription {
            heard,
            signals,
            thread: Some(thread),
        })
    }

    /// What is heard next, after at most `wait`.
    #[must_use]
    pub fn next(&self, wait: Duration) -> Option<Heard> {
        match self.heard.recv_timeout(wait) {
            Ok(heard) => Some(heard),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                Some(Heard::Gone(Trouble::passing("the connection is over")))
            }
        }
    }

    /// The last message is done with.
    pub fn taken(&self) {
        self.signals.taken.notify_one();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.signals.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has been said, and is no reason for another.
            let _ = thread.join();
        }
    }
}

struct Consuming {
    address: Address,
    name: String,
    queue: ShortString,
    speaker: Sender<Heard>,
    signals: Arc<Signals>,
}

impl Consuming {
    async fn run(self) {
        let opened = select! {
            opened = self.open() => opened,
            () = self.signals.stop.notified() => return,
        };
        let gone = match opened {
            Ok((session, consumer)) => {
                self.say(Heard::Bound);
                let gone = select! {
                    gone = self.consume(&session, consumer) => Some(gone),
                    () = self.signals.stop.notified() => None,
                };
                session.close().await;
                gone
            }
            Err(trouble) => Some(trouble),
        };
        if let Some(trouble) = gone {
            self.say(Heard::Gone(trouble));
        }
    }

    fn say(&self, heard: Heard) {
        // Nobody listens any more: the stop is on its way.
        let _ = self.speaker.send(heard);
    }

    async fn open(&self) -> Result<(Session, Consumer), Trouble> {
        let session = Session::open(&self.address, &self.name).await?;
        let consumer = self.subscribe(&session);
        match timeout(ANSWER, consumer).await {
            Ok(Ok(consumer)) => Ok((session, consumer)),
            Ok(Err(e)) => Err(self.trouble(&e)),
            Err(_) => Err(Trouble::passing("the broker does not answer")),
        }
    }

    async fn subscribe(&self, session: &Session) -> lapin::Result<Consumer> {
        let channel = &session.channel;
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
        arguments.insert(
            "x-overflow".into(),
            AMQPValue::LongString("drop-head".into()),
        );
        let own = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(self.queue.clone(), own, arguments)
            .await?;
        channel.basic_qos(1, BasicQosOptions::default()).await?;
        self.bind(session).await?;
        let options = BasicConsumeOptions::default();
        channel
            .basic_consume(
                self.queue.clone(),
                "".into(),
                options,
                FieldTable::default(),
            )
            .await
    }

    async fn bind(&self, session: &Session) -> lapin::Result<()> {
        let exchange = self.address.exchange.as_str().into();
        let options = QueueBindOptions::default();
        let bound = session.channel.queue_bind(
            self.queue.clone(),
            exchange,
            "".into(),
            options,
            FieldTable::default(),
        );
        bound.await
    }

    /// Gives messages until it is over.
    async fn consume(&self, session: &Session, mut consumer: Consumer) -> Trouble {
        loop {
            match timeout(SILENCE, delivery(&mut consumer)).await {
                Ok(Some(Ok(delivery))) => {
                    if let Err(e) = self.give(delivery).await {
                        return self.trouble(&e);
                    }
                }
                Ok(Some(Err(e))) => return self.trouble(&e),
                Ok(None) => return Trouble::passing("the broker took the queue away"),
                Err(_) => match timeout(ANSWER, self.bind(session)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(e)) => return self.trouble(&e),
                    Err(_) => return Trouble::passing("the broker does not answer"),
                },
            }
        }
    }

    /// Gives one, and has it acknowledged when it was taken.
    async fn give(&self, delivery: Delivery) -> lapin::Result<()> {
        let Delivery {
            data,
            properties,
            acker,
            ..
        } = delivery;
        self.say(Heard::Message(message::read(&properties, data)));
        self.signals.taken.notified().await;
        acker.ack(BasicAckOptions::default()).await.map(drop)
    }

    fn trouble(&self, error: &lapin::Error) -> Trouble {
        Trouble::of(error, &self.address, false)
    }
}

async fn delivery(consumer: &mut Consumer) -> Option<lapin::Result<Delivery>> {
    poll_fn(|cx| Pin::new(&mut *consumer).poll_next(cx)).await
}

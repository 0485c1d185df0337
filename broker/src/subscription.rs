//! Consuming, on a thread of its own: whoever waits for messages waits as long as it likes, and the connection
//! lives meanwhile. The next message is given when the last is done with.
//!
//! - [`What::Newest`]: the newest message of the exchange alone, from a queue of the subscription's own that holds
//!   one. A broker that is silent is asked, and the binding made again where it went with its exchange.
//! - [`What::History`]: all that is kept of the exchange, in order, and what comes then. A few messages are on their
//!   way at a time, so that a slow reader costs nobody memory.
//!
//! Not here: what to make of a message (`message`, `capture`), when to open again.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_core::Stream;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Consumer, ErrorKind};
use shm_ring::Offset;
use tokio::select;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::message::{self, Malformed, Message};
use crate::position::Bookmark;
use crate::session::{Session, runtime};
use crate::trouble::is_not_found;
use crate::{Address, Position, Trouble, history, seek};

/// After so long without a message the broker is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(2);
/// How long it has for an answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Messages of a history on their way at a time: over a fast link enough for 16 times 30 frames a second.
const PREFETCH: u16 = 8;
/// How long the last storing may take.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long the beginning of a history may be looked for: some twenty messages of it cross, one after the other.
const SEEKING: Duration = Duration::from_secs(30);
/// No message was shown yet.
const NONE: u64 = u64::MAX;

/// What to consume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The newest message, from a queue of this name, which no other may have.
    Newest(String),
    /// The history from there on; earlier messages may come before. With a message that was shown last, here or by
    /// the position that is stored, from behind that on, unless the stream ends before it: then it was made anew.
    History {
        /// Of a stream: the offset of a message, or a time.
        from: Offset,
        /// The offset that was shown last.
        last: Option<u64>,
        /// Where to store how far it came.
        position: Option<Position>,
    },
}

/// What is heard of a broker.
#[derive(Debug)]
pub enum Heard {
    /// Messages come if somebody publishes. With the offset that was stored as the position, if one was.
    Bound(Option<u64>),
    /// A message, and of a history its offset. The next one comes after [`Subscription::taken`].
    Message(Option<u64>, Result<Message, Malformed>),
    /// It is over.
    Gone(Trouble),
}

/// A connection that consumes. Dropping it ends it.
pub struct Subscription {
    heard: Receiver<Heard>,
    signals: Arc<Signals>,
    thread: Option<JoinHandle<()>>,
}

struct Signals {
    taken: Notify,
    stop: Notify,
    /// The offset of the last message that was shown.
    shown: AtomicU64,
}

impl Subscription {
    /// Begins to connect. `name` is what the broker's operator sees.
    ///
    /// # Errors
    /// No thread or descriptor to be had.
    pub fn open(address: &Address, name: String, what: What) -> io::Result<Subscription> {
        let (speaker, heard) = channel();
        let signals = Arc::new(Signals {
            taken: Notify::new(),
            stop: Notify::new(),
            shown: AtomicU64::new(NONE),
        });
        let consuming = Consuming {
            address: address.clone(),
            name,
            what,
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

    /// The message of this offset was shown: so far a position has come.
    pub fn shown(&self, offset: u64) {
        self.signals.shown.store(offset, Relaxed);
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
    what: What,
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
            Ok(Opened {
                session,
                consumer,
                position,
                mut bookmark,
            }) => {
                self.say(Heard::Bound(position));
                let gone = select! {
                    gone = self.consume(&session, consumer, bookmark.as_mut()) => Some(gone),
                    () = self.signals.stop.notified() => None,
                };
                if let Some(mut bookmark) = bookmark {
                    if gone.is_none() {
                        let _ = timeout(FAREWELL, bookmark.store(self.shown())).await;
                    }
                    bookmark.close().await;
                }
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

    async fn open(&self) -> Result<Opened, Trouble> {
        let (session, mut bookmark) = match &self.what {
            What::Newest(_) => (Session::open(&self.address, &self.name).await?, None),
            What::History { position, .. } => {
                let session = Session::connect(&self.address, &self.name).await?;
                let bookmark = match position {
                    Some(position) => {
                        Some(Bookmark::open(position, &self.address, &self.name).await?)
                    }
                    None => None,
                };
                (session, bookmark)
            }
        };
        let subscribed = async {
            match self.what {
                What::Newest(ref queue) => self.newest(&session, queue).await.map(|c| (c, None)),
                What::History { from, last, .. } => {
                    self.history(&session, from, last, bookmark.as_mut()).await
                }
            }
        };
        let patience = match &self.what {
            What::Newest(_) => ANSWER,
            What::History { .. } => SEEKING,
        };
        let (consumer, position) = match timeout(patience, subscribed).await {
            Ok(subscribed) => subscribed.map_err(|e| self.trouble(&e))?,
            Err(_) => return Err(Trouble::passing("the broker does not answer")),
        };
        Ok(Opened {
            session,
            consumer,
            position,
            bookmark,
        })
    }

    async fn newest(&self, session: &Session, queue: &str) -> lapin::Result<Consumer> {
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
        channel.queue_declare(queue.into(), own, arguments).await?;
        channel.basic_qos(1, BasicQosOptions::default()).await?;
        self.bind(session, queue).await?;
        start(session, queue, FieldTable::default()).await
    }

    async fn history(
        &self,
        session: &Session,
        from: Offset,
        last: Option<u64>,
        bookmark: Option<&mut Bookmark>,
    ) -> lapin::Result<(Consumer, Option<u64>)> {
        let stored = match bookmark {
            Some(bookmark) => bookmark.load().await?,
            None => None,
        };
        let queue = history::queue(&self.address);
        let last = match last.or(stored) {
            // What was shown is still there, or something behind it; else this is another stream, made anew.
            Some(last) => seek::first_from(session, &queue, Offset::Id(last))
                .await?
                .map(|_| last),
            None => None,
        };
        let from = last.map_or(from, |last| Offset::Id(last.saturating_add(1)));
        let from = match from {
            Offset::Time(ns) => seek::seek(session, &queue, ns).await?,
            from => from,
        };
        // A stream has no consumer without a limit.
        let limit = session
            .channel
            .basic_qos(PREFETCH, BasicQosOptions::default());
        limit.await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-stream-offset".into(), stream_offset(from));
        Ok((start(session, &queue, arguments).await?, last))
    }

    async fn bind(&self, session: &Session, queue: &str) -> lapin::Result<()> {
        let exchange = self.address.exchange.as_str().into();
        let options = QueueBindOptions::default();
        let bound = session.channel.queue_bind(
            queue.into(),
            exchange,
            "".into(),
            options,
            FieldTable::default(),
        );
        bound.await
    }

    /// Gives messages until it is over.
    async fn consume(
        &self,
        session: &Session,
        mut consumer: Consumer,
        mut bookmark: Option<&mut Bookmark>,
    ) -> Trouble {
        loop {
            let over = match timeout(SILENCE, delivery(&mut consumer)).await {
                Ok(Some(Ok(delivery))) => self.give(delivery).await,
                Ok(Some(Err(e))) => Err(e),
                Ok(None) => return Trouble::passing("the broker took the queue away"),
                Err(_) => match timeout(ANSWER, self.ask(session)).await {
                    Ok(answer) => answer,
                    Err(_) => return Trouble::passing("the broker does not answer"),
                },
            };
            let over = match (over, &mut bookmark) {
                (Ok(()), Some(bookmark)) if bookmark.is_due() => bookmark.store(self.shown()).await,
                (over, _) => over,
            };
            if let Err(e) = over {
                return self.trouble(&e);
            }
        }
    }

    /// Asks the broker something that does no harm.
    async fn ask(&self, session: &Session) -> lapin::Result<()> {
        match &self.what {
            What::Newest(queue) => self.bind(session, queue).await,
            What::History { .. } => {
                let passive = QueueDeclareOptions {
                    passive: true,
                    ..QueueDeclareOptions::default()
                };
                let queue = history::queue(&self.address).as_str().into();
                let asked = session
                    .channel
                    .queue_declare(queue, passive, FieldTable::default());
                asked.await.map(drop)
            }
        }
    }

    /// The offset that was shown last.
    fn shown(&self) -> Option<u64> {
        Some(self.signals.shown.load(Relaxed)).filter(|&shown| shown != NONE)
    }

    /// Gives one, and has it acknowledged when it was taken.
    async fn give(&self, delivery: Delivery) -> lapin::Result<()> {
        let Delivery {
            data,
            properties,
            acker,
            ..
        } = delivery;
        let offset = message::stream_offset(&properties);
        self.say(Heard::Message(offset, message::read(&properties, data)));
        self.signals.taken.notified().await;
        // One that sends and does not read would have this wait for ever.
        match timeout(ANSWER, acker.ack(BasicAckOptions::default())).await {
            Ok(acknowledged) => acknowledged.map(drop),
            Err(_) => Err(ErrorKind::MissingHeartbeatError.into()),
        }
    }

    fn trouble(&self, error: &lapin::Error) -> Trouble {
        if matches!(self.what, What::History { .. }) && is_not_found(error) {
            return Trouble::refusal(format!(
                "{} is not there: publish with --publish-history AGE,BYTES first",
                history::queue(&self.address)
            ));
        }
        Trouble::of(error, &self.address, false)
    }
}

/// What consumes.
struct Opened {
    session: Session,
    consumer: Consumer,
    /// Of the last message that was shown before.
    position: Option<u64>,
    bookmark: Option<Bookmark>,
}

/// As a stream is told (rabbitmq.com/docs/streams#consuming).
pub(crate) fn stream_offset(from: Offset) -> AMQPValue {
    let word = |word: &str| AMQPValue::LongString(word.into());
    match from {
        // A time was looked for before (`seek`).
        Offset::First | Offset::Time(_) => word("first"),
        Offset::Last => word("last"),
        Offset::Next => word("next"),
        Offset::Id(id) => AMQPValue::LongLongInt(i64::try_from(id).unwrap_or(i64::MAX)),
    }
}

async fn start(session: &Session, queue: &str, arguments: FieldTable) -> lapin::Result<Consumer> {
    let options = BasicConsumeOptions::default();
    let channel = &session.channel;
    channel
        .basic_consume(queue.into(), ShortString::default(), options, arguments)
        .await
}

pub(crate) async fn delivery(consumer: &mut Consumer) -> Option<lapin::Result<Delivery>> {
    poll_fn(|cx| Pin::new(&mut *consumer).poll_next(cx)).await
}

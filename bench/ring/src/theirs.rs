//! The other side: iceoryx2 0.10, publish-subscribe for the samples and an event service that
//! wakes their subscribers, as its documentation has blocking readers do it
//! (`examples/rust/event_based_communication`). All settings are its defaults, but for how many
//! may take part (its defaults end at 8 subscribers) and for where it puts its files.
//!
//! Not here: what is made of the stamps (`reader`).

use std::time::Duration;

use anyhow::{Result, anyhow};
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::{event, publish_subscribe};

use crate::side::{Publish, Stamp};

/// Subscribers that the services are made for.
const MAX_READERS: usize = 256;
/// Nodes: the publisher's and each reader's.
const MAX_NODES: usize = MAX_READERS + 8;

/// [`Stamp`] as iceoryx2 carries it, beside the sample.
#[derive(Debug, Clone, Copy, Default, ZeroCopySend)]
#[repr(C)]
pub struct Header {
    sent_ns: u64,
    round: u32,
}

type Samples = publish_subscribe::PortFactory<ipc::Service, [u8], Header>;
type Events = event::PortFactory<ipc::Service>;

/// What a process needs to take part.
struct Services {
    samples: Samples,
    events: Events,
    _node: Node<ipc::Service>,
}

impl Services {
    /// Opens or creates the services of `tag`; its files have `tag` in their names.
    fn open(tag: &str) -> Result<Services> {
        set_log_level(LogLevel::Error);
        let mut config = Config::default();
        config.global.prefix = FileName::new(format!("{tag}_").as_bytes()).map_err(said)?;
        let root = Path::new(format!("/tmp/{tag}").as_bytes()).map_err(said)?;
        config.global.set_root_path(&root);
        let node = NodeBuilder::new()
            .config(&config)
            .signal_handling_mode(SignalHandlingMode::Disabled)
            .create::<ipc::Service>()
            .map_err(said)?;
        let name: ServiceName = tag.try_into().map_err(said)?;
        let samples = node
            .service_builder(&name)
            .publish_subscribe::<[u8]>()
            .user_header::<Header>()
            .max_publishers(1)
            .max_subscribers(MAX_READERS)
            .max_nodes(MAX_NODES)
            .open_or_create()
            .map_err(said)?;
        let events = node
            .service_builder(&name)
            .event()
            .max_notifiers(1)
            .max_listeners(MAX_READERS)
            .max_nodes(MAX_NODES)
            .open_or_create()
            .map_err(said)?;
        Ok(Services {
            samples,
            events,
            _node: node,
        })
    }
}

/// A publisher and its notifier. Fields in the order in which they must go.
pub struct Theirs {
    publisher: Publisher<ipc::Service, [u8], Header>,
    notifier: Notifier<ipc::Service>,
    _services: Services,
}

impl Theirs {
    /// # Errors
    /// Those of iceoryx2.
    pub fn new(tag: &str, max_bytes: usize) -> Result<Theirs> {
        let services = Services::open(tag)?;
        let publisher = services
            .samples
            .publisher_builder()
            .initial_max_slice_len(max_bytes)
            .create()
            .map_err(said)?;
        let notifier = services.events.notifier_builder().create().map_err(said)?;
        Ok(Theirs {
            publisher,
            notifier,
            _services: services,
        })
    }
}

impl Publish for Theirs {
    fn publish(&mut self, bytes: &[u8], stamp: Stamp) -> Result<()> {
        let sample = self.publisher.loan_slice_uninit(bytes.len());
        let mut sample = sample.map_err(said)?;
        *sample.user_header_mut() = Header {
            sent_ns: stamp.sent_ns,
            round: stamp.round,
        };
        sample.write_from_slice(bytes).send().map_err(said)?;
        self.notifier.notify().map_err(said)?;
        Ok(())
    }
}

/// Waits for events, takes all samples that came with each, and hands on their stamps.
///
/// # Errors
/// Those of iceoryx2. It ends when the callback says false.
pub fn read(
    tag: &str,
    attached: impl FnOnce() -> Result<()>,
    mut taken: impl FnMut(Stamp) -> bool,
) -> Result<()> {
    let services = Services::open(tag)?;
    let subscriber = services.samples.subscriber_builder().create();
    let subscriber = subscriber.map_err(said)?;
    let listener = services.events.listener_builder().create().map_err(said)?;
    attached()?;
    loop {
        let waited = listener.timed_wait(|_| {}, Duration::from_secs(5));
        waited.map_err(said)?;
        while let Some(sample) = subscriber.receive().map_err(said)? {
            let header = sample.user_header();
            let stamp = Stamp {
                sent_ns: header.sent_ns,
                round: header.round,
            };
            if !taken(stamp) {
                return Ok(());
            }
        }
    }
}

fn said(error: impl std::fmt::Debug) -> anyhow::Error {
    anyhow!("iceoryx2: {error:?}")
}

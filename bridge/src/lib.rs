//! The bridge: a worker that publishes the newest frames of the ring to an exchange of RabbitMQ.
//!
//! It reads the ring as any reader does, so nothing that a broker does or fails to do reaches capture or a
//! viewer: it costs the bridge skipped frames, each of which is counted by cause.
//!
//! - `flight`: which frame is published, and what becomes of the others.
//! - `backoff`: when to connect again.
//! - `body`: a frame in the form that is asked for.
//! - `run`: the thin shell, one connection after the other.
//!
//! Not here: what a message looks like and the connection (`broker`), restarts (`supervisor`).

mod backoff;
mod body;
mod flight;
mod run;

use broker::{Address, Format, Origin, Retention};

pub use run::run;

/// What a bridge is told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The instance's name, for the broker's operator.
    pub instance: String,
    /// Where to publish.
    pub address: Address,
    /// How much of it the broker is to keep.
    pub history: Option<Retention>,
    /// Who publishes.
    pub origin: Origin,
    /// Of JPEGs that are encoded here, 1 to 100.
    pub quality: u8,
}

impl Config {
    /// What messages hold.
    #[must_use]
    pub fn format(&self) -> Format {
        self.address.format().unwrap_or(Format::Jpeg)
    }

    /// The protocol's name in the status.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        match self.format() {
            Format::Jpeg => "amqp-jpeg",
            Format::Raw => "amqp-raw",
        }
    }
}

//! Sources of pictures and the loop that publishes them into the ring.
//!
//! [`Config::new`] finds everything that can never become right; [`run`] is the capture process.
//! A source of one's own is a [`Source`], a variant of [`Choice`] and an arm in `open`.
//!
//! What belongs here: getting frames, their check, their pace, their capture time. What does not:
//! viewers, the supervisor's decisions, drawing, encoding and decoding pictures (`picture`).

mod amqp;
mod auto;
pub mod camera;
mod check;
mod choice;
mod config;
#[cfg(test)]
mod conformance;
pub mod encoder;
mod error;
mod file;
pub mod formats;
pub mod http;
mod line;
mod mjpeg;
mod open;
mod outage;
mod pace;
mod run;
mod same;
mod source;
mod stamp;
mod stdin;
mod stills;
mod test_source;

pub use amqp::Past;
pub use choice::Choice;
pub use config::{Asked, Config, Form};
pub use error::Error;
pub use run::run;
pub use source::{Controls, Event, Grab, Granted, Image, Source, SourceError};

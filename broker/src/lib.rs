//! What crosses RabbitMQ, and how: the address of an exchange, a frame as a message, a connection.
//!
//! - [`Address`]: where, as whom, and how much of that may be shown.
//! - [`message`]: a frame's properties, headers and body; in it the layout of 2019 (`raw`).
//! - [`Publisher`], [`Subscription`]: connections, made with `lapin`. Here is no decision about frames.
//! - [`Retention`], [`Position`]: what the broker keeps of an exchange, and how far somebody has read that.
//! - [`Trouble`]: what went wrong, in a sentence that says what to do.
//!
//! A connection takes threads, so one is made after the fork, in the worker that needs it; it lives in a
//! [`runtime`] of its own, and goes with that: whatever hangs in it hangs nobody else.
//!
//! Not here: which frame is sent (`bridge`) or taken (`capture`), rings, processes, pictures.

/// What a thread's stack must hold, bytes: `lapin` reads a header within a header by a call within a call, and a
/// frame of 128 KiB has room for 26,000. Only what is used of it is ever there.
pub const STACK: usize = 256 << 20;

mod address;
mod history;
pub mod message;
mod position;
mod publisher;
mod raw;
mod seek;
mod session;
mod subscription;
mod trouble;

pub use address::{Address, Format, Reason, redacted};
pub use history::Retention;
pub use lapin::BasicProperties;
pub use message::{Body, Malformed, Message, Origin, Tags};
pub use position::Position;
pub use publisher::Publisher;
pub use raw::header as raw_header;
pub use session::runtime;
pub use subscription::{Heard, Subscription, What};
pub use trouble::Trouble;

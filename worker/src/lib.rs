//! What every worker process shares with the supervisor and with whoever looks on.
//!
//! - [`Instance`]: the names of an instance's shared objects, and the lock that says it lives
//! - [`Board`], [`Cell`], [`Slot`], [`Seat`]: shared pages on which each worker says how it does,
//!   and how each of its viewers
//! - [`history`]: the last minutes, second by second
//! - [`status`]: the board and the ring read together, as `seqcast status` and the page show them
//! - [`channel`], [`message`], [`control`]: what workers and the supervisor say to each other
//! - [`when`], [`timeshift`]: a moment of the past as people name it, and the pace at which the past is shown
//! - [`signals`], [`title`], [`log`], [`exit`]: the habits of a well-behaved worker
//!
//! What does not belong here: frames (`shm-ring`), sources (`capture`), protocols (`sender`), and
//! any decision about workers (`supervisor`).

mod board;
mod cell;
pub mod channel;
mod clock;
pub mod control;
mod error;
pub mod exit;
mod fault;
pub mod history;
mod instance;
mod layout;
pub mod log;
pub mod message;
pub mod signals;
mod slot;
pub mod status;
mod sys;
pub mod timeshift;
pub mod title;
pub mod when;

pub use board::{Board, CAPTURE_CELL, Seat};
pub use cell::{Cell, Engaged, Role, State, Watching};
pub use channel::Channel;
pub use error::Error;
pub use fault::Fault;
pub use instance::{Instance, InstanceLock};
pub use shm_ring::clock::{monotonic_ns, unix_ns};
pub use slot::{DropCause, Sink, SkipCause, Slot, SourceInfo, Viewer, Wants};

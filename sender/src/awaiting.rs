//! What a connection waits for: all that its machine says to whoever drives it.
//!
//! Not here: the waiting (`blocking`, `multiplex`).

use std::time::Instant;

use shm_ring::Ticket;

/// What must happen, or which moment come, before the next step makes sense. A step that is made
/// earlier does no harm.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Await {
    /// Nothing: there is more to do, once all others who are due had their turn.
    Turn,
    /// Bytes from the peer.
    Readable(Instant),
    /// The socket polls writable: there is room, or nothing is unsent, as the connection set it.
    Writable(Instant),
    /// The ring changed since the ticket was taken.
    Change(Ticket, Instant),
}

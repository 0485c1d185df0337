//! Lets one test process play many senders: a board that threads share as processes do.

use worker::Board;

/// A board for all threads.
pub struct Shared(Board);

// SAFETY: all that changes in a board is atomics in a map that processes share without any
// exclusion of each other; the fields that are no atomics (the map's address, the bell's
// descriptor) do not change after creation and belong to no thread.
unsafe impl Sync for Shared {}
// SAFETY: as for `Sync`.
unsafe impl Send for Shared {}

impl Shared {
    pub fn new(board: Board) -> Self {
        Shared(board)
    }

    pub fn all(&self) -> &Board {
        &self.0
    }
}

//! Where everything on a board lies: a page for the instance, the capture process's cell, the
//! senders' cells, the seats, the history. Pure.
//!
//! Not here: the memory, and whether its counts may be believed (`board`).

use std::sync::atomic::AtomicU32;

use crate::CAPTURE_CELL;
use crate::cell::Process;
use crate::history::Samples;
use crate::slot::Slot;

/// Bytes; a cell has whole ones, so that no two workers write the same.
pub(crate) const PAGE: usize = 4096;

/// How many there are of everything, and so where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// The capture process's included.
    pub cells: usize,
    /// Of a sender.
    pub slots: usize,
    pub seats: usize,
}

impl Layout {
    /// Bytes of a cell with so many slots.
    const fn cell(slots: usize) -> usize {
        (size_of::<Process>() + slots * size_of::<Slot>()).next_multiple_of(PAGE)
    }

    /// Slots of cell `index`.
    pub fn slots_of(&self, index: usize) -> usize {
        if index == CAPTURE_CELL { 1 } else { self.slots }
    }

    /// Where cell `index` begins: behind the head and the cells before it.
    pub fn cell_at(&self, index: usize) -> usize {
        match index {
            CAPTURE_CELL => PAGE,
            _ => PAGE + Self::cell(1) + (index - 1) * Self::cell(self.slots),
        }
    }

    /// Where the seats begin, a word each.
    pub fn seats_at(&self) -> usize {
        self.cell_at(self.cells)
    }

    /// Where the history begins.
    pub fn history_at(&self) -> usize {
        let seats_end = self.seats_at() + self.seats * size_of::<AtomicU32>();
        seats_end.next_multiple_of(align_of::<Samples>())
    }

    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.history_at() + size_of::<Samples>()
    }
}

// One viewer per process is the default, and its cell one page.
const _: () = assert!(Layout::cell(1) == PAGE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_whole_pages_one_behind_the_other() {
        for slots in [1, 3, 14, 104] {
            let layout = Layout {
                cells: 4,
                slots,
                seats: 10,
            };
            let ends = (0..4).map(|index| {
                let bytes = size_of::<Process>() + layout.slots_of(index) * size_of::<Slot>();
                layout.cell_at(index) + bytes.next_multiple_of(PAGE)
            });
            let begins = (1..4).map(|index| layout.cell_at(index));
            assert!(ends.eq(begins.chain([layout.seats_at()])));
            assert_eq!(layout.history_at(), layout.seats_at() + 64);
            assert_eq!(layout.len(), layout.history_at() + size_of::<Samples>());
        }
    }
}

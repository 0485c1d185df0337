//! The layout of a ring in memory: offsets, types, and the checks a stranger's header must pass.
//!
//! Native byte order, 64-bit; a reader is on the same machine as the writer.
//!
//! | offset | type | field | written by |
//! |---|---|---|---|
//! | 0 | u64 | magic | creation |
//! | 8 | u32 | layout version | creation |
//! | 16 | u64 | descriptors, a count | creation |
//! | 24 | u64 | descriptors' offset | creation |
//! | 32 | u64 | arena's offset | creation |
//! | 40 | u64 | arena's bytes | creation |
//! | 48 | 2 × u8 | ready latch (`raw_sync` `BusyEvent`) | creation |
//! | 64 | u64 | `oldest` | writer |
//! | 128 | u64 | `head` | writer |
//! | 192 | u32 | futex word: counts changes | writer |
//! | 256 | u64 | epoch | writer |
//! | 264 | u64 | heartbeat, `CLOCK_MONOTONIC` ns | writer |
//! | 272 | u32 | writer's pid | writer |
//! | 276 | u32 | bell: written to with `pwrite(2)` after each change, means nothing | writer |
//! | 320 | [`Notice`] | signal: tag, since, reason | writer; the creator while there is none |
//! | 4096 | descriptors × n, 128 bytes each | | writer |
//! | page-aligned | bytes | arena | writer |
//!
//! `LAYOUT.md` says the same to whoever writes a reader in another language. Not here: who may
//! load or store what in which order (`protocol`).

use std::mem::{offset_of, size_of};

use crate::frame::META;
use crate::protocol::{Descriptor, Indices, Line, Shape};
use crate::sync::{AtomicU32, AtomicU64};
use crate::{Error, Notice};

/// `SEQRING` and a zero, in memory.
pub(crate) const MAGIC: u64 = u64::from_ne_bytes(*b"SEQRING\0");
/// The layout's version, raised by every change of its table: a ring of another is not attached to.
pub const VERSION: u32 = 1;
/// Bytes of the part that is written once, at creation, and read once, with `pread`.
pub(crate) const FIXED: usize = 64;
pub(crate) const LATCH: usize = 48;
pub(crate) const BELL: u64 = 276;
pub(crate) const PAGE: u64 = 4096;
/// Frames begin at multiples of this many bytes: a cache line, so that copies start aligned.
pub(crate) const ALIGN: u64 = 64;

/// The least arena, bytes.
pub const MIN_ARENA: u64 = 64 << 10;
/// The largest arena, bytes (1 TiB): far above any machine, far below overflow.
pub const MAX_ARENA: u64 = 1 << 40;

/// Where the parts of a ring lie; private memory, checked, never read again from the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Count of descriptors.
    pub descriptors: u64,
    /// Bytes from the segment's start.
    pub arena_offset: u64,
    /// Bytes.
    pub arena: u64,
}

/// Frames that the largest ring has descriptors for (`LAYOUT.md`).
pub const MAX_DESCRIPTORS: u64 = 65_536;

impl Geometry {
    /// The geometry of a ring with an arena of at least `arena` bytes.
    pub fn new(arena: u64) -> Result<Self, Error> {
        if !(MIN_ARENA..=MAX_ARENA).contains(&arena) {
            return Err(Error::ArenaSize {
                bytes: arena,
                min: MIN_ARENA,
                max: MAX_ARENA,
            });
        }
        let arena = arena.next_multiple_of(PAGE);
        let descriptors = (arena / 4096).clamp(64, MAX_DESCRIPTORS);
        let arena_offset =
            (PAGE + descriptors * size_of::<Descriptor<META>>() as u64).next_multiple_of(PAGE);
        Ok(Geometry {
            descriptors,
            arena_offset,
            arena,
        })
    }

    /// Bytes of the whole segment.
    pub fn total(&self) -> u64 {
        self.arena_offset + self.arena
    }

    /// What the protocol needs to know of it.
    pub fn shape(&self) -> Shape {
        Shape {
            descriptors: self.descriptors,
            arena: self.arena,
            align: ALIGN,
            max_frame: self.arena / 4,
        }
    }

    pub fn encode(&self) -> [u8; FIXED] {
        let mut fixed = [0; FIXED];
        fixed[0..8].copy_from_slice(&MAGIC.to_ne_bytes());
        fixed[8..12].copy_from_slice(&VERSION.to_ne_bytes());
        for (at, value) in [
            (16, self.descriptors),
            (24, PAGE),
            (32, self.arena_offset),
            (40, self.arena),
        ] {
            fixed[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        }
        fixed
    }

    /// Reads the fixed part of a header that may be anybody's; `segment` is the true size.
    pub fn decode(fixed: &[u8; FIXED], segment: u64) -> Result<Self, Error> {
        let not = |why: String| Err(Error::NotARing { why });
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&fixed[at..at + 8]);
            u64::from_ne_bytes(bytes)
        };
        if word(0) != MAGIC {
            return not("it does not begin with SEQRING".into());
        }
        let found = word(8) as u32;
        if found != VERSION {
            return Err(Error::Version {
                found,
                known: VERSION,
            });
        }
        let arena = word(40);
        let Ok(expected) = Geometry::new(arena) else {
            return not(format!("its arena of {arena} bytes is out of range"));
        };
        // A version's geometry follows from its arena alone, so nothing else is believed.
        let said = (word(16), word(24), word(32), arena);
        let computed = (
            expected.descriptors,
            PAGE,
            expected.arena_offset,
            expected.arena,
        );
        if said != computed {
            return not(format!("its parts lie at {said:?}, not at {computed:?}"));
        }
        if segment != expected.total() {
            return not(format!(
                "it is {segment} bytes long and should be {}",
                expected.total()
            ));
        }
        Ok(expected)
    }
}

/// A signal, and why.
pub(crate) type Reason = Notice<160>;

/// The part of the header that changes.
#[repr(C)]
pub(crate) struct Header {
    /// Atomics, too: it is not to change, but whoever may write the ring can change it.
    fixed: [AtomicU64; FIXED / 8],
    pub indices: Indices,
    pub epoch: AtomicU64,
    pub heartbeat_ns: AtomicU64,
    pub writer_pid: AtomicU32,
    bell: AtomicU32,
    pub signal: Line<Reason>,
}

const _: () = {
    assert!(offset_of!(Header, indices) == 64);
    assert!(offset_of!(Indices, oldest) == 0);
    assert!(offset_of!(Indices, head) == 64);
    assert!(offset_of!(Indices, word) == 128);
    assert!(offset_of!(Header, epoch) == 256);
    assert!(offset_of!(Header, bell) == BELL as usize);
    assert!(offset_of!(Header, signal) == 320);
    assert!(size_of::<Header>() <= PAGE as usize);
    assert!(size_of::<Descriptor<META>>() == 128);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_survives_its_encoding_and_nothing_else_does() {
        let geometry = Geometry::new(16 << 20).unwrap();
        assert_eq!(geometry.descriptors, 4096);
        let good = geometry.encode();
        assert_eq!(Geometry::decode(&good, geometry.total()).unwrap(), geometry);
        assert!(Geometry::decode(&good, geometry.total() - 1).is_err());
        for at in (0..12).chain(16..48) {
            for bit in 0..8 {
                let mut bad = good;
                bad[at] ^= 1 << bit;
                assert!(
                    Geometry::decode(&bad, geometry.total()).is_err(),
                    "byte {at}"
                );
            }
        }
    }

    #[test]
    fn arenas_out_of_range_are_refused() {
        for bytes in [0, MIN_ARENA - 1, MAX_ARENA + 1, u64::MAX] {
            assert!(matches!(Geometry::new(bytes), Err(Error::ArenaSize { .. })));
        }
        assert_eq!(Geometry::new(MIN_ARENA).unwrap().descriptors, 64);
        assert_eq!(Geometry::new(MAX_ARENA).unwrap().descriptors, 65_536);
    }
}

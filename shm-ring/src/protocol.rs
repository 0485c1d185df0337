//! The protocol between one writer and its readers: which stores and loads, in which order.
//!
//! Two indices and one rule: **frame `id` is readable exactly while `oldest ≤ id ≤ head`**. The
//! writer raises `oldest`, fences, overwrites, and raises `head`; a reader takes what it wants,
//! fences, and looks at `oldest` again. All of it is here, and nothing else: it is compiled a
//! second time by `tests/loom`, with atomics that try every interleaving and every value that
//! the memory model allows. So it names no map, file, clock or futex, and uses [`crate::sync`].
//!
//! Not here: where things lie (`layout`), what a frame's words say (`frame`), waking (`waker`).

use std::collections::VecDeque;

use crate::sync::{Acquire, AtomicU32, AtomicU64, Relaxed, Release, acquire, acquire32, fence};

/// One index that one side stores, on a cache line of its own.
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub T);

/// What every access to a ring begins with.
#[repr(C)]
pub(crate) struct Indices {
    pub oldest: Line<AtomicU64>,
    pub head: Line<AtomicU64>,
    /// The futex word: counts changes.
    pub word: Line<AtomicU32>,
}

/// Where a frame lies, and `META` words about it; frame `id` has descriptor `id % n`.
///
/// All fields are atomics because a reader may load them while the writer overwrites them; they
/// mean something only to a reader that found `oldest ≤ id` afterwards.
#[repr(C, align(128))]
pub(crate) struct Descriptor<const META: usize> {
    pub id: AtomicU64,
    pub position: AtomicU64,
    pub len: AtomicU64,
    pub meta: [AtomicU64; META],
}

/// A descriptor's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<const META: usize> {
    pub id: u64,
    /// Bytes since the ring began, not wrapped: the place in the arena is the remainder.
    pub position: u64,
    /// Bytes; at least 1.
    pub len: u64,
    pub meta: [u64; META],
}

/// How large a ring's parts are. Checked, and in private memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Count.
    pub descriptors: u64,
    /// Bytes.
    pub arena: u64,
    /// Frames begin at multiples of so many bytes; divides the arena.
    pub align: u64,
    /// The largest frame, bytes.
    pub max_frame: u64,
}

impl Shape {
    /// Where a frame of `len` bytes goes that may begin at `position`: aligned, and in one piece,
    /// so not over the arena's end.
    fn place(&self, position: u64, len: u64) -> u64 {
        let start = position.next_multiple_of(self.align);
        if start % self.arena + len > self.arena {
            start.next_multiple_of(self.arena)
        } else {
            start
        }
    }
}

/// Memory that holds a ring.
pub(crate) trait Memory<const META: usize> {
    fn shape(&self) -> Shape;
    fn indices(&self) -> &Indices;
    /// Descriptor `id % n`.
    fn descriptor(&self, id: u64) -> &Descriptor<META>;
    /// Stores bytes into the arena from offset `at`, in any order. The caller keeps
    /// `at + bytes.len()` within the arena.
    fn store_bytes(&self, at: u64, bytes: &[u8]);
}

impl<const META: usize> Descriptor<META> {
    /// The writer's stores, between its fence and its store of `head`.
    fn store(&self, record: &Record<META>) {
        self.id.store(record.id, Relaxed);
        self.position.store(record.position, Relaxed);
        self.len.store(record.len, Relaxed);
        for (to, from) in self.meta.iter().zip(record.meta) {
            to.store(from, Relaxed);
        }
    }

    /// Loads what is there. `None` where it cannot be frame `id` of such a ring, whoever wrote
    /// it; `Some` is still to be checked against `oldest`.
    fn load(&self, id: u64, shape: &Shape) -> Option<Record<META>> {
        let position = self.position.load(Relaxed);
        let len = self.len.load(Relaxed);
        let fits = len > 0
            && len <= shape.max_frame
            && position % shape.arena + len <= shape.arena
            && position < u64::MAX / 2;
        if self.id.load(Relaxed) != id || !fits {
            return None;
        }
        Some(Record {
            id,
            position,
            len,
            meta: std::array::from_fn(|i| self.meta[i].load(Relaxed)),
        })
    }
}

/// The writer's side. It keeps `head`, `oldest` and its place in private memory and loads the
/// shared ones only in [`Publisher::resume`], so no scribbler can lead it astray.
#[derive(Debug)]
pub(crate) struct Publisher {
    head: u64,
    oldest: u64,
    /// Where the next frame may begin; bytes since the ring began, not wrapped.
    position: u64,
    /// Positions of the frames `oldest..=head`.
    starts: VecDeque<u64>,
}

impl Publisher {
    /// Goes on where a predecessor stopped, wherever that was. The kernel gave us its lock after
    /// its last store, so relaxed loads see them all. A frame that it had half written was never
    /// `≤ head`.
    ///
    /// # Errors
    /// A `head` that no ring ever reached.
    pub fn resume<const META: usize>(memory: &impl Memory<META>) -> Result<Publisher, u64> {
        let indices = memory.indices();
        let shape = memory.shape();
        let head = indices.head.0.load(Relaxed);
        if head > u64::MAX / 2 {
            return Err(head);
        }
        let mut publisher = Publisher {
            head,
            oldest: indices.oldest.0.load(Relaxed).clamp(1, head + 1),
            position: 0,
            starts: VecDeque::new(),
        };
        // An empty ring has its place, too: behind `head`'s descriptor.
        let first = publisher.oldest.min(head).max(1);
        for id in first..=head {
            let record = memory.descriptor(id).load(id, &shape);
            match record {
                // The bound leaves room for years of frames below that of `load`.
                Some(record)
                    if record.position >= publisher.position && record.position < u64::MAX / 4 =>
                {
                    if id >= publisher.oldest {
                        publisher.starts.push_back(record.position);
                    }
                    publisher.position = record.position + record.len;
                }
                // Scribbled over from outside: forget the frames, keep the ids.
                _ => {
                    publisher.starts.clear();
                    publisher.oldest = head + 1;
                    publisher.position = 0;
                    break;
                }
            }
        }
        // Equal, or what a scribbler left is set right: a writer never lowered it.
        indices.oldest.0.store(publisher.oldest, Relaxed);
        Ok(publisher)
    }

    /// The id that the next published frame will get.
    pub fn next_id(&self) -> u64 {
        self.head + 1
    }

    /// Publishes a frame of 1 to `max_frame` bytes and returns its id. `meta` is asked
    /// once its bytes are stored. Costs the same however many readers there are.
    pub fn publish<const META: usize>(
        &mut self,
        memory: &impl Memory<META>,
        bytes: &[u8],
        meta: impl FnOnce() -> [u64; META],
    ) -> u64 {
        let shape = memory.shape();
        let len = bytes.len() as u64;
        debug_assert!((1..=shape.max_frame).contains(&len));
        let id = self.next_id();
        let position = shape.place(self.position, len);
        self.make_room(memory, id, position + len);
        memory.store_bytes(position % shape.arena, bytes);
        memory.descriptor(id).store(&Record {
            id,
            position,
            len,
            meta: meta(),
        });
        // Pairs with the acquire load in `bounds`: who sees this head sees bytes and descriptor.
        memory.indices().head.0.store(id, Release);
        memory.indices().announce();
        self.head = id;
        self.position = position + len;
        self.starts.push_back(position);
        id
    }

    /// Gives up every frame whose bytes or descriptor frame `id`, ending at `end`, will overwrite.
    fn make_room<const META: usize>(&mut self, memory: &impl Memory<META>, id: u64, end: u64) {
        let shape = memory.shape();
        let before = self.oldest;
        while let Some(&start) = self.starts.front() {
            let descriptor_reused = self.oldest + shape.descriptors <= id;
            let bytes_overwritten = start + shape.arena < end;
            if !descriptor_reused && !bytes_overwritten {
                break;
            }
            self.starts.pop_front();
            self.oldest += 1;
        }
        if self.oldest != before {
            memory.indices().oldest.0.store(self.oldest, Relaxed);
        }
        // Pairs with the acquire fence in `is_overwritten`: who read a byte that is stored after
        // this fence sees the raised `oldest`. A release store of `oldest` would not do: it
        // orders what came before it, not the bytes after it.
        fence(Release);
    }
}

impl Indices {
    /// Counts a change. Pairs with the acquire load in `changes`: who sees the new word sees what
    /// changed; who saw the old one is not let sleep by the futex.
    pub fn announce(&self) {
        self.word.0.fetch_add(1, Release);
    }

    /// The count of changes. Pairs with the release increment in `announce`.
    pub fn changes(&self) -> u32 {
        acquire32(&self.word.0)
    }
}

/// The ids that were readable when it was asked: `oldest ≤ id ≤ head`; empty is
/// `oldest = head + 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The oldest readable frame's id.
    pub oldest: u64,
    /// The newest frame's id; 0 before the first.
    pub head: u64,
}

/// Why a frame cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Gone {
    /// It is above `head`.
    #[error("not published yet")]
    NotYet,
    /// It is below `oldest`, or its descriptor is no frame of this ring.
    #[error("overwritten")]
    Overwritten,
}

/// Which frames are readable now.
pub(crate) fn bounds(indices: &Indices) -> Bounds {
    let head = acquire(&indices.head.0); // pairs with the release store in `publish`
    // It may have risen past this head meanwhile: then nothing up to it is readable.
    let oldest = indices
        .oldest
        .0
        .load(Relaxed)
        .clamp(1, head.saturating_add(1));
    Bounds { oldest, head }
}

/// Where frame `id` lies. Its bytes are still to be checked with [`is_overwritten`].
pub(crate) fn find<const META: usize>(
    memory: &impl Memory<META>,
    id: u64,
) -> Result<Record<META>, Gone> {
    // Pairs with the release store in `publish`, as in `bounds`.
    if id == 0 || id > acquire(&memory.indices().head.0) {
        return Err(Gone::NotYet);
    }
    let record = memory.descriptor(id).load(id, &memory.shape());
    match record {
        Some(record) if !is_overwritten(memory.indices(), id) => Ok(record),
        _ => Err(Gone::Overwritten),
    }
}

/// Whether what was read of frame `id` until now may be another's.
pub(crate) fn is_overwritten(indices: &Indices, id: u64) -> bool {
    // Pairs with the release fence in `make_room`: if any load before this saw a byte stored
    // after that fence, the load after this sees `oldest` raised. An acquire load of `oldest`
    // would not do: it orders what comes after it.
    fence(Acquire);
    let oldest = indices.oldest.0.load(Relaxed);
    // 0 is no writer's: the ring was cut short, and its first page came anew.
    oldest == 0 || oldest > id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_lie_aligned_and_in_one_piece() {
        let shape = Shape {
            descriptors: 64,
            arena: 1024,
            align: 64,
            max_frame: 256,
        };
        assert_eq!(shape.place(0, 10), 0);
        assert_eq!(shape.place(10, 10), 64);
        assert_eq!(shape.place(1000, 10), 1024);
        assert_eq!(shape.place(900, 200), 1024);
        assert_eq!(shape.place(960, 64), 960);
        assert_eq!(shape.place(1024 * 7 + 961, 64), 1024 * 8);
    }
}

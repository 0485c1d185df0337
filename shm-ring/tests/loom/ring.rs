//! A ring of a few cells, its writer, readers and successor: frames that leave a gap at the
//! arena's end, wrap around and reuse descriptors.

use loom::sync::Arc;
use loom::thread;

use crate::protocol::{self, Descriptor, Gone, Indices, Line, Memory, Publisher, Shape};
use crate::sync::{AtomicU8, AtomicU32, AtomicU64, Broken, Relaxed, Role, begin_writer, is};

/// Cells of the arena, one byte each, for frames of 2, 1 and 2 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// The second overwrites the first.
    One = 2,
    /// The third overwrites the first, from the very end on.
    Wrap = 3,
    /// The third overwrites the first, and leaves a gap at the end.
    Gap = 4,
    /// The third overwrites the first's descriptor alone.
    Ample = 8,
}

/// What a reader reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    Newest,
    Oldest,
}

const DESCRIPTORS: u64 = 2;
/// A descriptor's words about a frame: one stands for all.
const META: usize = 1;

/// Bytes of frame `id`.
fn len(id: u64) -> u64 {
    1 + id % 2
}

pub struct Model {
    room: Room,
    indices: Indices,
    descriptors: Vec<Descriptor<META>>,
    cells: Vec<AtomicU8>,
}

impl Model {
    fn new(room: Room) -> Arc<Model> {
        let descriptor = |_| Descriptor {
            id: AtomicU64::new(0),
            position: AtomicU64::new(0),
            len: AtomicU64::new(0),
            meta: [AtomicU64::new(0)],
        };
        Arc::new(Model {
            room,
            indices: Indices {
                oldest: Line(AtomicU64::with_role(1, Role::Oldest)),
                head: Line(AtomicU64::with_role(0, Role::Head)),
                word: Line(AtomicU32::new(0)),
            },
            descriptors: (0..DESCRIPTORS).map(descriptor).collect(),
            cells: (0..room as usize).map(|_| AtomicU8::new(0)).collect(),
        })
    }

    /// Stores that a writer makes to publish three frames where the third overwrites: `oldest` in
    /// `resume`; bytes, descriptor, `head` and count of each frame, and `oldest` before the third.
    pub fn stores() -> u32 {
        let each = |id| len(id) + 3 + META as u64 + 2;
        1 + (1..=3).map(each).sum::<u64>() as u32 + 1
    }

    /// What one writer's life comes to.
    fn write(&self, frames: u64, life: u32) {
        begin_writer(life);
        let mut publisher = Publisher::resume(self).unwrap();
        for _ in 0..frames {
            let id = publisher.next_id();
            let bytes = vec![id as u8; len(id) as usize];
            publisher.publish(self, &bytes, || [id]);
        }
    }

    /// Reads a frame. Its id, if it is whole; panics if another's bytes are taken for its.
    fn read(&self, begin: Begin) -> Option<u64> {
        let bounds = protocol::bounds(&self.indices);
        let id = match begin {
            Begin::Newest => bounds.head,
            Begin::Oldest => bounds.oldest,
        };
        let record = match protocol::find(self, id) {
            Ok(record) => record,
            Err(Gone::NotYet | Gone::Overwritten) => return None,
        };
        let at = (record.position % self.shape().arena) as usize;
        let cells = &self.cells[at..at + record.len as usize];
        let bytes: Vec<u8> = cells.iter().map(|cell| cell.load(Relaxed)).collect();
        if protocol::is_overwritten(&self.indices, id) {
            return None;
        }
        assert_eq!(record.len, len(id), "torn descriptor accepted");
        assert_eq!(record.meta, [id], "torn descriptor accepted");
        assert!(
            bytes.iter().all(|&b| u64::from(b) == id),
            "torn frame accepted"
        );
        Some(id)
    }
}

impl Memory<META> for Model {
    fn shape(&self) -> Shape {
        let spare = match is(Broken::DescriptorsUnguarded) {
            true => 10,
            false => 0,
        };
        Shape {
            descriptors: DESCRIPTORS + spare,
            arena: self.room as u64,
            align: 1,
            max_frame: 2,
        }
    }

    fn indices(&self) -> &Indices {
        self.indices.oldest.0.catch_up();
        &self.indices
    }

    fn descriptor(&self, id: u64) -> &Descriptor<META> {
        &self.descriptors[(id % DESCRIPTORS) as usize]
    }

    fn store_bytes(&self, at: u64, bytes: &[u8]) {
        for (cell, &byte) in self.cells[at as usize..].iter().zip(bytes) {
            cell.store(byte, Relaxed);
        }
    }
}

/// A writer and a reader that reads so many times, from `begin` first and then the newest.
pub fn one_reader(room: Room, frames: u64, begin: Begin, reads: u32) {
    let model = Model::new(room);
    let writing = model.clone();
    let writer = thread::spawn(move || writing.write(frames, u32::MAX));
    let mut last = 0;
    for read in 0..reads {
        let begin = if read == 0 { begin } else { Begin::Newest };
        if let Some(id) = model.read(begin) {
            assert!(id >= last, "ids fall");
            last = id;
        }
    }
    writer.join().unwrap();
    assert_eq!(
        model.read(Begin::Newest),
        Some(frames),
        "the newest is lost"
    );
}

/// A writer and two readers.
pub fn two_readers() {
    let model = Model::new(Room::One);
    let (writing, reading) = (model.clone(), model.clone());
    let writer = thread::spawn(move || writing.write(2, u32::MAX));
    let other = thread::spawn(move || reading.read(Begin::Newest));
    model.read(Begin::Oldest);
    writer.join().unwrap();
    other.join().unwrap();
}

/// A writer that dies after `life` stores, a successor that publishes `more`, and a reader.
pub fn takeover(life: u32, more: u64, begin: Begin) {
    let model = Model::new(Room::Gap);
    let writing = model.clone();
    let writers = thread::spawn(move || {
        writing.write(3, life);
        // The kernel released the lock: the successor sees all that the dead one stored.
        if is(Broken::SuccessorRewinds) {
            begin_writer(u32::MAX);
            writing.indices.oldest.0.store(1, Relaxed);
        }
        writing.write(more, u32::MAX);
    });
    let read = model.read(begin);
    writers.join().unwrap();
    let last = model.read(Begin::Newest);
    let head = protocol::bounds(&model.indices).head;
    assert_eq!(last, Some(head), "the newest is lost");
    assert!(head >= more && read <= last, "ids fall");
}

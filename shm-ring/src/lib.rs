//! A ring of frames in POSIX shared memory: one writer, any number of read-only readers.
//!
//! Frames of any size lie one behind the other in an arena. One rule guards everything:
//! **frame `id` is readable exactly while `oldest ≤ id ≤ head`.** The writer raises `oldest`
//! before it overwrites and `head` after it has written; a reader takes bytes first and asks
//! afterwards whether they were still its frame's. So the writer never waits for a reader, never
//! looks at one and does not know how many there are; a reader maps the ring `PROT_READ` and can
//! be stopped or killed anywhere without anybody noticing. A writer killed anywhere leaves a ring
//! that its successor continues without repair.
//!
//! ```
//! use std::time::Duration;
//! use shm_ring::{Consumer, Event, FrameMeta, Offset, Ring};
//! # let name = format!("shm-ring-doc-{}", std::process::id());
//! let ring = Ring::create(&name, 1 << 20)?; // /dev/shm/NAME, with 1 MiB of frames
//! let mut writer = ring.writer()?;
//!
//! // In any number of other processes:
//! let mut consumer = Consumer::open(&name, Offset::Next)?;
//!
//! let id = writer.publish(b"a frame", &FrameMeta::default())?;
//!
//! let mut bytes = Vec::new();
//! let event = consumer.next(&mut bytes, Duration::from_secs(1))?;
//! assert!(matches!(event, Event::Frame { info, missed: 0 } if info.id == id));
//! assert_eq!(bytes, b"a frame");
//!
//! // Without a copy: whatever was done with a lent frame counts only if it was intact *afterwards*.
//! let frame = consumer.reader().frame(id).expect("just published");
//! frame.write_to(std::os::fd::AsFd::as_fd(&std::io::stdout()), 0..frame.info().len)?;
//! assert!(frame.is_intact());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What belongs here: bytes and ids, segments, wake-up. What does not: video, viewers, processes,
//! restart, and what to do about a frame that was missed.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("shm-ring needs 64-bit Linux: its ids are 64-bit atomics, its wake-up a futex");

mod bell;
pub mod clock;
mod consumer;
mod copy;
mod error;
mod frame;
mod guard;
mod layout;
pub mod lock;
mod memory;
mod notice;
mod offset;
mod protocol;
mod reader;
mod ring;
mod segment;
mod signal;
mod sync;
mod sys;
mod waker;
mod writer;

pub use bell::Bell;
pub use consumer::{Consumer, Event};
pub use error::Error;
pub use frame::{FrameInfo, FrameMeta};
pub use guard::survive_truncation;
pub use layout::{MAX_ARENA, MAX_DESCRIPTORS, MIN_ARENA, VERSION};
pub use notice::Notice;
pub use offset::{Clamped, Offset, Start};
pub use protocol::{Bounds, Gone};
pub use reader::{MaybeTorn, Reader, Ticket};
pub use ring::Ring;
pub use segment::{Map, Segment};
pub use signal::{Signal, SignalState};
pub use writer::Writer;

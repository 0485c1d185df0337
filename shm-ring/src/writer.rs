//! The writer: finds room, publishes, wakes.
//!
//! It keeps `head`, `oldest` and its place in private memory and loads the shared ones only when
//! it takes a ring over, so no reader and no scribbler can lead it astray.
//!
//! Not here: what a frame is, and what to do when one does not fit.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicBool, fence};
use std::thread::JoinHandle;

use crate::clock::{monotonic_ns, unix_ns};
use crate::layout::{ALIGN, Descriptor, FIXED, FrameInfo, FrameMeta, Geometry, Header, PAGE};
use crate::ring::Signal;
use crate::segment::len_of;
use crate::{Error, Map, lock, sys};

/// The one writer of a ring. Dropping it, or dying, lets a successor take over.
#[derive(Debug)]
pub struct Writer {
    map: Arc<Map>,
    geometry: Geometry,
    head: u64,
    oldest: u64,
    /// Where the next frame may begin; bytes since the ring began, not wrapped.
    position: u64,
    /// Positions of the frames `oldest..=head`.
    starts: VecDeque<u64>,
    epoch: u64,
    waker: Waker,
    /// Holds the lock; closed, and so released, with the writer.
    lock: File,
}

impl Writer {
    /// Takes over the ring in `file`, opened for reading and writing by the caller itself (a lock
    /// on an inherited descriptor would outlive its holder).
    ///
    /// # Errors
    /// [`Error::WriterLives`], [`Error::NotARing`], [`Error::Version`], [`Error::Os`].
    pub(crate) fn take_over(file: File) -> Result<Writer, Error> {
        let locked =
            lock::try_lock(&file).map_err(|e| Error::os("lock the ring for writing", e))?;
        if !locked {
            return Err(Error::WriterLives);
        }
        let mut fixed = [0; FIXED];
        file.read_exact_at(&mut fixed, 0)
            .map_err(|e| Error::os("read a ring's header", e))?;
        let geometry = Geometry::decode(&fixed, len_of(file.as_fd())?)?;
        let map = Arc::new(Map::read_write(&file)?);
        let waker = Waker::start(map.clone())?;
        let mut writer = Writer {
            map,
            geometry,
            head: 0,
            oldest: 1,
            position: 0,
            starts: VecDeque::new(),
            epoch: 0,
            waker,
            lock: file,
        };
        writer.resume()?;
        Ok(writer)
    }

    /// Finds where the predecessor stopped. The kernel gave us its lock after its last store, so
    /// relaxed loads see them all. A frame that it had half written was never `≤ head`.
    fn resume(&mut self) -> Result<(), Error> {
        let header = Header::of(&self.map);
        self.head = header.head.0.load(Relaxed);
        if self.head > u64::MAX / 2 {
            return Err(Error::NotARing {
                why: format!("no ring ever reached frame {}", self.head),
            });
        }
        self.oldest = header.oldest.0.load(Relaxed).clamp(1, self.head + 1);
        self.epoch = (header.epoch.load(Relaxed).saturating_add(1)).max(unix_ns() / 1_000_000_000);
        for id in self.oldest..=self.head {
            let last = self.starts.back().map_or(0, |&start| start + 1);
            match descriptor(&self.map, &self.geometry, id).load(id, &self.geometry) {
                Some((start, info)) if start >= last => {
                    self.starts.push_back(start);
                    self.position = start + info.len as u64;
                }
                // Scribbled over from outside: forget the frames, keep the ids.
                _ => {
                    self.starts.clear();
                    self.oldest = self.head + 1;
                    self.position = 0;
                    break;
                }
            }
        }
        // Empty, but `head`'s descriptor still says where the next frame goes.
        if self.starts.is_empty() && self.head > 0 {
            let last = descriptor(&self.map, &self.geometry, self.head);
            if let Some((start, info)) = last.load(self.head, &self.geometry) {
                self.position = start + info.len as u64;
            }
        }
        // Never lowered: equal, or above it after a scribble.
        header.oldest.0.store(self.oldest, Relaxed);
        header.epoch.store(self.epoch, Relaxed);
        header.writer_pid.store(std::process::id(), Relaxed);
        self.beat();
        Ok(())
    }

    /// The id that the next published frame will get.
    pub fn next_id(&self) -> u64 {
        self.head + 1
    }

    /// Which run of a writer this is: at least the Unix time in seconds at its start, and above
    /// every earlier one's.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Publishes a frame and returns its id. Costs the same however many readers there are.
    ///
    /// # Errors
    /// [`Error::EmptyFrame`], [`Error::FrameTooLarge`]; the ring is as before.
    pub fn publish(&mut self, bytes: &[u8], meta: &FrameMeta) -> Result<u64, Error> {
        let len = bytes.len() as u64;
        if len == 0 {
            return Err(Error::EmptyFrame);
        }
        if len > self.geometry.max_frame() {
            return Err(Error::FrameTooLarge {
                len,
                arena: self.geometry.arena,
                needed: (len * 4).next_multiple_of(1 << 20),
            });
        }
        let id = self.head + 1;
        let start = place(self.position, len, self.geometry.arena);
        self.make_room(id, start + len);

        let header = Header::of(&self.map);
        let offset = self.geometry.arena_offset + start % self.geometry.arena;
        // SAFETY: `place` keeps `start % arena + len` within the arena, and the geometry was
        // checked against the map's true length; no reference into the arena exists anywhere.
        unsafe {
            let to = self.map.as_ptr().as_ptr().add(offset as usize);
            crate::copy::copy(to, bytes.as_ptr(), bytes.len());
        }
        descriptor(&self.map, &self.geometry, id).store(
            start,
            &FrameInfo {
                id,
                len: bytes.len(),
                epoch: self.epoch,
                published_ns: unix_ns(),
                meta: *meta,
            },
        );
        // Pairs with the acquire load in `Reader::bounds`: who sees this head sees the bytes.
        header.head.0.store(id, Release);
        header.announce();
        self.waker.signal();

        self.head = id;
        self.position = start + len;
        self.starts.push_back(start);
        self.beat();
        Ok(id)
    }

    /// Gives up every frame whose bytes or descriptor frame `id`, ending at `end`, will overwrite.
    fn make_room(&mut self, id: u64, end: u64) {
        let before = self.oldest;
        while let Some(&start) = self.starts.front() {
            let descriptor_reused = self.oldest + self.geometry.descriptors <= id;
            let bytes_overwritten = start + self.geometry.arena < end;
            if !descriptor_reused && !bytes_overwritten {
                break;
            }
            self.starts.pop_front();
            self.oldest += 1;
        }
        if self.oldest != before {
            Header::of(&self.map).oldest.0.store(self.oldest, Relaxed);
        }
        // Pairs with the acquire fences in `MaybeTorn::is_intact` and `Reader::frame`: who read a
        // byte that is stored after this fence sees the raised `oldest`. A release store of
        // `oldest` would not do: it orders what came before it, not the bytes after it.
        fence(Release);
    }

    /// Says what there is to see, and wakes the readers if it is a change.
    pub fn set_signal(&mut self, signal: Signal, reason: &str) {
        Header::of(&self.map).set_signal(signal, reason);
    }

    /// Shows that this writer is alive while it has nothing to publish.
    pub fn beat(&self) {
        Header::of(&self.map)
            .heartbeat_ns
            .store(monotonic_ns(), Relaxed);
    }
}

impl AsFd for Writer {
    /// The descriptor that holds the lock: what must stay open for the writer to be the writer.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

/// Where a frame of `len` bytes goes that may begin at `position`: aligned, and in one piece, so
/// not over the arena's end.
fn place(position: u64, len: u64, arena: u64) -> u64 {
    let start = position.next_multiple_of(ALIGN);
    if start % arena + len > arena {
        start.next_multiple_of(arena)
    } else {
        start
    }
}

/// Descriptor `id % n`.
pub(crate) fn descriptor<'a>(map: &'a Map, geometry: &Geometry, id: u64) -> &'a Descriptor {
    let at = PAGE as usize + (id % geometry.descriptors) as usize * size_of::<Descriptor>();
    debug_assert!(at + size_of::<Descriptor>() <= map.len());
    // SAFETY: the table lies within the map (the geometry was checked against its true length),
    // aligned since it begins on a page, and all its fields are atomics.
    unsafe { map.as_ptr().add(at).cast().as_ref() }
}

/// A thread that broadcasts on the writer's behalf: those it wakes pre-empt it, not the writer.
#[derive(Debug)]
struct Waker {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Waker {
    fn start(map: Arc<Map>) -> Result<Waker, Error> {
        let ended = Arc::new(AtomicBool::new(false));
        let seen = ended.clone();
        let thread = std::thread::Builder::new()
            .name("waker".into())
            .spawn(move || {
                while !seen.load(Relaxed) {
                    std::thread::park(); // a signal before this is not lost
                    sys::futex_wake_all(&Header::of(&map).word.0);
                }
            })
            .map_err(|e| Error::os("start the waker thread", e))?;
        Ok(Waker {
            ended,
            thread: Some(thread),
        })
    }

    fn signal(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        self.signal();
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked: it parks and makes one system call.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_lie_aligned_and_in_one_piece() {
        assert_eq!(place(0, 10, 1024), 0);
        assert_eq!(place(10, 10, 1024), 64);
        assert_eq!(place(1000, 10, 1024), 1024);
        assert_eq!(place(900, 200, 1024), 1024);
        assert_eq!(place(960, 64, 1024), 960);
        assert_eq!(place(1024 * 7 + 961, 64, 1024), 1024 * 8);
    }
}

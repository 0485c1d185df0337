//! The protocol's atomics as loom's, which try every interleaving and every value that the memory
//! model allows; weakened where a variant says so, and deaf to a writer that is dead.
//!
//! Not here: what is checked.

use std::cell::Cell;
use std::sync::Mutex;

use loom::sync::atomic as model;
pub use loom::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};

/// What is broken on purpose. Everything but `Nothing` must be caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    Nothing,
    /// No `fence(Release)` between raising `oldest` and overwriting.
    NoWriterFence,
    /// A release store of `oldest` in its place.
    ReleaseStoreOfOldest,
    /// `oldest` is raised behind the bytes.
    OldestRaisedLate,
    /// `head` is stored relaxed.
    RelaxedStoreOfHead,
    /// No `fence(Acquire)` between taking bytes and asking again.
    NoReaderFence,
    /// An acquire load of `oldest` in its place.
    AcquireLoadOfOldest,
    /// `head` is loaded relaxed, and no fence follows.
    RelaxedLoadOfHead,
    /// The reader does not look at `oldest`.
    NoSecondCheck,
    /// The writer forgets that descriptors are reused.
    DescriptorsUnguarded,
    /// A successor lowers `oldest`.
    SuccessorRewinds,
    /// The change is counted relaxed.
    RelaxedCount,
    /// The count is loaded relaxed.
    RelaxedTicket,
    /// The waiter looks first, then takes its ticket.
    TicketTakenLate,
    /// Nothing but the ticket tells the futex to return at once.
    ChangeNotCounted,
    /// The notice's word is stored relaxed.
    RelaxedStoreOfNotice,
    /// The notice's word is loaded relaxed.
    RelaxedLoadOfNotice,
}

/// What an atomic is, so that a variant finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Oldest,
    Head,
    Other,
}

static BROKEN: Mutex<Broken> = Mutex::new(Broken::Nothing);
/// Stores that the writer still makes until it dies.
static LIFE: Mutex<u32> = Mutex::new(u32::MAX);
/// [`Broken::OldestRaisedLate`]: what `oldest` is to become.
static LATE: Mutex<Option<u64>> = Mutex::new(None);

loom::thread_local! {
    static WRITES: Cell<bool> = Cell::new(false);
}

pub fn broken() -> Broken {
    *BROKEN.lock().unwrap()
}

pub fn is(variant: Broken) -> bool {
    broken() == variant
}

pub fn set_broken(variant: Broken) {
    *BROKEN.lock().unwrap() = variant;
    *LATE.lock().unwrap() = None;
}

/// This thread is a writer from now on, and dies after so many stores.
pub fn begin_writer(life: u32) {
    WRITES.with(|writes| writes.set(true));
    *LIFE.lock().unwrap() = life;
}

/// Whether a store takes place. One that the dead make does not.
fn lives() -> bool {
    let mut life = LIFE.lock().unwrap();
    let lives = *life > 0;
    *life = life.saturating_sub(1);
    lives
}

fn writes() -> bool {
    WRITES.with(Cell::get)
}

macro_rules! atomic {
    ($name:ident, $int:ty) => {
        #[derive(Debug)]
        pub struct $name {
            inner: model::$name,
            role: Role,
        }

        impl $name {
            pub fn new(value: $int) -> Self {
                Self::with_role(value, Role::Other)
            }

            pub fn with_role(value: $int, role: Role) -> Self {
                Self {
                    inner: model::$name::new(value),
                    role,
                }
            }

            pub fn load(&self, order: Ordering) -> $int {
                if writes() {
                    // Only writers store, one after the other: they see what there is. And loom
                    // 0.7 remembers an object's last access alone: one that it knew of here would
                    // hide a reader's before it.
                    // SAFETY: no store is concurrent, by the line above.
                    return unsafe { self.inner.unsync_load() };
                }
                let order = match (broken(), self.role) {
                    (Broken::NoSecondCheck, Role::Oldest) => return 1,
                    (Broken::AcquireLoadOfOldest, Role::Oldest) => Acquire,
                    _ => order,
                };
                self.inner.load(order)
            }

            pub fn store(&self, value: $int, order: Ordering) {
                if (broken(), self.role) == (Broken::OldestRaisedLate, Role::Oldest) {
                    *LATE.lock().unwrap() = Some(u64::from(value));
                    return;
                }
                let order = match (broken(), self.role) {
                    (Broken::ReleaseStoreOfOldest, Role::Oldest) => Release,
                    (Broken::RelaxedStoreOfHead, Role::Head) => Relaxed,
                    (Broken::RelaxedStoreOfNotice, Role::Other) => Relaxed,
                    _ => order,
                };
                if lives() {
                    self.inner.store(value, order);
                }
            }
        }
    };
}

atomic!(AtomicU8, u8);
atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);

impl AtomicU64 {
    /// Makes the store that was put off, on the way to the next one.
    pub fn catch_up(&self) {
        if writes()
            && let Some(value) = LATE.lock().unwrap().take()
        {
            self.inner.store(value, Relaxed);
        }
    }
}

impl AtomicU32 {
    pub fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
        let order = match broken() {
            Broken::RelaxedCount => Relaxed,
            _ => order,
        };
        if is(Broken::ChangeNotCounted) || !lives() {
            return 0;
        }
        self.inner.fetch_add(value, order)
    }
}

/// As the crate's.
pub fn acquire(atomic: &AtomicU64) -> u64 {
    let value = atomic.load(Relaxed);
    let relaxed = match atomic.role {
        Role::Head => is(Broken::RelaxedLoadOfHead),
        _ => is(Broken::RelaxedLoadOfNotice),
    };
    if !relaxed {
        model::fence(Acquire);
    }
    value
}

/// As the crate's.
pub fn acquire32(atomic: &AtomicU32) -> u32 {
    let value = atomic.load(Relaxed);
    if !is(Broken::RelaxedTicket) {
        model::fence(Acquire);
    }
    value
}

pub fn fence(order: Ordering) {
    let missing = match broken() {
        Broken::NoWriterFence | Broken::ReleaseStoreOfOldest => Release,
        Broken::NoReaderFence | Broken::AcquireLoadOfOldest => Acquire,
        _ => Relaxed,
    };
    if order != missing {
        model::fence(order);
    }
}

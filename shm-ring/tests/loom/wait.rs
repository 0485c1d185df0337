//! Waiting for a change, with the futex as the kernel has it (a lock and a queue), and notices.

use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::notice::Notice;
use crate::protocol::{Indices, Line};
use crate::sync::{AtomicU32, AtomicU64, Broken, Relaxed, Role, begin_writer, is};

struct Waited {
    indices: Indices,
    /// The kernel's: whether the waiter waits in it.
    bucket: Mutex<bool>,
}

/// A writer changes `head` twice: a waiter that has not seen the second must be woken.
pub fn waiter() {
    let waited = Arc::new(Waited {
        indices: Indices {
            oldest: Line(AtomicU64::new(1)),
            head: Line(AtomicU64::with_role(0, Role::Head)),
            word: Line(AtomicU32::new(0)),
        },
        bucket: Mutex::new(false),
    });
    let changing = waited.clone();
    let writer = thread::spawn(move || {
        begin_writer(u32::MAX);
        for id in 1..=2 {
            // Relaxed: what is proven here is that the count alone carries it.
            changing.indices.head.0.store(id, Relaxed);
            changing.indices.announce();
            // FUTEX_WAKE
            *changing.bucket.lock().unwrap() = false;
        }
    });
    let look = || waited.indices.head.0.load(Relaxed);
    loop {
        let early = is(Broken::TicketTakenLate).then(look);
        let ticket = waited.indices.changes();
        let head = early.unwrap_or_else(look);
        if head == 2 {
            break;
        }
        // FUTEX_WAIT: compares and queues under the bucket's lock.
        let mut bucket = waited.bucket.lock().unwrap();
        if waited.indices.word.0.load(Relaxed) == ticket {
            // It sleeps. Whether it is woken is looked up at the end: loom cannot recover from
            // a deadlock. What it does once woken, it might have begun with.
            *bucket = true;
            break;
        }
    }
    writer.join().unwrap();
    let sleeps = *waited.bucket.lock().unwrap();
    assert!(!sleeps, "slept through a change");
}

/// A notice that is replaced twice while it is read.
pub fn notice() {
    let notice = Arc::new(Notice::<1>::empty());
    let replaced = notice.clone();
    let writer = thread::spawn(move || {
        begin_writer(u32::MAX);
        replaced.replace(1, 1, "a");
        replaced.replace(2, 2, "b");
    });
    if let Some(read) = notice.read() {
        let whole = [
            (0, 0, String::new()),
            (1, 1, "a".to_owned()),
            (2, 2, "b".to_owned()),
        ];
        assert!(whole.contains(&read), "torn notice accepted: {read:?}");
    }
    writer.join().unwrap();
}

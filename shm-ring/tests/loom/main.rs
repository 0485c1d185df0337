//! The protocol under loom: the crate's own `protocol.rs` and `notice.rs`, compiled with atomics
//! that try every interleaving and every value that the memory model allows.
//!
//! Prints the number of executions of each check: loom 0.7 can be misled into trying one
//! (`sync`), and then everything passes. Each fence and each order has a variant in which it is
//! missing, which must be caught. Not here: the copies, the maps and the kernel (`tests/model`
//! and the stress program run those).

#[allow(dead_code, unused_imports)]
#[path = "../../src/notice.rs"]
mod notice;
#[allow(dead_code, unused_imports)]
#[path = "../../src/protocol.rs"]
mod protocol;
mod ring;
mod sync;
mod wait;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ring::{Begin, Model, Room};
use sync::Broken;

/// What a check must come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Must {
    Pass,
    BeCaught,
}

/// Checks made, and those that came to something else.
#[derive(Default)]
struct Tally {
    /// Part of the names of the checks to make.
    only: String,
    checks: u32,
    executions: u64,
    wrong: Vec<String>,
}

impl Tally {
    fn check(
        &mut self,
        name: &str,
        broken: Broken,
        preemptions: Option<usize>,
        run: impl Fn() + Send + Sync + 'static,
    ) {
        let must = match broken {
            Broken::Nothing => Must::Pass,
            _ => Must::BeCaught,
        };
        let name = match must {
            Must::Pass => name.to_owned(),
            Must::BeCaught => format!("{broken:?}: {name}"),
        };
        if !name.contains(&self.only) {
            return;
        }
        let began = Instant::now();
        let executions = Arc::new(AtomicU64::new(0));
        let mut builder = loom::model::Builder::new();
        builder.max_branches = 100_000;
        builder.preemption_bound = preemptions;
        let counted = executions.clone();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            builder.check(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                sync::set_broken(broken);
                run();
            });
        }));
        let executions = executions.load(Ordering::Relaxed);
        let (came_to, why) = match &outcome {
            Ok(()) => (Must::Pass, String::new()),
            Err(panic) => (Must::BeCaught, message(panic.as_ref())),
        };
        println!(
            "{} {name:<66} {executions:>9} executions {:>6.1} s  {}",
            match came_to {
                Must::Pass => "passes",
                Must::BeCaught => "caught",
            },
            began.elapsed().as_secs_f32(),
            why.lines().next().unwrap_or_default(),
        );
        self.checks += 1;
        self.executions += executions;
        // One execution is no check: the threads did not meet.
        if came_to != must || (must == Must::Pass && executions < 2) {
            self.wrong.push(name);
        }
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()))
        .unwrap_or_default()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // As the standard harness has them: part of a name, and a run of those ignored: none are.
    if args.iter().any(|arg| arg == "--ignored") {
        return;
    }
    // What is caught panics by design.
    std::panic::set_hook(Box::new(|_| {}));
    let mut tally = Tally {
        only: args
            .into_iter()
            .find(|arg| !arg.starts_with('-'))
            .unwrap_or_default(),
        ..Tally::default()
    };
    use Broken::*;

    for (room, begin, frames, reads) in [
        (Room::Gap, Begin::Newest, 3, 1),
        (Room::Gap, Begin::Oldest, 3, 1),
        (Room::Wrap, Begin::Newest, 3, 1),
        (Room::Ample, Begin::Oldest, 3, 1),
        (Room::One, Begin::Newest, 2, 2),
    ] {
        let name = format!("{frames} frames in room {room:?}, {reads} read from the {begin:?}");
        tally.check(&name, Nothing, None, move || {
            ring::one_reader(room, frames, begin, reads);
        });
    }
    tally.check(
        "2 frames in room One, two readers",
        Nothing,
        Some(3),
        ring::two_readers,
    );
    for broken in [
        NoWriterFence,
        ReleaseStoreOfOldest,
        OldestRaisedLate,
        RelaxedStoreOfHead,
        NoReaderFence,
        AcquireLoadOfOldest,
        RelaxedLoadOfHead,
        NoSecondCheck,
    ] {
        tally.check("3 frames in room Gap, Newest", broken, None, || {
            ring::one_reader(Room::Gap, 3, Begin::Newest, 1);
        });
    }
    tally.check(
        "3 frames in room Ample, Oldest",
        DescriptorsUnguarded,
        None,
        || {
            ring::one_reader(Room::Ample, 3, Begin::Oldest, 1);
        },
    );

    let stores = Model::stores();
    for life in 0..=stores {
        for (begin, more, preemptions) in [(Begin::Newest, 2, 2), (Begin::Oldest, 1, 3)] {
            let name = format!("dies after {life} of {stores} stores, then {more} more, {begin:?}");
            let run = move || ring::takeover(life, more, begin);
            tally.check(&name, Nothing, Some(preemptions), run);
        }
    }
    // It died with the third frame's bytes over the first, whose descriptor still stood.
    tally.check(
        "dies within the third frame",
        SuccessorRewinds,
        None,
        move || {
            ring::takeover(stores - 6, 1, Begin::Oldest);
        },
    );

    for broken in [
        Nothing,
        RelaxedCount,
        RelaxedTicket,
        TicketTakenLate,
        ChangeNotCounted,
    ] {
        tally.check("a waiter and two changes", broken, None, wait::waiter);
    }
    for broken in [
        Nothing,
        NoWriterFence,
        NoReaderFence,
        RelaxedStoreOfNotice,
        RelaxedLoadOfNotice,
    ] {
        tally.check("a notice replaced twice", broken, None, wait::notice);
    }

    println!("{} checks, {} executions", tally.checks, tally.executions);
    if tally.checks == 0 {
        println!("no check has {:?} in its name", tally.only);
        std::process::exit(1);
    }
    if !tally.wrong.is_empty() {
        println!("not as they must be: {:#?}", tally.wrong);
        std::process::exit(1);
    }
}

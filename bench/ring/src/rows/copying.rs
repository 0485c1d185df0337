//! Copying a frame out of the ring, with the check, against memcpy of as many bytes from a private
//! buffer, in turns; both into the same vector, which has the room already.
//!
//! Both sources lie at the same place within a page, and what they are copied to begins 16 bytes
//! into a page, as glibc's large allocations do: places matter. Where a destination is 1 to 63
//! bytes further into its page than its source, `rep movsb`, and memcpy where it is made of that,
//! drops to half its speed or less on some processors (AMD Zen 4 is one). One frame in 64 begins
//! with a page; where every frame is a whole number of pages long, all do. So that is measured, too.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::{Effort, frame};
use crate::ours::Ours;
use crate::report::{Figure, Goal, Row};
use crate::side::{Publish, Stamp, WARM_UP};

/// Bytes of a frame, and what a person calls it.
pub const SIZES: [(usize, &str); 3] = [
    (100_000, "100 KB"),
    (1_000_000, "1 MB"),
    (6_000_000, "6 MB"),
];

/// Bytes that one timing copies, so that reading the clock does not count.
const TIMED: usize = 12_000_000;
const PAGE: usize = 4096;
/// Where most frames lie: bytes into a page.
const SOMEWHERE: usize = 1024;
/// Where they are copied to: bytes into a page.
const TO: usize = 16;

/// Measures at each size.
///
/// # Errors
/// Where the ring fails.
pub fn run(effort: Effort, tag: &str) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (len, size) in SIZES {
        eprintln!("copying {size} out");
        for place in [SOMEWHERE, 0] {
            let ring = format!("{tag}-copy{len}-{place}");
            let pairs = pairs(len, place, &ring, effort.pick(60, 300))?;
            let what = match place {
                0 => format!("copy out, {size}, begins with a page"),
                _ => format!("copy out, {size}"),
            };
            let figure = Figure::of_pairs(Row::Copy, what, "memcpy", "GB/s", &pairs);
            let figure = figure.context("nothing was copied")?;
            figures.push(match place {
                0 => figure,
                _ => figure.with_goal(Goal::AtLeast(0.95)),
            });
        }
    }
    Ok(figures)
}

/// GB/s of ours and of memcpy, from `place` bytes into a page.
fn pairs(len: usize, place: usize, ring: &str, count: usize) -> Result<Vec<(f64, f64)>> {
    let stamp = Stamp {
        sent_ns: 0,
        round: WARM_UP,
    };
    let mut side = Ours::new(ring, 8 * len as u64)?;
    if place > 0 {
        side.publish(&frame(place), stamp)?; // the arena begins with a page
    }
    let private = frame(len + 2 * PAGE);
    let start = private.as_ptr().align_offset(PAGE) + place;
    let private = &private[start..start + len];
    side.publish(private, stamp)?;
    let reader = shm_ring::Reader::attach(ring)?;
    let head = reader.bounds().head;
    // Both copy behind what the vector holds already.
    let mut out: Vec<u8> = Vec::with_capacity(len + 2 * PAGE);
    out.resize(out.as_ptr().align_offset(PAGE) + TO, 0);
    let before = out.len();
    out.extend_from_slice(private);
    let ours = |out: &mut Vec<u8>| {
        out.truncate(before);
        // Nothing overwrites the frame.
        if let Ok(frame) = reader.frame(black_box(head)) {
            frame.copy_range(0..frame.info().len, out);
            black_box(frame.is_intact());
        }
        black_box(out);
    };
    let theirs = |out: &mut Vec<u8>| {
        out[before..].copy_from_slice(black_box(private));
        black_box(out);
    };
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let ours = gb_per_s(len, &mut out, ours);
        pairs.push((ours, gb_per_s(len, &mut out, theirs)));
    }
    assert_eq!(&out[before..], private);
    Ok(pairs)
}

fn gb_per_s(len: usize, out: &mut Vec<u8>, copy: impl Fn(&mut Vec<u8>)) -> f64 {
    copy(out); // warms
    let times = (TIMED / len).max(2);
    let began = Instant::now();
    for _ in 0..times {
        copy(out);
    }
    (times * len) as f64 / began.elapsed().as_nanos() as f64
}

//! Memory that the same history of JPEGs takes: frames one behind the other, as in the ring,
//! against slots of one size.
//!
//! The sizes are those of two real videos (`material/README.md`); the smallest ring is looked for
//! in which, all along the video, the newest [`HISTORY`] frames are readable after each
//! publication. The ring counts with header, descriptors and the room at the arena's end where a
//! frame did not fit; slots count as their bytes alone.

use std::fs;

use anyhow::{Context as _, Result};
use shm_ring::{FrameMeta, MIN_ARENA, Ring};

use crate::report::{Figure, Goal, Row};

/// Frames: 4 s at 30 fps.
const HISTORY: u64 = 120;
const PAGE: u64 = 4096;

/// A video's JPEGs.
struct Video {
    name: &'static str,
    width: u64,
    height: u64,
    /// Bytes of each, one a line.
    sizes: &'static str,
}

const VIDEOS: [Video; 2] = [
    Video {
        name: "surveillance 768x576",
        width: 768,
        height: 576,
        sizes: include_str!("../../material/vtest.txt"),
    },
    Video {
        name: "film 640x272",
        width: 640,
        height: 272,
        sizes: include_str!("../../material/bikes.txt"),
    },
];

/// Measures each video.
///
/// # Errors
/// Where a ring fails.
pub fn run(tag: &str) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for video in VIDEOS {
        eprintln!("memory for {HISTORY} frames of {}", video.name);
        let sizes = video.sizes.lines().map(str::parse);
        let sizes = sizes
            .collect::<Result<Vec<usize>, _>>()
            .context(video.name)?;
        let largest = sizes.iter().copied().max().context(video.name)? as u64;
        let ours = smallest(&sizes, &format!("{tag}-history"))?;
        let sizeimage = video.width * video.height * 2;
        for (against, slot) in [
            ("slots of sizeimage", sizeimage),
            ("slots, largest seen", largest),
        ] {
            let pair = [(mib(ours), mib(HISTORY * slot))];
            let what = format!("history of {}", video.name);
            let figure = Figure::of_pairs(Row::History, what, against, "MiB", &pair);
            figures.extend(figure.map(|it| it.with_goal(Goal::AtMost(0.3))));
        }
    }
    Ok(figures)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Bytes of the smallest ring that always holds the history, to a page.
fn smallest(sizes: &[usize], name: &str) -> Result<u64> {
    let all: usize = sizes.iter().sum();
    let (mut low, mut high) = (
        MIN_ARENA / PAGE - 1,
        (2 * all as u64).max(4 * MIN_ARENA) / PAGE,
    );
    while high - low > 1 {
        let middle = low.midpoint(high);
        match held(sizes, name, middle * PAGE)? {
            Some(_) => high = middle,
            None => low = middle,
        }
    }
    held(sizes, name, high * PAGE)?.context("no ring is large enough")
}

/// What a ring with such an arena takes in /dev/shm; none if it does not hold the history.
fn held(sizes: &[usize], name: &str, arena: u64) -> Result<Option<u64>> {
    let ring = Ring::create(name, arena)?;
    let mut writer = ring.writer()?;
    let reader = ring.reader()?;
    let largest = sizes.iter().copied().max().unwrap_or_default();
    if largest as u64 > arena / 4 {
        return Ok(None); // it takes no frame above a quarter of its arena
    }
    let frame = vec![0; largest];
    for &size in sizes {
        let id = writer.publish(&frame[..size], &FrameMeta::default())?;
        let bounds = reader.bounds();
        if id >= HISTORY && bounds.head + 1 - bounds.oldest < HISTORY {
            return Ok(None);
        }
    }
    let stat = fs::metadata(format!("/dev/shm/{name}"))?;
    Ok(Some(std::os::unix::fs::MetadataExt::blocks(&stat) * 512))
}

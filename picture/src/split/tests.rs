use proptest::prelude::*;

use super::*;
use crate::testing::{Recipe, recipes};

const MAX: usize = 1 << 20;

/// A [`Split`], and the frame that was lent with it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Frame(Vec<u8>),
    Other(Split),
}

fn push(splitter: &mut Splitter, bytes: &[u8]) {
    let put = |room: &mut [u8]| {
        room.copy_from_slice(bytes);
        Ok::<_, std::convert::Infallible>(bytes.len())
    };
    splitter.fill(bytes.len(), put).unwrap();
}

fn next(splitter: &mut Splitter) -> Option<Found> {
    let found = splitter.next_frame()?;
    let Split::Frame { bytes } = found else {
        assert!(splitter.frame().is_empty());
        return Some(Found::Other(found));
    };
    assert_eq!(splitter.frame().len(), bytes);
    Some(Found::Frame(splitter.frame().to_vec()))
}

fn split(max_frame: usize, stream: &[u8], chunk: impl FnMut() -> usize) -> (Vec<Found>, usize) {
    let (mut splitter, mut found, mut chunk) = (Splitter::new(max_frame), Vec::new(), chunk);
    let mut rest = stream;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(chunk().clamp(1, rest.len()));
        push(&mut splitter, now);
        found.extend(std::iter::from_fn(|| next(&mut splitter)));
        rest = later;
    }
    (found, splitter.pending())
}

fn at_once(stream: &[u8]) -> Vec<Found> {
    split(MAX, stream, || stream.len()).0
}

fn bytes(found: &Found) -> usize {
    match found {
        Found::Frame(frame) => frame.len(),
        Found::Other(
            Split::Frame { bytes }
            | Split::Garbage { bytes }
            | Split::Truncated { bytes }
            | Split::TooLong { bytes },
        ) => *bytes,
    }
}

fn garbage(bytes: usize) -> Found {
    Found::Other(Split::Garbage { bytes })
}

#[test]
fn a_thumbnail_does_not_end_the_picture() {
    let jpeg = Recipe {
        thumbnail: true,
        ..Recipe::plain()
    }
    .jpeg();
    let stream = [&jpeg[..], &jpeg].concat();
    assert_eq!(
        at_once(&stream),
        [Found::Frame(jpeg.clone()), Found::Frame(jpeg)]
    );
}

#[test]
fn part_headers_between_frames_are_garbage() {
    let jpeg = Recipe::plain().jpeg();
    let head = b"--boundary\r\nContent-Type: image/jpeg\r\n\r\n";
    let stream = [head, &jpeg[..], head, &jpeg].concat();
    let garbage = garbage(head.len());
    let frame = Found::Frame(jpeg);
    assert_eq!(
        at_once(&stream),
        [garbage.clone(), frame.clone(), garbage, frame]
    );
}

#[test]
fn a_frame_that_breaks_off_ends_where_the_next_begins() {
    let jpeg = Recipe::plain().jpeg();
    // Within the data, within a segment, right behind one, and between marker and length.
    for cut in [jpeg.len() - 30, 40, 20, 23] {
        let stream = [&jpeg[..cut], &jpeg, &jpeg].concat();
        let found = at_once(&stream);
        assert!(
            matches!(found[0], Found::Other(Split::Truncated { .. })),
            "{cut}: {found:?}"
        );
        let frames = found
            .iter()
            .filter(|f| matches!(f, Found::Frame(f) if *f == jpeg));
        assert_eq!(frames.count(), 2, "{cut}: {found:?}");
    }
}

#[test]
fn joining_in_the_middle_begins_with_the_next_frame() {
    let jpeg = Recipe::plain().jpeg();
    let stream = [&jpeg[jpeg.len() / 2..], &jpeg].concat();
    let bytes = jpeg.len() - jpeg.len() / 2;
    assert_eq!(at_once(&stream), [garbage(bytes), Found::Frame(jpeg)]);
}

#[test]
fn a_frame_that_is_too_long_is_dropped() {
    let small = Recipe {
        width: 8,
        height: 8,
        ..Recipe::plain()
    }
    .jpeg();
    let large = Recipe {
        width: 200,
        height: 200,
        ..Recipe::plain()
    }
    .jpeg();
    let stream = [&small[..], &large, &small].concat();
    let max = large.len() - 1;
    for chunk in [1, 7, stream.len()] {
        let (found, pending) = split(max, &stream, || chunk);
        let frame = Found::Frame(small.clone());
        let rest = garbage(1);
        assert_eq!(
            found,
            [
                frame.clone(),
                Found::Other(Split::TooLong { bytes: max }),
                rest,
                frame
            ]
        );
        assert_eq!(pending, 0);
    }
}

#[test]
fn endless_garbage_is_reported_and_takes_no_memory() {
    let mut splitter = Splitter::new(1000);
    let mut reported = 0;
    for _ in 0..100 {
        push(&mut splitter, &[0xff; 777]);
        while let Some(split) = splitter.next_frame() {
            assert_eq!(split, Split::Garbage { bytes: 1000 });
            reported += 1000;
        }
        assert!(splitter.buffer.len() < 10_000);
    }
    assert_eq!(reported + splitter.pending(), 77_700);
}

/// Each would take minutes if bytes were looked at again and again.
#[test]
fn hostile_streams_take_linear_time() {
    let nested = b"\xff\xd8\xff\xe1\x00\x06".repeat(300_000);
    let chained = [
        b"\xff\xd8".as_slice(),
        &b"\xff\xe1\x00\x04\xff\xd8".repeat(300_000),
        b"no",
    ]
    .concat();
    let fill = [b"\xff\xd8".to_vec(), vec![0xff; 1_000_000]].concat();
    let far = b"\xff\xd8\xff\xe1\xff\xff".repeat(300_000);
    for stream in [nested, chained, fill, far] {
        for chunk in [1, 4096, stream.len()] {
            for max_frame in [3, 2 << 20] {
                let (found, pending) = split(max_frame, &stream, || chunk);
                let reported: usize = found.iter().map(bytes).sum();
                assert_eq!(reported + pending, stream.len());
            }
        }
    }
}

proptest! {
    #[test]
    fn frames_come_out_as_they_went_in_however_the_stream_is_cut(
        parts in prop::collection::vec((recipes(), prop::collection::vec(0u8..=0xfe, 0..40)), 1..5),
        chunks in prop::collection::vec(1usize..3000, 1..20),
    ) {
        let mut stream = Vec::new();
        let mut frames = Vec::new();
        for (recipe, garbage) in &parts {
            let jpeg = recipe.jpeg();
            stream.extend_from_slice(garbage);
            stream.extend_from_slice(&jpeg);
            frames.push(jpeg);
        }
        let mut sizes = chunks.iter().copied().cycle();
        let (found, pending) = split(MAX, &stream, || sizes.next().unwrap_or(1));
        prop_assert_eq!(pending, 0);
        let whole: Vec<&Vec<u8>> = found
            .iter()
            .filter_map(|f| if let Found::Frame(f) = f { Some(f) } else { None })
            .collect();
        prop_assert_eq!(whole, frames.iter().collect::<Vec<_>>());
        prop_assert_eq!(found.iter().map(bytes).sum::<usize>(), stream.len());
    }

    #[test]
    fn cutting_never_matters(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..50),
                Just(Recipe::plain().jpeg()),
                Just(Recipe::plain().jpeg()[..700].to_vec()),
                Just(Recipe { thumbnail: true, ..Recipe::plain() }.jpeg()[..100].to_vec()),
                Just(b"\xff\xd8\xff\xe1".to_vec()),
            ],
            0..12,
        ),
        max_frame in 0usize..4000,
        chunks in prop::collection::vec(1usize..500, 1..20),
    ) {
        let stream = pieces.concat();
        let whole = split(max_frame, &stream, || stream.len());
        let mut sizes = chunks.iter().copied().cycle();
        let cut = split(max_frame, &stream, || sizes.next().unwrap_or(1));
        prop_assert_eq!(&whole, &cut);
        prop_assert_eq!(whole.0.iter().map(bytes).sum::<usize>() + whole.1, stream.len());
    }
}

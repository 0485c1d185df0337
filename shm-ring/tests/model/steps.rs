//! The steps of a schedule, and how often which is taken. Not here: what a step does.

use proptest::prelude::*;

#[derive(Debug, Clone)]
pub enum Step {
    /// One frame, by a new writer where there is none.
    Publish(Size),
    /// So many frames of one byte or more.
    Burst(u8),
    /// The writer ends in good order.
    Stop,
    /// Another process takes over, publishes so many frames and ends without a word.
    Exit(u8),
    /// The writer dies within a frame, after so many of its stores (see `World::die_within`).
    Die(Size, u8),
    /// By the writer, or by the creator where there is none.
    Signal(u8),
    /// A reader takes half of a frame, and holds it.
    Lend(u8, u16),
    GiveBack(u8),
    Locate(Place),
    /// A consumer by name, in place of this one.
    Open(u8, Place),
    /// A consumer takes so many frames.
    Follow(u8, u8),
}

#[derive(Debug, Clone, Copy)]
pub enum Size {
    Bytes(u64),
    /// A part of the largest, in 65536ths.
    Part(u16),
    /// So many bytes more than fit before the arena's end.
    ToTheEnd(i64),
}

/// Offsets, around a frame that is given in 65536ths of all that ever were.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    First,
    Last,
    Next,
    Id(u16, i64),
    Time(u16, i64),
    Far,
}

fn size() -> impl Strategy<Value = Size> {
    prop_oneof![
        3 => any::<u16>().prop_map(Size::Part),
        1 => Just(Size::Part(u16::MAX)),
        2 => prop::sample::select(vec![1, 63, 64, 65, 128, 4096]).prop_map(Size::Bytes),
        3 => prop::sample::select(vec![-65, -64, -1, 0, 1, 64]).prop_map(Size::ToTheEnd),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        Just(Place::First),
        Just(Place::Last),
        Just(Place::Next),
        Just(Place::Far),
        (any::<u16>(), -2..3i64).prop_map(|(at, by)| Place::Id(at, by)),
        (any::<u16>(), -1..2i64).prop_map(|(at, by)| Place::Time(at, by)),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => size().prop_map(Step::Publish),
        1 => (1..80u8).prop_map(Step::Burst),
        1 => Just(Step::Stop),
        1 => (0..3u8).prop_map(Step::Exit),
        2 => (size(), 0..12u8).prop_map(|(size, stores)| Step::Die(size, stores)),
        1 => any::<u8>().prop_map(Step::Signal),
        3 => (any::<u8>(), any::<u16>()).prop_map(|(reader, frame)| Step::Lend(reader, frame)),
        1 => any::<u8>().prop_map(Step::GiveBack),
        2 => place().prop_map(Step::Locate),
        1 => (any::<u8>(), place()).prop_map(|(which, place)| Step::Open(which, place)),
        3 => (any::<u8>(), 1..9u8).prop_map(|(which, times)| Step::Follow(which, times)),
    ]
}

//! What the measurements of seqcast share: servers, viewers, and counters of the kernel.
//!
//! The programs are `fanout` (ours over two references that only write), `compare` (ours beside the originals and
//! other people's servers) and `stress` (the ring). Here is what more than one of them needs: what is sent
//! ([`jpeg`], [`feed`]), who serves ([`seqcast`], [`reference`]), who watches ([`drain`]), and what was spent
//! ([`cpu`], [`switches`], [`memory`]).
//!
//! Not here: what is run in which order, and what follows from the figures.

pub mod cpu;
pub mod drain;
pub mod feed;
pub mod jpeg;
pub mod memory;
pub mod process;
pub mod reference;
pub mod seqcast;
pub mod stats;
pub mod switches;
pub mod sys;
pub mod tree;

/// Frames a second, everywhere.
pub const FPS: u32 = 30;

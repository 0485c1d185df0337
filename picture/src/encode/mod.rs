//! Raw camera frames to JPEG, in two steps that may run on two threads.
//!
//! [`Planes::load`] takes a frame of any [`PixelFormat`] out of the driver's buffer into the planes
//! and the colours of a JPEG: for a caller that must give the buffer back, this is the copy.
//! [`Encoder::encode`] makes a JPEG of the planes. Both keep their buffers from frame to frame.
//!
//! What is written is baseline 4:2:0 (GREY: one component) with the standard Huffman tables. 4:2:2
//! is no better to look at on a moving picture, a third larger to code, and slower to show.
//!
//! Not here: which format a camera is asked for, and what a JPEG is (`jpeg`).

mod colour;
mod engine;
mod format;
mod planes;
mod unpack;

pub use colour::{Colours, Matrix, Range};
pub use engine::{Encoder, Engine};
pub use format::{PixelFormat, RawFormat};
pub use planes::Planes;

#[cfg(test)]
mod tests;

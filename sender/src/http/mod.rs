//! HTTP/1 as viewers speak it, without I/O: bytes in, decisions and bytes out.
//!
//! Not here: sockets, deadlines, frames.

pub mod ask;
pub mod avi;
pub mod clip;
pub mod controls;
pub mod cors;
pub(crate) mod gate;
pub mod health;
pub mod host;
pub mod metrics;
pub mod mjpg;
pub mod multipart;
pub mod origin;
pub mod page;
pub mod reply;
pub mod request;
pub mod route;
#[cfg(test)]
mod sample;
pub mod state;

//! Our side: a ring, published to and read as its documentation says.
//!
//! Not here: what is made of the stamps (`reader`).

use std::time::Duration;

use anyhow::{Context as _, Result};
use shm_ring::{FrameMeta, Reader, Ring, Writer};

use crate::side::{Publish, Stamp};

/// The arena of the rings that are held against iceoryx2: the supervisor's default of 16 MiB,
/// which holds 5 s of 100 KB frames at 30 fps.
pub const ARENA: u64 = 16 << 20;

/// A ring and its writer.
#[derive(Debug)]
pub struct Ours {
    pub name: String,
    arena: u64,
    writer: Writer,
    /// Removes the name when dropped.
    _ring: Ring,
}

impl Ours {
    /// # Errors
    /// Those of [`Ring::create`] and [`Ring::writer`].
    pub fn new(name: &str, arena: u64) -> Result<Ours> {
        let ring = Ring::create(name, arena)?;
        Ok(Ours {
            name: name.to_owned(),
            arena,
            writer: ring.writer()?,
            _ring: ring,
        })
    }

    /// Publishes so many frames that the writer has touched all of the arena: what comes after is
    /// what a writer does that has run for some seconds.
    ///
    /// # Errors
    /// Those of [`Writer::publish`].
    pub fn go_round(&mut self, bytes: &[u8]) -> Result<()> {
        for _ in 0..=self.arena / bytes.len() as u64 {
            self.writer.publish(bytes, &FrameMeta::default())?;
        }
        Ok(())
    }
}

impl Publish for Ours {
    fn publish(&mut self, bytes: &[u8], stamp: Stamp) -> Result<()> {
        let meta = FrameMeta {
            captured_ns: stamp.sent_ns,
            flags: stamp.round,
            ..FrameMeta::default()
        };
        self.writer.publish(bytes, &meta)?;
        Ok(())
    }
}

/// Waits for each newest frame, copies it out if `copies`, and hands on its stamp.
///
/// # Errors
/// Those of [`Reader::attach`], and the callback's. It ends when the callback says false.
pub fn read(
    name: &str,
    copies: bool,
    attached: impl FnOnce() -> Result<()>,
    mut taken: impl FnMut(Stamp) -> bool,
) -> Result<()> {
    let reader = Reader::attach(name).with_context(|| name.to_owned())?;
    let mut seen = reader.bounds().head;
    let mut bytes = Vec::new();
    attached()?;
    loop {
        let ticket = reader.ticket();
        let head = reader.bounds().head;
        if head == seen {
            reader.wait(ticket, Duration::from_secs(5));
            continue;
        }
        seen = head;
        let Ok(frame) = reader.frame(head) else {
            continue;
        };
        let meta = frame.info().meta;
        let stamp = Stamp {
            sent_ns: meta.captured_ns,
            round: meta.flags,
        };
        if !taken(stamp) {
            return Ok(());
        }
        if copies {
            bytes.clear();
            frame.copy_range(0..frame.info().len, &mut bytes);
            std::hint::black_box((&bytes, frame.is_intact()));
        }
    }
}

//! Planes to the system's libjpeg-turbo, as they are.
//!
//! Its API of version 2 (tjCompressFromYUVPlanes), which version 3 has, too: Debian 12 and 13 and Ubuntu 24.04
//! come with 2.1.5.

mod sys;

use crate::Error;
use crate::encode::Planes;

/// An instance of the library, and room for the largest JPEG that it could make.
pub(super) struct Turbo {
    handle: sys::Handle,
    room: Vec<u8>,
}

impl Turbo {
    pub(super) fn new() -> Result<Turbo, Error> {
        Ok(Turbo {
            handle: sys::Handle::new().map_err(Error::Turbo)?,
            room: Vec::new(),
        })
    }

    /// Appends a JPEG to `out`.
    pub(super) fn encode(
        &mut self,
        planes: &Planes,
        quality: u8,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let picture = sys::Picture {
            width: planes.width(),
            height: planes.height(),
            grey: planes.is_grey(),
            planes: planes.planes(),
        };
        let len = self
            .handle
            .compress(&picture, quality, &mut self.room)
            .map_err(Error::Turbo)?;
        out.extend_from_slice(&self.room[..len]);
        Ok(())
    }
}

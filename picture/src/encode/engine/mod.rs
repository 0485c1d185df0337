//! From planes to a JPEG, by one of two encoders.
//!
//! Not here: raw formats and colours.

mod portable;
#[cfg(feature = "turbojpeg")]
mod turbo;

use crate::encode::Planes;
use crate::{Error, checked_quality};

/// What encodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The crate `jpeg-encoder`: always there.
    Portable,
    /// The system's libjpeg-turbo.
    #[cfg(feature = "turbojpeg")]
    Turbo,
}

impl Engine {
    /// The fastest that this was built with.
    #[cfg(not(feature = "turbojpeg"))]
    pub const FASTEST: Engine = Engine::Portable;
    /// The fastest that this was built with.
    #[cfg(feature = "turbojpeg")]
    pub const FASTEST: Engine = Engine::Turbo;
}

/// Encodes frame after frame at one quality.
pub struct Encoder {
    quality: u8,
    engine: Running,
}

enum Running {
    Portable,
    #[cfg(feature = "turbojpeg")]
    Turbo(turbo::Turbo),
}

impl Encoder {
    /// An encoder with [`Engine::FASTEST`]; `quality` as the IJG counts it, 1 to 100.
    ///
    /// # Errors
    /// Another quality.
    pub fn new(quality: u8) -> Result<Encoder, Error> {
        Encoder::with_engine(Engine::FASTEST, quality)
    }

    /// The same with that engine.
    ///
    /// # Errors
    /// Another quality; no memory for libjpeg-turbo.
    pub fn with_engine(engine: Engine, quality: u8) -> Result<Encoder, Error> {
        let quality = checked_quality(quality)?;
        let engine = match engine {
            Engine::Portable => Running::Portable,
            #[cfg(feature = "turbojpeg")]
            Engine::Turbo => Running::Turbo(turbo::Turbo::new()?),
        };
        Ok(Encoder { quality, engine })
    }

    /// Puts a baseline JPEG into `out`, which is cleared first.
    ///
    /// # Errors
    /// Planes that no frame was loaded into; a failure of the encoder, which is not known to happen.
    pub fn encode(&mut self, planes: &Planes, out: &mut Vec<u8>) -> Result<(), Error> {
        out.clear();
        let (width, height) = (planes.width(), planes.height());
        if width == 0 {
            return Err(Error::FrameSize { width, height });
        }
        match &mut self.engine {
            Running::Portable => Ok(portable::encode(planes, self.quality, out)?),
            #[cfg(feature = "turbojpeg")]
            Running::Turbo(turbo) => turbo.encode(planes, self.quality, out),
        }
    }
}

//! What to capture: `--source`, `--size`, `--fps`, `--quality` and `--format`, checked before any
//! process is forked.
//!
//! Not here: opening the source for good, and everything that can change later (a camera that is
//! not there yet is no error).

use std::ops::RangeInclusive;

use broker::{Origin, Position};
use shm_ring::Offset;
use worker::control::{self, Setting};

use crate::amqp::Past;
use crate::choice::{self, Choice};
use crate::error::Error;
use crate::formats::Served;

/// The smallest picture, pixels: width, height.
pub const MIN_SIZE: (u32, u32) = (64, 48);
/// The largest picture, pixels: width, height.
pub const MAX_SIZE: (u32, u32) = (8192, 8192);
/// Frames a second.
pub const FPS: RangeInclusive<u32> = 1..=240;
/// JPEG quality as the IJG counts it.
pub const QUALITY: RangeInclusive<u8> = 1..=100;

/// The longest JPEG that any source yields, bytes. Bounds the memory for a stream that never
/// ends its frame; a picture of [`MAX_SIZE`] fits.
pub const MAX_FRAME: usize = 64 << 20;

/// In what form frames go into the ring, whatever the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As JPEG (V4L2_PIX_FMT_MJPEG, `MJPG`).
    Jpeg,
    /// As packed BGR (V4L2_PIX_FMT_BGR24, `BGR3`): what comes as JPEG is decoded here, once.
    Bgr24,
}

/// What is asked of a source that can choose: a camera, the test picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Pixels, even, 64 to 8192.
    pub width: u32,
    /// Pixels, even, 48 to 8192.
    pub height: u32,
    /// Frames a second, 1 to 240; also the pace of files.
    pub fps: u32,
    /// JPEG quality where it is encoded here, 1 to 100.
    pub quality: u8,
    /// What a camera is asked for; `None`: what suits best. BGR24 is also the form in which frames go into
    /// the ring then, whatever the source.
    pub format: Option<Served>,
    /// Whether JPEGs that are cut short are shown as far as they go.
    pub allow_truncated: bool,
}

impl Asked {
    /// In what form frames go into the ring.
    #[must_use]
    pub fn form(&self) -> Form {
        match self.format {
            Some(Served::BGR24) => Form::Bgr24,
            _ => Form::Jpeg,
        }
    }
}

/// A checked request for pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Which source.
    pub choice: Choice,
    /// What is asked of it.
    pub asked: Asked,
    /// Pictures equal to the one before them that are left out in a row, at most; 0: none.
    pub drop_same: u32,
    /// What its controls are set to each time it is opened, in this order.
    pub controls: Vec<Setting>,
    /// Who publishes what is captured, if anybody does: so that a relay knows its own.
    pub origin: Origin,
}

impl Config {
    /// Checks everything that can never become right later.
    ///
    /// # Errors
    /// [`Error`], one line that says what to do.
    pub fn new(source: &str, asked: Asked) -> Result<Config, Error> {
        Config::of(asked, || Choice::new(source))
    }

    /// The same for the history of an exchange. `speed`: captured seconds for each second, 0.1 to 16.
    ///
    /// # Errors
    /// [`Error`], one line that says what to do.
    pub fn replay(
        exchange: &str,
        from: Offset,
        speed: f64,
        position: Option<Position>,
        asked: Asked,
    ) -> Result<Config, Error> {
        Config::of(asked, || {
            Ok(Choice::Replay(Past {
                address: choice::exchange(exchange)?,
                from,
                speed,
                position,
            }))
        })
    }

    fn of(asked: Asked, choose: impl FnOnce() -> Result<Choice, Error>) -> Result<Config, Error> {
        let Asked {
            width,
            height,
            fps,
            quality,
            format,
            allow_truncated: _,
        } = asked; // every size below fits into a raw frame's 16 bits a side
        let even = width.is_multiple_of(2) && height.is_multiple_of(2);
        let wide = (MIN_SIZE.0..=MAX_SIZE.0).contains(&width);
        let high = (MIN_SIZE.1..=MAX_SIZE.1).contains(&height);
        if !(even && wide && high) {
            return Err(Error::Size { width, height });
        }
        if !FPS.contains(&fps) {
            return Err(Error::Fps(fps));
        }
        if !QUALITY.contains(&quality) {
            return Err(Error::Quality(quality));
        }
        let choice = choose()?;
        if let Some(format) = format
            && !choice.may_give(format)
        {
            return Err(Error::Format {
                format: format.option(),
                what: choice.to_string(),
            });
        }
        Ok(Config {
            choice,
            asked,
            drop_same: 0,
            controls: Vec::new(),
            origin: Origin::default(),
        })
    }
}

impl Config {
    /// Has these controls set each time it is opened, too.
    pub fn remember(&mut self, settings: &[Setting]) {
        control::remember(&mut self.controls, settings);
    }

    /// Whether the source is standard input, which a capture process then must keep.
    pub fn reads_stdin(&self) -> bool {
        self.choice == Choice::Stdin
    }

    /// Whether `--source` as it was given is nobody else's business: it holds a password, or may.
    pub fn is_secret(&self) -> bool {
        match &self.choice {
            Choice::Http(url) => url.is_secret(),
            Choice::Amqp(address) => address.is_secret(),
            Choice::Replay(past) => past.address.is_secret(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(source: &str, size: (u32, u32), fps: u32, quality: u8) -> Result<Config, Error> {
        let asked = Asked {
            width: size.0,
            height: size.1,
            fps,
            quality,
            format: None,
            allow_truncated: false,
        };
        Config::new(source, asked)
    }

    /// The error's text, which must be one line.
    fn said(result: Result<Config, Error>) -> String {
        let text = result.unwrap_err().to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    }

    #[test]
    fn only_a_camera_is_asked_for_raw_formats() {
        let with = |source, format: &str| {
            let asked = Asked {
                width: 640,
                height: 480,
                fps: 30,
                quality: 80,
                format: Some(format.parse().unwrap()),
                allow_truncated: false,
            };
            Config::new(source, asked)
        };
        for (source, format) in [
            ("/dev/video77", "yuyv"),
            ("auto", "grey"),
            ("test", "bgr24"),
            ("test", "mjpeg"),
        ] {
            assert!(with(source, format).is_ok(), "{source} {format}");
        }
        let said = said(with("test", "yuyv"));
        assert!(
            said.contains("yuyv") && said.contains("--format auto"),
            "{said}"
        );
        assert_eq!(with("test", "bgr24").unwrap().asked.form(), Form::Bgr24);
        assert_eq!(with("auto", "rgb24").unwrap().asked.form(), Form::Jpeg);
    }

    #[test]
    fn numbers_out_of_range() {
        for (width, height) in [
            (62, 480),
            (640, 46),
            (8194, 480),
            (640, 8194),
            (641, 480),
            (0, 0),
        ] {
            let said = said(asked("test", (width, height), 30, 80));
            assert!(said.contains(&format!("{width}x{height}")), "{said}");
            assert!(
                said.contains("even numbers from 64x48 to 8192x8192"),
                "{said}"
            );
        }
        for fps in [0, 241] {
            let said = said(asked("test", (640, 480), fps, 80));
            assert!(
                said.contains(&fps.to_string()) && said.contains("--fps 1 to 240"),
                "{said}"
            );
        }
        for quality in [0, 101] {
            let said = said(asked("test", (640, 480), 30, quality));
            assert!(said.contains("--quality 1 to 100"), "{said}");
        }
        assert!(asked("test", (64, 48), 1, 1).is_ok());
        assert!(asked("test", (8192, 8192), 240, 100).is_ok());
    }
}

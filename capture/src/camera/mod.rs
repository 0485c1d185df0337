//! A V4L2 camera as a source: opened, asked for a format, streamed from.
//!
//! MJPEG goes out as it comes, YUYV is encoded here. Whatever goes wrong may come right again
//! (plugged in, no longer busy), so every error is [`SourceError::NoSignal`] with a sentence that
//! says what to do.
//!
//! A camera that is busy, silent or gone is opened anew by the loop, with a new stream: there is
//! no other way to mend one.
//!
//! Not here: the check of JPEG bytes and trying again, which the loop does for all sources alike.

mod clock;
mod fault;
mod probe;
mod stream;
mod sys;

use std::io;
use std::mem::take;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::info;
use v4l::buffer::Flags;
use v4l::video::{Capture, capture::Parameters};
use v4l::{Device, Format, FourCC};
use worker::DropCause;

use crate::config::Asked;
use crate::source::{Event, Grab, Granted, Image, Source, SourceError};
use clock::Now;
pub use probe::{Choice, NodeReport, Said, choose, survey};
use stream::Stream;

/// A camera that gives no frame for so long has lost its signal.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// A jump of the driver's count by more than this is a count begun anew, not frames lost.
const MAX_GAP: u32 = 1000;

/// A camera that streams.
pub struct Camera {
    path: PathBuf,
    asked: Asked,
    granted: Granted,
    stream: Stream,
    encoder: Option<Encoder>,
    /// When the driver last gave a frame.
    heard: Instant,
    /// The driver's count of the last frame.
    last: Option<u32>,
    /// Frames that the driver counted and never gave, not yet reported.
    gap: u64,
    /// Whether a frame came and the format was logged.
    introduced: bool,
}

/// What turns YUYV into JPEG.
struct Encoder {
    width: u32,
    height: u32,
    /// Bytes a line.
    stride: usize,
    /// 1 to 100.
    quality: u8,
    jpeg: Vec<u8>,
}

impl Camera {
    /// Opens the node, asks for size and rate, and starts it. What it grants may differ: see
    /// [`Source::granted`].
    ///
    /// # Errors
    /// [`SourceError::NoSignal`]: missing, busy, no rights, no camera.
    pub fn open(path: &Path, asked: &Asked) -> Result<Camera, SourceError> {
        let no_signal = |doing| move |e: io::Error| lost(path, doing, &e);
        let device = sys::open(path).map_err(no_signal("opening it"))?;
        let said = probe::ask(&device).map_err(no_signal("answering what it is"))?;
        let format = set_format(&device, path, &said, asked)?;
        let fps = set_rate(&device, asked.fps);
        let stream = Stream::start(&device).map_err(no_signal("starting the stream"))?;
        let fourcc = format.fourcc.repr;
        Ok(Camera {
            path: path.to_owned(),
            asked: *asked,
            granted: Granted {
                kind: "camera",
                detail: probe::detail(path, &said),
                width: format.width,
                height: format.height,
                format: probe::name(&fourcc),
                fps,
            },
            stream,
            encoder: (fourcc == *b"YUYV").then(|| Encoder::new(&format, asked.quality)),
            heard: Instant::now(),
            last: None,
            gap: 0,
            introduced: false,
        })
    }
}

impl Source for Camera {
    fn granted(&self) -> &Granted {
        &self.granted
    }

    fn next(&mut self, _next_id: u64, timeout: Duration) -> Result<Event<'_>, SourceError> {
        if self.gap > 0 {
            return Ok(Event::Dropped(DropCause::Driver, take(&mut self.gap)));
        }
        let taken = self.stream.next(timeout);
        let now = Now {
            unix: worker::unix_ns(),
            monotonic: worker::monotonic_ns(),
        };
        let Some((bytes, meta)) = taken.map_err(|e| lost(&self.path, "streaming", &e))? else {
            return if self.heard.elapsed() < SILENT_AFTER {
                Ok(Event::Idle)
            } else {
                Err(silent(&self.path, &self.granted))
            };
        };
        self.heard = Instant::now();
        self.gap = gap(self.last.replace(meta.sequence), meta.sequence);
        if meta.flags.contains(Flags::ERROR) {
            return Ok(Event::Dropped(DropCause::Flagged, 1));
        }
        let jpeg = match &mut self.encoder {
            None => bytes,
            Some(encoder) => match encoder.encode(bytes) {
                Some(jpeg) => jpeg,
                None => return Ok(Event::Dropped(DropCause::Corrupt, 1)),
            },
        };
        if !self.introduced {
            self.introduced = true;
            introduce(&self.granted, &self.asked);
        }
        Ok(Event::Frame(Grab {
            image: Image::Jpeg(jpeg),
            captured_ns: clock::captured_ns(meta.flags, meta.timestamp, now),
            sequence: meta.sequence.into(),
        }))
    }
}

impl Encoder {
    fn new(format: &Format, quality: u8) -> Encoder {
        let packed = format.width as usize * 2;
        Encoder {
            width: format.width,
            height: format.height,
            // Some drivers leave it 0 for packed lines.
            stride: packed.max(format.stride as usize),
            quality,
            jpeg: Vec::new(),
        }
    }

    /// Nothing for a frame that is not whole.
    fn encode(&mut self, yuyv: &[u8]) -> Option<&[u8]> {
        let Encoder {
            width,
            height,
            stride,
            quality,
            jpeg,
        } = self;
        picture::encode_yuyv(yuyv, *width, *height, *stride, *quality, jpeg).ok()?;
        Some(jpeg)
    }
}

/// Sets the best format that is served and granted.
fn set_format(
    device: &Device,
    path: &Path,
    said: &Said,
    asked: &Asked,
) -> Result<Format, SourceError> {
    let node = path.display();
    let formats = probe::served(said)
        .map_err(|why| SourceError::NoSignal(format!("{node} cannot be the source: {why}")))?;
    for fourcc in formats {
        // New, not what `format()` gave: stride and size of 0 let the driver compute its own.
        let format = Format::new(asked.width, asked.height, FourCC::new(&fourcc));
        let granted = Capture::set_format(device, &format)
            .map_err(|e| lost(path, "setting the format", &e))?;
        // A driver sets another format rather than refuse one.
        if granted.fourcc.repr == fourcc {
            return Ok(granted);
        }
    }
    Err(SourceError::NoSignal(format!(
        "{node} grants no format that is served here: try another --size"
    )))
}

/// Sets the rate and gives what was granted, frames a second; 0 where the driver has no say.
fn set_rate(device: &Device, fps: u32) -> f64 {
    match Capture::set_params(device, &Parameters::with_fps(fps)) {
        Ok(Parameters { interval, .. }) if interval.numerator > 0 => {
            f64::from(interval.denominator) / f64::from(interval.numerator)
        }
        _ => 0.0,
    }
}

/// Frames that the driver counted between two that it gave.
fn gap(last: Option<u32>, this: u32) -> u64 {
    let missed = last.map_or(0, |last| this.wrapping_sub(last).saturating_sub(1));
    if missed > MAX_GAP { 0 } else { missed.into() }
}

/// Says once what is streamed. With the first frame, not on opening: a silent camera is opened
/// over and over.
fn introduce(granted: &Granted, asked: &Asked) {
    info!(
        "{}: asked for {}x{} at {} fps, granted {}",
        granted.detail,
        asked.width,
        asked.height,
        asked.fps,
        shape(granted)
    );
}

fn shape(granted: &Granted) -> String {
    let Granted {
        width,
        height,
        format,
        fps,
        ..
    } = granted;
    if *fps > 0.0 {
        let fps = (fps * 100.0).round() / 100.0;
        format!("{format} {width}x{height} at {fps} fps")
    } else {
        format!("{format} {width}x{height} at its own rate")
    }
}

fn lost(path: &Path, doing: &str, error: &io::Error) -> SourceError {
    SourceError::NoSignal(fault::sentence(path, doing, error))
}

fn silent(path: &Path, granted: &Granted) -> SourceError {
    SourceError::NoSignal(format!(
        "{} is silent: no frame for {} s of {}: plug it in again, or try another --size or --fps",
        path.display(),
        SILENT_AFTER.as_secs(),
        shape(granted)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_count_tells_what_was_missed() {
        assert_eq!(gap(None, 7), 0);
        assert_eq!(gap(Some(7), 8), 0);
        assert_eq!(gap(Some(7), 10), 2);
        assert_eq!(gap(Some(u32::MAX), 1), 1);
        assert_eq!(gap(Some(7), 7), 0, "a driver that does not count");
        assert_eq!(gap(Some(7), 3), 0, "begun anew");
        assert_eq!(gap(Some(7), 1_000_000), 0, "begun anew");
    }

    #[test]
    fn a_node_that_is_not_there_is_no_signal_and_says_so() {
        let asked = Asked {
            width: 640,
            height: 480,
            fps: 30,
            quality: 80,
            form: crate::config::Form::Jpeg,
        };
        let error = Camera::open(Path::new("/dev/video-none"), &asked).err();
        let Some(SourceError::NoSignal(why)) = error else {
            panic!("{error:?}");
        };
        assert!(why.contains("/dev/video-none is not there"), "{why}");
        // No V4L2 device.
        let error = Camera::open(Path::new("/dev/null"), &asked).err();
        assert!(
            matches!(error, Some(SourceError::NoSignal(why)) if why.contains("no video device"))
        );
    }

    #[test]
    fn a_rate_is_told_as_people_write_it() {
        let mut granted = Granted {
            kind: "camera",
            detail: String::new(),
            width: 1280,
            height: 720,
            format: "MJPG".to_owned(),
            fps: 30000.0 / 1001.0,
        };
        assert_eq!(shape(&granted), "MJPG 1280x720 at 29.97 fps");
        granted.fps = 30.0;
        assert_eq!(shape(&granted), "MJPG 1280x720 at 30 fps");
        granted.fps = 0.0;
        assert_eq!(shape(&granted), "MJPG 1280x720 at its own rate");
    }
}

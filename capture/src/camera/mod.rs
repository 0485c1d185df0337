//! A V4L2 camera as a source: opened, asked for a format, streamed from.
//!
//! MJPEG and JPEG go out as they come; raw formats are encoded here, on a thread of their own, and
//! each buffer goes back to the driver at once. Whatever goes wrong may come right again (plugged in, no
//! longer busy), so every error is [`SourceError::NoSignal`] with a sentence that says what to do.
//!
//! A camera that is busy, silent or gone is opened anew by the loop, with a new stream: there is
//! no other way to mend one.
//!
//! Not here: the check of JPEG bytes and trying again, which the loop does for all sources alike.

mod clock;
mod controls;
pub mod devices;
mod fault;
mod holder;
mod identity;
mod offers;
mod probe;
mod stream;
mod sys;
mod timings;
mod unpack;
mod way;

use std::io;
use std::mem::take;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::info;
use v4l::Device;
use v4l::buffer::Flags;
use v4l::v4l_sys::v4l2_fract;
use worker::{DropCause, Fault};

use crate::config::Asked;
use crate::encoder::Stamp;
use crate::formats::{self, Served};
use crate::source::{Controls, Event, Grab, Granted, Image, Source, SourceError};
use clock::Now;
use controls::CameraControls;
pub use devices::list as devices;
use fault::lost;
pub(crate) use identity::Identity;
pub use probe::{Choice, NodeReport, Said, choose, survey};
use stream::{Meta, Stream, wait};
use timings::Incoming;
use way::Way;

/// A camera that gives no frame for so long has lost its signal.
const SILENT_AFTER: Duration = Duration::from_secs(3);

/// A jump of the driver's count by more than this is a count begun anew, not frames lost.
const MAX_GAP: u32 = 1000;

/// A camera that streams.
pub struct Camera {
    path: PathBuf,
    identity: Identity,
    asked: Asked,
    granted: Granted,
    /// Why that was asked for, and not what was asked here.
    why: String,
    stream: Stream,
    controls: CameraControls,
    /// What comes in, where that is for somebody else to say (HDMI).
    incoming: Option<Incoming>,
    way: Way,
    /// When the driver last gave a frame.
    heard: Instant,
    /// The driver's count of the last frame.
    last: Option<u32>,
    /// Frames that the driver counted and never gave, not yet reported.
    gap: u64,
    /// Why the stream has ended; frames may still be at the encoder.
    over: Option<SourceError>,
    /// Whether a frame came and the format was logged.
    introduced: bool,
}

/// What a wait came to.
enum Step {
    /// A frame in the driver's buffer, captured then.
    Lent(Meta, u64),
    /// The encoder has one.
    Encoded,
    Dropped(DropCause, u64),
    Idle,
}

impl Camera {
    /// Opens the node, asks for what of its offer is nearest to what was asked, and starts it. What it
    /// grants may differ: see [`Source::granted`].
    ///
    /// # Errors
    /// [`SourceError::NoSignal`]: missing, busy, no rights, no camera, nothing that is served.
    pub fn open(path: &Path, asked: &Asked) -> Result<Camera, SourceError> {
        let no_signal = |doing| move |e: io::Error| lost(path, doing, &e);
        let unfit = |why: String| {
            let why = format!("{} cannot be the source: {why}", path.display());
            SourceError::NoSignal(Fault::Device, why)
        };
        let device = sys::open(path).map_err(no_signal("opening it"))?;
        let said = probe::ask(&device).map_err(no_signal("answering what it is"))?;
        probe::served(&said).map_err(unfit)?;
        let incoming = timings::follow(&device).map_err(no_signal("following its input"))?;
        let choice = choose_format(&device, asked, incoming.as_ref()).map_err(unfit)?;
        let format = sys::set_format(
            &device,
            choice.format.fourcc(),
            (choice.width, choice.height),
        )
        .map_err(no_signal("setting the format"))?;
        let fourcc = format.pixelformat.to_le_bytes();
        let served = Served::from_fourcc(fourcc).ok_or_else(|| {
            let name = probe::name(&fourcc);
            unfit(format!("it grants {name} for {}", choice.format))
        })?;
        let fps = set_rate(&device, choice.fps)
            .or(incoming.map(|incoming| incoming.fps()))
            .unwrap_or(0.0);
        let way = Way::of(served, &format, asked).map_err(unfit)?;
        let controls = CameraControls::new(&device);
        let stream = Stream::start(device).map_err(no_signal("starting the stream"))?;
        Ok(Camera {
            path: path.to_owned(),
            identity: Identity::new(path, &said),
            asked: *asked,
            granted: Granted {
                kind: "camera",
                detail: probe::detail(path, &said),
                width: format.width,
                height: format.height,
                format: probe::name(&fourcc),
                fps,
            },
            why: match incoming {
                Some(_) => "what comes in is followed".to_owned(),
                None => choice.why,
            },
            stream,
            controls,
            incoming,
            way,
            heard: Instant::now(),
            last: None,
            gap: 0,
            over: None,
            introduced: false,
        })
    }

    /// Which camera it is, to find it again.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Waits for something to tell.
    fn step(&mut self, timeout: Duration) -> Result<Step, SourceError> {
        let until = Instant::now() + timeout;
        loop {
            if self.gap > 0 {
                return Ok(Step::Dropped(DropCause::Driver, take(&mut self.gap)));
            }
            // What was lent.
            self.release();
            let encoder = match &self.way {
                Way::Encoded(encoder, _) => Some(&**encoder),
                _ => None,
            };
            let device = match &self.over {
                None => Some(sys::fd(self.stream.device())),
                // What is at the encoder was captured: it is shown, or counted.
                Some(_) if encoder.is_some_and(|encoder| encoder.pending() > 0) => None,
                Some(over) => return Err(over.clone()),
            };
            let rest = until.saturating_duration_since(Instant::now());
            let ready = wait(device, encoder, rest).map_err(|e| self.failed(&e))?;
            if ready.event {
                self.look_for_changes();
            }
            if ready.device
                && let Some(step) = self.dequeue()
            {
                return Ok(step);
            }
            if ready.encoded {
                return Ok(Step::Encoded);
            }
            if Instant::now() >= until {
                if self.over.is_none() && self.heard.elapsed() >= SILENT_AFTER {
                    self.over = Some(silent(&self.path, &self.granted));
                    continue;
                }
                return Ok(Step::Idle);
            }
        }
    }

    /// Takes a frame from the driver. Nothing where there is none, or where it is the encoder's.
    fn dequeue(&mut self) -> Option<Step> {
        let taken = self.stream.dequeue();
        let now = Now {
            unix: worker::unix_ns(),
            monotonic: worker::monotonic_ns(),
        };
        let meta = match taken {
            Ok(meta) => meta?,
            Err(e) => {
                self.over = Some(self.failed(&e));
                return None;
            }
        };
        self.heard = Instant::now();
        self.gap = gap(self.last.replace(meta.sequence), meta.sequence);
        if let Some(cause) = flaw(&meta) {
            return Some(Step::Dropped(cause, 1));
        }
        let captured_ns = clock::captured_ns(meta.flags, meta.stamp, now);
        let Way::Encoded(encoder, format) = &mut self.way else {
            return Some(Step::Lent(meta, captured_ns));
        };
        let stamp = Stamp {
            captured_ns,
            sequence: meta.sequence.into(),
        };
        let submitted = encoder.submit(self.stream.bytes(&meta), format, stamp);
        self.release();
        match submitted {
            Ok(0) => None,
            Ok(skipped) => Some(Step::Dropped(DropCause::Late, skipped)),
            // Of a format that was checked when it was granted.
            Err(_) => Some(Step::Dropped(DropCause::Truncated, 1)),
        }
    }

    fn release(&mut self) {
        if self.over.is_none()
            && let Err(e) = self.stream.release()
        {
            self.over = Some(self.failed(&e));
        }
    }

    fn look_for_changes(&mut self) {
        let device = self.stream.device();
        if timings::changed(device)
            && let Some(incoming) = &self.incoming
            && incoming.has_changed(device)
        {
            let why = format!("{}: what comes in has changed", self.path.display());
            self.over = Some(SourceError::Changed(why));
        }
    }

    fn failed(&self, error: &io::Error) -> SourceError {
        lost(&self.path, "streaming", error)
    }
}

impl Source for Camera {
    fn granted(&self) -> &Granted {
        &self.granted
    }

    fn next(&mut self, _next_id: u64, timeout: Duration) -> Result<Event<'_>, SourceError> {
        let step = self.step(timeout)?;
        if matches!(step, Step::Lent(..) | Step::Encoded) && !self.introduced {
            self.introduced = true;
            introduce(&self.granted, &self.asked, &self.why);
        }
        let (image, captured_ns, sequence) = match (step, &mut self.way) {
            (Step::Dropped(cause, n), _) => return Ok(Event::Dropped(cause, n)),
            (Step::Encoded, Way::Encoded(encoder, _)) => match encoder.take() {
                Some(Ok((jpeg, stamp))) => (Image::Jpeg(jpeg), stamp.captured_ns, stamp.sequence),
                Some(Err(_)) => return Ok(Event::Dropped(DropCause::Corrupt, 1)),
                None => return Ok(Event::Idle),
            },
            (Step::Lent(meta, captured_ns), way) => {
                let bytes = self.stream.bytes(&meta);
                let image = match way {
                    Way::Bgr(unpacker) => match unpacker.unpack(bytes) {
                        Some(image) => image,
                        None => return Ok(Event::Dropped(DropCause::Truncated, 1)),
                    },
                    _ => Image::Jpeg(bytes),
                };
                (image, captured_ns, meta.sequence.into())
            }
            (Step::Idle | Step::Encoded, _) => return Ok(Event::Idle),
        };
        Ok(Event::Frame(Grab {
            image,
            captured_ns,
            sequence,
            relays: 0,
        }))
    }

    fn unfinished(&mut self) -> Vec<(DropCause, u64)> {
        let encoding = match &self.way {
            Way::Encoded(encoder, _) => encoder.pending(),
            _ => 0,
        };
        vec![
            (DropCause::Driver, take(&mut self.gap)),
            (DropCause::Late, encoding),
        ]
    }

    fn controls(&mut self) -> Option<&mut dyn Controls> {
        Some(&mut self.controls)
    }
}

/// What of the device's offer to ask for; `incoming` decides on the size where there is one.
fn choose_format(
    device: &Device,
    asked: &Asked,
    incoming: Option<&Incoming>,
) -> Result<formats::Choice, String> {
    let (width, height) = incoming.map_or((asked.width, asked.height), Incoming::size);
    let offers = offers::lines(&offers::all(device, (width, height)));
    let offered = |format: Served| offers.iter().any(|line| line.fourcc == format.fourcc());
    let wanted = formats::Wanted {
        // Raw frames for the ring can be made of any format.
        format: asked
            .format
            .filter(|&format| format != Served::BGR24 || offered(format)),
        width,
        height,
        fps: asked.fps,
    };
    formats::choose(&offers, &wanted)
}

/// Sets the rate and gives what was granted, frames a second, where the driver has a say.
fn set_rate(device: &Device, fps: f64) -> Option<f64> {
    let whole = fps.fract() == 0.0;
    let scale = if whole { 1 } else { 1000 };
    let interval = v4l2_fract {
        numerator: scale,
        denominator: (fps * f64::from(scale)).round() as u32,
    };
    offers::fps(sys::set_interval(device, interval).ok()?)
}

/// Why a buffer is not worth a look.
fn flaw(meta: &Meta) -> Option<DropCause> {
    if meta.flags.contains(Flags::ERROR) {
        Some(DropCause::Flagged)
    } else if meta.used == 0 {
        Some(DropCause::Empty)
    } else if meta.used > meta.room {
        Some(DropCause::TooLarge)
    } else {
        None
    }
}

/// Frames that the driver counted between two that it gave.
fn gap(last: Option<u32>, this: u32) -> u64 {
    let missed = last.map_or(0, |last| this.wrapping_sub(last).saturating_sub(1));
    if missed > MAX_GAP { 0 } else { missed.into() }
}

/// Says once what is streamed. With the first frame, not on opening: a silent camera is opened
/// over and over.
fn introduce(granted: &Granted, asked: &Asked, why: &str) {
    info!(
        "{}: asked for {}x{} at {} fps, granted {}: {why}",
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

fn silent(path: &Path, granted: &Granted) -> SourceError {
    let why = format!(
        "{} is silent: no frame for {} s of {}: plug it in again, or try another --size or --fps",
        path.display(),
        SILENT_AFTER.as_secs(),
        shape(granted)
    );
    SourceError::NoSignal(Fault::NoSignal, why)
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
    fn a_buffer_that_is_no_frame_has_a_cause() {
        let meta = |flags, used, room| Meta::new(flags, used, room);
        for (meta, cause) in [
            (meta(Flags::DONE, 5, 9), None),
            (meta(Flags::DONE, 9, 9), None),
            (
                meta(Flags::DONE | Flags::ERROR, 0, 9),
                Some(DropCause::Flagged),
            ),
            (meta(Flags::DONE, 0, 9), Some(DropCause::Empty)),
            (meta(Flags::DONE, 10, 9), Some(DropCause::TooLarge)),
        ] {
            assert_eq!(flaw(&meta), cause, "{meta:?}");
        }
    }

    #[test]
    fn a_node_that_is_not_there_is_no_signal_and_says_so() {
        let asked = Asked {
            width: 640,
            height: 480,
            fps: 30,
            quality: 80,
            format: None,
            allow_truncated: false,
        };
        let error = Camera::open(Path::new("/dev/video-none"), &asked).err();
        let Some(SourceError::NoSignal(Fault::NoCamera, why)) = error else {
            panic!("{error:?}");
        };
        assert!(why.contains("/dev/video-none is not there"), "{why}");
        // No V4L2 device.
        let error = Camera::open(Path::new("/dev/null"), &asked).err();
        assert!(
            matches!(error, Some(SourceError::NoSignal(_, why)) if why.contains("no video device"))
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

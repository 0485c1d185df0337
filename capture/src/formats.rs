//! What to ask a camera for: its offer against what a person asked, and the reason in a sentence.
//!
//! MJPEG and JPEG come first, since they go out as they come; then the raw formats, the cheapest to encode
//! first. Among what a camera offers the size goes before the rate, and the rate before the format.
//!
//! Not here: asking the driver, and what it grants in the end.

use std::fmt;

use picture::encode::PixelFormat;

/// A format that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Served {
    /// Motion JPEG: V4L2_PIX_FMT_MJPEG.
    Mjpg,
    /// JPEG stills in a row: V4L2_PIX_FMT_JPEG.
    Jpeg,
    /// Encoded here.
    Raw(PixelFormat),
}

impl Served {
    /// Packed BGR.
    pub const BGR24: Served = Served::Raw(PixelFormat::Bgr24);

    /// All, the best first. GREY is the last of them: it has no colours.
    pub fn all() -> impl Iterator<Item = Served> {
        let raw = PixelFormat::ALL.into_iter().map(Served::Raw);
        [Served::Mjpg, Served::Jpeg].into_iter().chain(raw)
    }

    /// The format with that fourcc (linux/videodev2.h), if it is served.
    #[must_use]
    pub fn from_fourcc(fourcc: [u8; 4]) -> Option<Served> {
        Served::all().find(|format| format.fourcc() == fourcc)
    }

    /// Its fourcc (linux/videodev2.h).
    #[must_use]
    pub fn fourcc(self) -> [u8; 4] {
        match self {
            Served::Mjpg => *b"MJPG",
            Served::Jpeg => *b"JPEG",
            Served::Raw(pixels) => pixels.fourcc(),
        }
    }

    /// As `--format` takes it: `mjpeg`, `yuyv`, `rgb24`.
    #[must_use]
    pub fn option(self) -> String {
        match self {
            Served::Mjpg => "mjpeg".to_owned(),
            format => format.to_string().to_lowercase(),
        }
    }

    /// How many formats are better.
    fn rank(self) -> usize {
        Served::all().take_while(|format| *format != self).count()
    }
}

/// As logs and `--format` name it.
impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Served::Mjpg => f.write_str("MJPG"),
            Served::Jpeg => f.write_str("JPEG"),
            Served::Raw(pixels) => pixels.fmt(f),
        }
    }
}

/// Reads a name, in any case; `mjpeg` is MJPG, and fourccs that differ from the names (RGB3) are known.
impl std::str::FromStr for Served {
    type Err = String;

    fn from_str(name: &str) -> Result<Served, String> {
        let name = name.to_ascii_uppercase();
        if name == "MJPEG" {
            return Ok(Served::Mjpg);
        }
        Served::all()
            .find(|format| format.to_string() == name || format.fourcc() == name.as_bytes())
            .ok_or_else(|| {
                let names: Vec<_> = Served::all().map(Served::option).collect();
                format!("no format that is served: auto, {}", names.join(", "))
            })
    }
}

/// What a person asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// `None`: the best there is.
    pub format: Option<Served>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
}

/// The sizes of one line of an offer (VIDIOC_ENUM_FRAMESIZES), pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// One.
    Discrete(u32, u32),
    /// From the smallest to the largest in steps (a step of 0 counts as 1), each width and height.
    Stepwise {
        /// Smallest width and height.
        min: (u32, u32),
        /// Largest.
        max: (u32, u32),
        /// From one to the next.
        step: (u32, u32),
    },
}

/// One line of what a camera offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// V4L2 fourcc, served or not.
    pub fourcc: [u8; 4],
    /// In which sizes.
    pub sizes: Sizes,
    /// The highest rate in these sizes, frames a second; `None` where the driver does not say.
    pub fastest: Option<f64>,
}

/// What to ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Of those offered.
    pub format: Served,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames a second: what was asked, or less where the camera is slower.
    pub fps: f64,
    /// The reason, for the log: `as asked`.
    pub why: String,
}

/// For the log: `MJPG 1280x720 at 30 fps: as asked`.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Choice {
            format,
            width,
            height,
            fps,
            why,
        } = self;
        write!(f, "{format} {width}x{height} at {} fps: {why}", rate(*fps))
    }
}

/// Chooses among what a camera offers.
///
/// # Errors
/// Nothing of it is served, or not in the format that was asked: a sentence with what there is.
pub fn choose(offers: &[Offer], asked: &Wanted) -> Result<Choice, String> {
    let candidates: Vec<Candidate> = offers
        .iter()
        .filter_map(|offer| Candidate::new(offer, asked))
        .collect();
    let best = candidates
        .iter()
        .filter(|candidate| asked.format.is_none_or(|format| format == candidate.format))
        .min_by(|a, b| a.cost(asked).total_cmp_all(&b.cost(asked)))
        .ok_or_else(|| nothing(offers, asked))?;
    let fps = best.fps(asked);
    Ok(Choice {
        format: best.format,
        width: best.size.0,
        height: best.size.1,
        fps,
        why: reasons(best, &candidates, asked).join("; "),
    })
}

/// The nearest to what was asked that one line of the offer gives.
#[derive(Debug)]
struct Candidate {
    format: Served,
    size: (u32, u32),
    fastest: Option<f64>,
}

/// What speaks against a candidate, the heaviest first.
struct Cost {
    /// Pixels that width and height are off.
    off: u32,
    /// Frames a second that are missing.
    missing: f64,
    rank: usize,
}

impl Cost {
    fn total_cmp_all(&self, other: &Cost) -> std::cmp::Ordering {
        self.off
            .cmp(&other.off)
            .then(self.missing.total_cmp(&other.missing))
            .then(self.rank.cmp(&other.rank))
    }
}

impl Candidate {
    fn new(offer: &Offer, asked: &Wanted) -> Option<Candidate> {
        let size = match offer.sizes {
            Sizes::Discrete(width, height) => (width, height),
            Sizes::Stepwise { min, max, step } => (
                nearest(asked.width, min.0, max.0, step.0),
                nearest(asked.height, min.1, max.1, step.1),
            ),
        };
        Some(Candidate {
            format: Served::from_fourcc(offer.fourcc)?,
            size,
            fastest: offer.fastest,
        })
    }

    fn cost(&self, asked: &Wanted) -> Cost {
        Cost {
            off: off(self.size, asked),
            missing: f64::from(asked.fps) - self.reached(asked),
            rank: self.format.rank(),
        }
    }

    /// The rate that counts as reached. 29.97 is 30, and a driver that does not say is believed.
    fn reached(&self, asked: &Wanted) -> f64 {
        let fps = f64::from(asked.fps);
        match self.fastest {
            Some(fastest) if fastest < fps * 0.99 => fastest,
            _ => fps,
        }
    }

    /// The rate to ask for.
    fn fps(&self, asked: &Wanted) -> f64 {
        f64::from(asked.fps).min(self.fastest.unwrap_or(f64::INFINITY))
    }
}

/// How far a size is from what was asked, as v4l2_find_nearest_size of the kernel counts it
/// (media/v4l2-common.h).
fn off((width, height): (u32, u32), asked: &Wanted) -> u32 {
    width
        .abs_diff(asked.width)
        .saturating_add(height.abs_diff(asked.height))
}

/// The value from `min` to `max` in steps that is nearest to `asked`.
fn nearest(asked: u32, min: u32, max: u32, step: u32) -> u32 {
    let (step, max) = (u64::from(step.max(1)), max.max(min));
    let beyond = u64::from(asked.clamp(min, max) - min);
    let up = (beyond + step / 2) / step * step;
    let most = u64::from(max - min) / step * step;
    // At most `max`, so it fits.
    min + up.min(most) as u32
}

fn reasons(best: &Candidate, all: &[Candidate], asked: &Wanted) -> Vec<String> {
    let mut reasons = Vec::new();
    let of_format = match asked.format {
        Some(format) => format!("{format} "),
        None => String::new(),
    };
    let reached = best.reached(asked);
    let (sized, paced) = (off(best.size, asked) == 0, reached >= f64::from(asked.fps));
    if sized && paced {
        reasons.push("as asked".to_owned());
    }
    if !sized {
        reasons.push(format!(
            "it has no {of_format}{}x{}, and this is the nearest",
            asked.width, asked.height
        ));
    }
    if !paced {
        let mut reason = format!("it has no {of_format}{} fps in that size", asked.fps);
        if let Some((width, height)) = largest_fast_size(best, all, asked) {
            reason += &format!(" (it has in {width}x{height})");
        }
        reasons.push(reason);
    }
    let better = || all.iter().filter(|c| c.format.rank() < best.format.rank());
    match (best.format, asked.format) {
        (Served::Mjpg | Served::Jpeg, _) | (Served::Raw(_), Some(_)) => {}
        (Served::Raw(_), None) => match better().min_by_key(|c| c.format.rank()) {
            Some(other) => {
                reasons.push(format!("encoded here, as {} is not as near", other.format))
            }
            None => reasons.push("encoded here".to_owned()),
        },
    }
    reasons
}

/// The largest size below that of `best` in which the camera keeps the rate.
fn largest_fast_size(best: &Candidate, all: &[Candidate], asked: &Wanted) -> Option<(u32, u32)> {
    let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    all.iter()
        .filter(|c| asked.format.is_none_or(|format| format == c.format))
        .filter(|c| c.fastest.is_some() && c.reached(asked) >= f64::from(asked.fps))
        .map(|c| c.size)
        .filter(|size| area(*size) < area(best.size))
        .max_by_key(|size| area(*size))
}

fn nothing(offers: &[Offer], asked: &Wanted) -> String {
    let mut names: Vec<String> = Vec::new();
    for offer in offers {
        let name = match Served::from_fourcc(offer.fourcc) {
            Some(format) => format.to_string(),
            None => String::from_utf8_lossy(&offer.fourcc).trim_end().to_owned(),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let has = if names.is_empty() {
        "no format at all".to_owned()
    } else {
        format!("only {}", names.join(", "))
    };
    match asked.format {
        Some(format) => format!("it offers no {format}, {has}: try --format auto"),
        None => {
            let served: Vec<_> = Served::all().map(|f| f.to_string()).collect();
            format!("it offers {has}, and served are {}", served.join(", "))
        }
    }
}

/// As people write it: 30, 29.97.
fn rate(fps: f64) -> f64 {
    (fps * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;

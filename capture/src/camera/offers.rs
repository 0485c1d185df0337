//! What a device offers: formats, sizes and rates, as its driver enumerates them.
//!
//! Not here: which of it to take ([`crate::formats`]).

use std::io;

use v4l::Device;
use v4l::v4l_sys::{
    v4l2_fract, v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE as DISCRETE_RATE,
    v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE as DISCRETE_SIZE,
};

use super::sys;
use crate::formats::{Offer, Sizes};

/// More lines than any driver has, for one that never ends a list.
const MOST: u32 = 256;

/// A format, and what it comes in.
#[derive(Debug, Clone, PartialEq)]
pub struct FormatOffer {
    /// V4L2 fourcc.
    pub fourcc: [u8; 4],
    /// The driver's name for it.
    pub description: String,
    /// Sizes, each with its rates.
    pub sizes: Vec<(Sizes, Rates)>,
}

/// Frames a second.
#[derive(Debug, Clone, PartialEq)]
pub enum Rates {
    /// Each of them, as the driver orders them.
    Discrete(Vec<f64>),
    /// Any from the slowest to the fastest.
    Between(f64, f64),
}

impl Rates {
    /// The highest; nothing where the driver does not say.
    fn fastest(&self) -> Option<f64> {
        match self {
            Rates::Discrete(rates) => rates.iter().copied().reduce(f64::max),
            Rates::Between(_, fastest) => Some(*fastest),
        }
    }
}

/// The fourccs that a device offers; none where it cannot be asked.
pub(super) fn fourccs(device: &Device) -> Vec<[u8; 4]> {
    list(|index| sys::format(device, index))
        .map(|format| format.pixelformat.to_le_bytes())
        .collect()
}

/// All that a device offers. Where it lists no sizes, as one whose source alone decides, it is asked what
/// it would make of `size`.
pub(super) fn all(device: &Device, size: (u32, u32)) -> Vec<FormatOffer> {
    list(|index| sys::format(device, index))
        .map(|format| {
            let fourcc = format.pixelformat.to_le_bytes();
            FormatOffer {
                fourcc,
                description: super::probe::text(&format.description),
                sizes: sizes(device, fourcc, size),
            }
        })
        .collect()
}

/// The same for the choice: a line for each format and size.
pub(super) fn lines(formats: &[FormatOffer]) -> Vec<Offer> {
    let of = |format: &FormatOffer| {
        let fourcc = format.fourcc;
        let line = move |(sizes, rates): &(Sizes, Rates)| Offer {
            fourcc,
            sizes: *sizes,
            fastest: rates.fastest(),
        };
        format.sizes.iter().map(line).collect::<Vec<_>>()
    };
    formats.iter().flat_map(of).collect()
}

fn sizes(device: &Device, fourcc: [u8; 4], asked: (u32, u32)) -> Vec<(Sizes, Rates)> {
    let mut sizes: Vec<Sizes> = list(|index| sys::frame_size(device, fourcc, index))
        .map(|line| {
            let (discrete, stepwise) = sys::sizes_in(&line);
            if line.type_ == DISCRETE_SIZE {
                Sizes::Discrete(discrete.width, discrete.height)
            } else {
                Sizes::Stepwise {
                    min: (stepwise.min_width, stepwise.min_height),
                    max: (stepwise.max_width, stepwise.max_height),
                    step: (stepwise.step_width, stepwise.step_height),
                }
            }
        })
        .collect();
    if sizes.is_empty()
        && let Ok(granted) = sys::try_format(device, fourcc, asked)
        && granted.pixelformat.to_le_bytes() == fourcc
    {
        sizes.push(Sizes::Discrete(granted.width, granted.height));
    }
    sizes
        .into_iter()
        .map(|size| (size, rates(device, fourcc, size)))
        .collect()
}

/// The rates of a size, of a range of sizes those of its largest, which are no faster than others.
fn rates(device: &Device, fourcc: [u8; 4], size: Sizes) -> Rates {
    let size = match size {
        Sizes::Discrete(width, height) => (width, height),
        Sizes::Stepwise { max, .. } => max,
    };
    let mut discrete = Vec::new();
    for line in list(|index| sys::frame_interval(device, fourcc, size, index)) {
        let (interval, stepwise) = sys::intervals_in(&line);
        if line.type_ != DISCRETE_RATE {
            return match (fps(stepwise.max), fps(stepwise.min)) {
                (Some(slowest), Some(fastest)) => Rates::Between(slowest, fastest),
                _ => Rates::Discrete(Vec::new()),
            };
        }
        discrete.extend(fps(interval));
    }
    Rates::Discrete(discrete)
}

/// Frames a second of an interval in seconds; nothing for one of no length.
pub(super) fn fps(interval: v4l2_fract) -> Option<f64> {
    (interval.numerator > 0 && interval.denominator > 0)
        .then(|| f64::from(interval.denominator) / f64::from(interval.numerator))
}

/// Lines from index 0 on, until the driver has no more.
fn list<T>(ask: impl Fn(u32) -> io::Result<T>) -> impl Iterator<Item = T> {
    (0..MOST).map_while(move |index| ask(index).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(numerator: u32, denominator: u32) -> v4l2_fract {
        v4l2_fract {
            numerator,
            denominator,
        }
    }

    #[test]
    fn a_rate_is_one_over_the_interval() {
        assert_eq!(fps(interval(1, 30)), Some(30.0));
        assert_eq!(fps(interval(1001, 30000)), Some(30000.0 / 1001.0));
        for nonsense in [interval(0, 30), interval(1, 0), interval(0, 0)] {
            assert_eq!(fps(nonsense), None);
        }
    }

    #[test]
    fn a_driver_without_an_end_is_left() {
        assert_eq!(list(Ok).count(), MOST as usize);
        assert_eq!(
            list(|index| [7, 8].get(index as usize).ok_or(io::Error::other("over"))).count(),
            2
        );
    }

    #[test]
    fn each_size_is_a_line_with_its_fastest_rate() {
        let size = |width| Sizes::Discrete(width, 480);
        let formats = [FormatOffer {
            fourcc: *b"YUYV",
            description: String::new(),
            sizes: vec![
                (size(640), Rates::Discrete(vec![30.0, 60.0, 15.0])),
                (size(320), Rates::Between(1.0, 90.0)),
                (size(160), Rates::Discrete(Vec::new())),
            ],
        }];
        let fastest: Vec<_> = lines(&formats).iter().map(|line| line.fastest).collect();
        assert_eq!(fastest, [Some(60.0), Some(90.0), None]);
    }
}

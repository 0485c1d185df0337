//! Every video node with all that it says, for people and scripts: `seqcast devices`.
//!
//! Not here: which of them `auto` takes (`probe`), and the table (`supervisor`).

use std::path::{Path, PathBuf};

use serde::Serialize;
use worker::control::Control;

use super::controls::CameraControls;
use super::offers::{FormatOffer, Rates};
use super::probe::{self, Said};
use super::{fault, holder, identity, offers, sys};
use crate::formats::{Served, Sizes};
use crate::source::Controls as _;

/// What a device without a list of sizes is asked for.
const ANY_SIZE: (u32, u32) = (1280, 720);

/// A node. Field names are a contract with scripts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Device {
    /// /dev/videoN.
    pub path: PathBuf,
    /// udev's name for it, which it keeps under another number; null where it has none.
    pub by_id: Option<PathBuf>,
    /// What it is called; empty where it could not be asked.
    pub card: String,
    /// Where it is plugged in.
    pub bus: String,
    /// Whether this user may open it.
    pub may_open: bool,
    /// Whether it can be a source.
    pub usable: bool,
    /// Why not, or what to do first; null where all is well.
    pub problem: Option<String>,
    /// The process that has it open, as far as this user sees.
    pub held_by: Option<u32>,
    /// What it offers.
    pub formats: Vec<Format>,
    /// Its controls, as they are.
    pub controls: Vec<Control>,
}

/// A format that a device offers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Format {
    /// As `--format` takes it, or, where it is not served, the fourcc.
    pub format: String,
    /// The driver's words.
    pub description: String,
    /// Whether it can be asked for.
    pub served: bool,
    /// In which sizes.
    pub sizes: Vec<Size>,
}

/// A size, or a range of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Size {
    /// Pixels; the smallest of a range.
    pub width: u32,
    /// Pixels; the smallest of a range.
    pub height: u32,
    /// The largest of a range and the steps to it: width, height, and both steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to: Option<[u32; 4]>,
    /// Frames a second, each or, where `any` says so, the least and the most.
    pub fps: Vec<f64>,
    /// Whether `fps` is a range.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub any: bool,
}

/// Looks at all nodes, in the order of their numbers. Disturbs nobody who streams from one.
#[must_use]
pub fn list() -> Vec<Device> {
    probe::nodes().iter().map(|path| look(path)).collect()
}

fn look(path: &Path) -> Device {
    let mut device = Device {
        path: path.to_owned(),
        by_id: identity::by_id(path),
        card: String::new(),
        bus: String::new(),
        may_open: false,
        usable: false,
        problem: None,
        held_by: holder::of(path).map(|holder| holder.pid),
        formats: Vec::new(),
        controls: Vec::new(),
    };
    let open = match sys::open(path) {
        Ok(open) => open,
        Err(e) => {
            device.problem = Some(fault::sentence(path, "opening it", &e));
            return device;
        }
    };
    device.may_open = true;
    match probe::ask(&open) {
        Ok(said) => {
            let suits = probe::served(&said).and_then(|()| probe::judge(&said));
            device.usable = probe::served(&said).is_ok();
            device.problem = suits.err();
            let Said { card, bus, .. } = said;
            (device.card, device.bus) = (card, bus);
        }
        Err(e) => {
            device.problem = Some(fault::sentence(path, "answering what it is", &e));
            return device;
        }
    }
    if device.usable {
        let formats = offers::all(&open, ANY_SIZE);
        device.formats = formats.into_iter().map(Format::from).collect();
        device.controls = CameraControls::new(&open).list();
    }
    device
}

impl From<FormatOffer> for Format {
    fn from(offer: FormatOffer) -> Format {
        let served = Served::from_fourcc(offer.fourcc);
        Format {
            format: match served {
                Some(served) => served.option(),
                None => probe::name(&offer.fourcc),
            },
            description: offer.description,
            served: served.is_some(),
            sizes: offer.sizes.into_iter().map(Size::from).collect(),
        }
    }
}

impl From<(Sizes, Rates)> for Size {
    fn from((sizes, rates): (Sizes, Rates)) -> Size {
        let ((width, height), up_to) = match sizes {
            Sizes::Discrete(width, height) => ((width, height), None),
            Sizes::Stepwise { min, max, step } => (min, Some([max.0, max.1, step.0, step.1])),
        };
        let (fps, any) = match rates {
            Rates::Discrete(rates) => (rates, false),
            Rates::Between(least, most) => (vec![least, most], true),
        };
        Size {
            width,
            height,
            up_to,
            fps,
            any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_named_as_it_is_asked_for() {
        let of = |fourcc: &[u8; 4]| {
            let offer = FormatOffer {
                fourcc: *fourcc,
                description: String::new(),
                sizes: Vec::new(),
            };
            let format = Format::from(offer);
            (format.format, format.served)
        };
        assert_eq!(of(b"MJPG"), ("mjpeg".to_owned(), true));
        assert_eq!(of(b"RGB3"), ("rgb24".to_owned(), true));
        assert_eq!(of(b"H264"), ("H264".to_owned(), false));
        for served in Served::all() {
            assert_eq!(served.option().parse(), Ok(served));
        }
    }

    #[test]
    fn the_list_of_this_machine_does_not_panic() {
        let _ = list();
    }
}

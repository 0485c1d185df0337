//! A camera's controls, asked of its driver: those of whole numbers, switches, menus, buttons and bit
//! masks. Texts, 64-bit numbers and compounds are left out.
//!
//! Asked here and not by `v4l`, whose `query_controls` panics on types that it does not know and on
//! menus whose step is 0.
//!
//! Not here: which value a control takes (`worker::control`), and when it is set (`line`).

mod sys;

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use nix::errno::Errno;
use v4l::Device;
use v4l::device::Handle;
use v4l::v4l_sys::v4l2_queryctrl;
use worker::control::{Control, Item, Kind, name_of};

use super::probe::text;
use crate::source::Controls;

/// More than any driver has, should one not come to an end.
const MOST: usize = 512;
/// Entries of a menu that are asked for.
const MOST_ITEMS: i64 = 256;

// V4L2_CTRL_TYPE_* (linux/videodev2.h, enum v4l2_ctrl_type).
const INTEGER: u32 = 1;
const BOOLEAN: u32 = 2;
const MENU: u32 = 3;
const BUTTON: u32 = 4;
const BITMASK: u32 = 8;
const INTEGER_MENU: u32 = 9;

// V4L2_CTRL_FLAG_* (linux/videodev2.h).
const DISABLED: u32 = 0x1;
const GRABBED: u32 = 0x2;
const READ_ONLY: u32 = 0x4;
const INACTIVE: u32 = 0x10;
const WRITE_ONLY: u32 = 0x40;

/// Those of an open camera.
pub(super) struct CameraControls {
    handle: Arc<Handle>,
    /// The driver's numbers of those that were listed last.
    listed: Vec<(String, Kind, u32)>,
}

impl CameraControls {
    /// Of that device, which stays open for it.
    pub(super) fn new(device: &Device) -> CameraControls {
        CameraControls {
            handle: device.handle(),
            listed: Vec::new(),
        }
    }

    /// What the driver says of each of its controls.
    fn queried(&self) -> Vec<v4l2_queryctrl> {
        let mut all = Vec::new();
        let mut last = 0;
        while let Ok(found) = sys::next_control(&self.handle, last)
            && found.id > last
            && all.len() < MOST
        {
            last = found.id;
            all.push(found);
        }
        all
    }

    fn control(&self, query: &v4l2_queryctrl) -> Option<Control> {
        let kind = kind(query)?;
        let label = text(&query.name);
        let value = match query.flags & WRITE_ONLY == 0 && kind != Kind::Button {
            true => sys::get(&self.handle, query.id).unwrap_or(query.default_value),
            false => query.default_value,
        };
        let mask = |value: i32| match kind {
            // Its highest bit is no sign.
            Kind::Bitmask => i64::from(value as u32),
            _ => i64::from(value),
        };
        let flag = |flag| query.flags & flag != 0;
        Some(Control {
            name: name_of(&label),
            label,
            id: query.id,
            kind,
            min: mask(query.minimum),
            max: mask(query.maximum),
            step: query.step.into(),
            default: mask(query.default_value),
            value: mask(value),
            items: match kind {
                Kind::Menu => self.items(query),
                _ => Vec::new(),
            },
            read_only: flag(READ_ONLY),
            inactive: flag(INACTIVE),
            grabbed: flag(GRABBED),
        })
    }

    /// A menu's entries: a driver may leave indices out.
    fn items(&self, query: &v4l2_queryctrl) -> Vec<Item> {
        let first = i64::from(query.minimum).max(0);
        let last = i64::from(query.maximum).min(first + MOST_ITEMS - 1);
        let item = |index: i64| {
            let entry = sys::menu_entry(&self.handle, query.id, u32::try_from(index).ok()?).ok()?;
            let label = match query.type_ {
                INTEGER_MENU => entry.as_number().to_string(),
                _ => text(&entry.as_name()),
            };
            Some(Item {
                value: index,
                label,
            })
        };
        (first..=last).filter_map(item).collect()
    }
}

impl Controls for CameraControls {
    fn list(&mut self) -> Vec<Control> {
        let mut names = HashSet::new();
        let mut all = Vec::new();
        self.listed.clear();
        for query in self.queried() {
            let Some(control) = self.control(&query) else {
                continue;
            };
            // Of two with one name the second cannot be named.
            if !control.name.is_empty() && names.insert(control.name.clone()) {
                let listed = (control.name.clone(), control.kind, query.id);
                self.listed.push(listed);
                all.push(control);
            }
        }
        all
    }

    fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
        let of_name = self.listed.iter().find(|listed| listed.0 == name);
        let Some(&(_, kind, id)) = of_name else {
            return Err(format!("the camera has no control {name} any more"));
        };
        // A bit mask's highest bit is no sign.
        let word = match u32::try_from(value) {
            Ok(bits) if kind == Kind::Bitmask => bits as i32,
            _ => i32::try_from(value).map_err(|_| format!("{name} cannot be {value}"))?,
        };
        sys::set(&self.handle, id, word).map_err(|e| sentence(name, value, &e))
    }
}

/// None: it is none of those served here.
fn kind(query: &v4l2_queryctrl) -> Option<Kind> {
    if query.flags & DISABLED != 0 {
        return None;
    }
    match query.type_ {
        INTEGER => Some(Kind::Integer),
        BOOLEAN => Some(Kind::Boolean),
        MENU | INTEGER_MENU => Some(Kind::Menu),
        BUTTON => Some(Kind::Button),
        BITMASK => Some(Kind::Bitmask),
        _ => None,
    }
}

fn sentence(name: &str, value: i64, error: &io::Error) -> String {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::EBUSY => format!("{name} cannot be set while the camera streams"),
        Errno::EACCES => format!("{name} can be read and not set at the moment"),
        Errno::ERANGE => format!("{name}: the camera does not take {value}"),
        Errno::EIO | Errno::EPIPE | Errno::EPROTO => {
            format!("{name}: the camera refused {value}; is it automatic at the moment? ({error})")
        }
        _ => format!("{name} could not be set to {value}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_sentence_that_names_the_control() {
        for (errno, said) in [
            (Errno::EBUSY, "while the camera streams"),
            (Errno::EACCES, "not set"),
            (Errno::ERANGE, "does not take 7"),
            (Errno::EIO, "automatic"),
            (Errno::ENODEV, "could not be set to 7"),
        ] {
            let sentence = sentence("gain", 7, &io::Error::from(errno));
            assert!(
                sentence.contains("gain") && sentence.contains(said),
                "{sentence}"
            );
        }
    }

    #[test]
    fn what_is_no_camera_has_no_controls() {
        let device = super::super::sys::open(std::path::Path::new("/dev/null")).unwrap();
        let mut controls = CameraControls::new(&device);
        assert_eq!(controls.list(), []);
        assert!(controls.set("gain", 1).is_err());
    }
}

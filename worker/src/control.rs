//! A source's controls (brightness, exposure, …): what they are called, which values they take, and
//! what to set them to.
//!
//! Not here: a device (`capture`), and who may set them (`sender`, `supervisor`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most settings of one request.
pub const MOST_SETTINGS: usize = 32;
/// The most characters of a control's name: V4L2 has 31.
pub const MAX_NAME: usize = 64;

/// What a control is, as its source says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// As `v4l2-ctl` prints it: [`name_of`] its label.
    pub name: String,
    /// As the driver has it, for people.
    pub label: String,
    /// The driver's number of it (`V4L2_CID_*`, linux/v4l2-controls.h).
    pub id: u32,
    /// Which values it takes.
    pub kind: Kind,
    /// The least value; of a menu the first entry's index.
    pub min: i64,
    /// The greatest; of a bit mask all bits that there are.
    pub max: i64,
    /// From one value to the next.
    pub step: i64,
    /// What it is without anybody setting it.
    pub default: i64,
    /// What it is now.
    pub value: i64,
    /// A menu's entries; not every index between the least and the greatest needs to have one.
    pub items: Vec<Item>,
    /// It can be looked at alone.
    pub read_only: bool,
    /// Without effect at the moment, such as the exposure while that is automatic.
    pub inactive: bool,
    /// Held by a program, such as the one that streams.
    pub grabbed: bool,
}

/// Which values a control takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Every step from the least to the greatest.
    Integer,
    /// 0 and 1.
    Boolean,
    /// Those of its entries.
    Menu,
    /// Does something when set, whatever to.
    Button,
    /// Any of the bits of its greatest value.
    Bitmask,
}

/// As in a status and on a terminal: `integer`, `boolean`, `menu`, `button`, `bitmask`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::Menu => "menu",
            Kind::Button => "button",
            Kind::Bitmask => "bitmask",
        })
    }
}

/// A menu's entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The value that chooses it.
    pub value: i64,
    /// What it is, for people.
    pub label: String,
}

/// What to set a control to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The control's name.
    pub name: String,
    /// Its value; of a menu an entry's.
    pub value: i64,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Setting, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?}: write NAME=VALUE, as brightness=128"))?;
        Setting::new(name, value)
    }
}

impl Setting {
    /// From the words that somebody wrote.
    ///
    /// # Errors
    /// A sentence, where they can be neither a name nor a number.
    pub fn new(name: &str, value: &str) -> Result<Setting, String> {
        if !is_name(name) {
            return Err(format!(
                "{name:?} is no control's name: write it as v4l2-ctl prints it, as brightness"
            ));
        }
        let value = value
            .parse()
            .map_err(|_| format!("{name}: {value:?} is no whole number"))?;
        Ok(Setting {
            name: name.to_owned(),
            value,
        })
    }
}

impl Control {
    /// Whether it takes that value.
    ///
    /// # Errors
    /// A sentence that names those which it takes.
    pub fn check(&self, value: i64) -> Result<(), String> {
        let Control {
            name,
            min,
            max,
            step,
            ..
        } = self;
        if self.read_only {
            return Err(format!("{name} can be read and not set"));
        }
        let within = (*min..=*max).contains(&value);
        match self.kind {
            Kind::Button => Ok(()),
            Kind::Menu if self.items.iter().any(|item| item.value == value) => Ok(()),
            Kind::Menu => {
                let items = self.items.iter();
                let items: Vec<_> = items
                    .map(|i| format!("{} ({})", i.value, i.label))
                    .collect();
                Err(format!("{name} takes {}, not {value}", items.join(", ")))
            }
            Kind::Bitmask if value & !max == 0 => Ok(()),
            Kind::Bitmask => Err(format!("{name} takes the bits of {max:#x}, not {value}")),
            Kind::Boolean | Kind::Integer if !within => {
                Err(format!("{name} takes {min} to {max}, not {value}"))
            }
            // Within its range the difference may be more than an i64 holds, not than an i128.
            Kind::Integer
                if *step > 1 && (i128::from(value) - i128::from(*min)) % i128::from(*step) != 0 =>
            {
                Err(format!(
                    "{name} takes {min} to {max} in steps of {step}, not {value}"
                ))
            }
            Kind::Boolean | Kind::Integer => Ok(()),
        }
    }
}

/// Whether a control can be called that.
pub fn is_name(name: &str) -> bool {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(fits)
}

/// Those of the settings that last: a button does something once and has no value.
pub fn lasting(controls: &[Control], settings: &[Setting]) -> Vec<Setting> {
    let is_button = |name: &str| {
        let of_name = controls.iter().find(|control| control.name == name);
        of_name.is_some_and(|control| control.kind == Kind::Button)
    };
    let mut lasting = settings.to_vec();
    lasting.retain(|setting| !is_button(&setting.name));
    lasting
}

/// Whether the source has that control and the control takes that value.
///
/// # Errors
/// A sentence.
pub fn check(controls: &[Control], setting: &Setting) -> Result<(), String> {
    match controls.iter().find(|control| control.name == setting.name) {
        Some(control) => control.check(setting.value),
        None if controls.is_empty() => {
            Err(format!("{}: this source has no controls", setting.name))
        }
        None => {
            let names: Vec<_> = controls
                .iter()
                .map(|control| control.name.as_str())
                .collect();
            Err(format!(
                "there is no control {}; there are: {}",
                setting.name,
                names.join(", ")
            ))
        }
    }
}

/// Adds what was set to what is to be set: of each control the latest, in the order of setting.
pub fn remember(settings: &mut Vec<Setting>, set: &[Setting]) {
    for setting in set {
        settings.retain(|earlier| earlier.name != setting.name);
        settings.push(setting.clone());
    }
}

/// The name of a control as `v4l2-ctl` makes it of the driver's (its `name2var`): lower case, and
/// whatever is neither letter nor digit as one `_`, at neither end.
pub fn name_of(label: &str) -> String {
    let mut name = String::new();
    let mut gap = false;
    for c in label.chars() {
        if c.is_ascii_alphanumeric() {
            if gap {
                name.push('_');
            }
            gap = false;
            name.push(c.to_ascii_lowercase());
        } else {
            gap = !name.is_empty();
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(kind: Kind, min: i64, max: i64, step: i64) -> Control {
        Control {
            name: "it".into(),
            label: "It".into(),
            id: 1,
            kind,
            min,
            max,
            step,
            default: min,
            value: min,
            items: vec![],
            read_only: false,
            inactive: false,
            grabbed: false,
        }
    }

    #[test]
    fn out_of_range_names_the_range() {
        let integer = control(Kind::Integer, -64, 64, 1);
        for fine in [-64, 0, 64] {
            assert_eq!(integer.check(fine), Ok(()));
        }
        for bad in [-65, 65, i64::MIN, i64::MAX] {
            assert_eq!(
                integer.check(bad),
                Err(format!("it takes -64 to 64, not {bad}"))
            );
        }
        let stepped = control(Kind::Integer, 1, 9, 4);
        assert_eq!(
            [1, 5, 9, 4].map(|v| stepped.check(v).is_ok()),
            [true, true, true, false]
        );
        assert!(stepped.check(4).unwrap_err().contains("in steps of 4"));
        let whole = control(Kind::Integer, i64::MIN, i64::MAX, 7);
        assert!(whole.check(i64::MIN).is_ok());
        let _ = whole.check(i64::MAX);
        let boolean = control(Kind::Boolean, 0, 1, 1);
        assert_eq!(
            [0, 1, 2].map(|v| boolean.check(v).is_ok()),
            [true, true, false]
        );
        let mask = control(Kind::Bitmask, 0, 0b101, 0);
        assert_eq!(
            [0, 0b100, 0b101, 0b10, -1].map(|v| mask.check(v).is_ok()),
            [true, true, true, false, false]
        );
        assert_eq!(control(Kind::Button, 0, 0, 0).check(1), Ok(()));
    }

    #[test]
    fn a_menu_takes_its_entries_and_says_them() {
        let item = |value, label: &str| Item {
            value,
            label: label.into(),
        };
        let menu = Control {
            items: vec![item(1, "Manual"), item(3, "Aperture")],
            ..control(Kind::Menu, 0, 3, 1)
        };
        assert_eq!(
            [0, 1, 2, 3].map(|v| menu.check(v).is_ok()),
            [false, true, false, true]
        );
        assert_eq!(
            menu.check(0).unwrap_err(),
            "it takes 1 (Manual), 3 (Aperture), not 0"
        );
        let fixed = Control {
            read_only: true,
            ..menu
        };
        assert!(fixed.check(1).unwrap_err().contains("not set"));
    }

    #[test]
    fn an_unknown_one_is_told_which_there_are() {
        let has = [control(Kind::Integer, 0, 9, 1)];
        let setting = |text: &str| text.parse::<Setting>().unwrap();
        assert_eq!(check(&has, &setting("it=9")), Ok(()));
        assert!(
            check(&has, &setting("other=9"))
                .unwrap_err()
                .ends_with("there are: it")
        );
        assert!(
            check(&[], &setting("it=9"))
                .unwrap_err()
                .contains("no controls")
        );
    }

    #[test]
    fn all_but_buttons_last() {
        let has = [control(Kind::Button, 0, 0, 0)];
        let settings = ["it=1", "other=1"].map(|text| text.parse().unwrap());
        assert_eq!(lasting(&has, &settings), settings[1..]);
    }

    #[test]
    fn the_latest_of_each_is_remembered() {
        let parse = |texts: &[&str]| -> Vec<Setting> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let mut settings = parse(&["auto=1", "gain=5"]);
        remember(&mut settings, &parse(&["gain=6", "auto=0", "gain=7"]));
        assert_eq!(settings, parse(&["auto=0", "gain=7"]));
    }

    #[test]
    fn names_are_those_of_v4l2_ctl() {
        for (label, name) in [
            ("Brightness", "brightness"),
            ("White Balance, Automatic", "white_balance_automatic"),
            ("Exposure Time, Absolute", "exposure_time_absolute"),
            ("  LED1 (Mode) ", "led1_mode"),
            ("\u{e9}\u{e9}", ""),
        ] {
            assert_eq!(name_of(label), name);
        }
    }

    #[test]
    fn settings_as_people_write_them() {
        assert_eq!(
            "pan_absolute=-3600".parse(),
            Ok(Setting {
                name: "pan_absolute".into(),
                value: -3600
            })
        );
        for bad in [
            "brightness",
            "=1",
            "Brightness=1",
            "a b=1",
            "a=",
            "a=x",
            "a=1.5",
            "a=99999999999999999999",
        ] {
            assert!(bad.parse::<Setting>().is_err(), "{bad}");
        }
    }
}

//! What is wrong where there is no picture, in the words of a placeholder's title.
//!
//! The ring knows of no cameras: it carries a signal and a sentence. So the title goes before the
//! sentence, `NO CAMERA: /dev/video0 is gone …`, and is taken off again by who shows it.
//!
//! Not here: finding it out (`capture`), and drawing it (`sender`).

use std::fmt;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// The camera is not there.
    NoCamera,
    /// Nothing comes from it: silence, or no cable behind an HDMI grabber. Also whatever is wrong with
    /// other sources.
    #[default]
    NoSignal,
    /// Somebody else has it; the pid, where it can be seen.
    Busy(Option<u32>),
    /// The device or its driver fails, or may not be used.
    Device,
}

/// The title.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NoCamera => f.write_str("NO CAMERA"),
            Fault::NoSignal => f.write_str("NO SIGNAL"),
            Fault::Busy(None) => f.write_str("CAMERA BUSY"),
            Fault::Busy(Some(pid)) => write!(f, "CAMERA BUSY (pid {pid})"),
            Fault::Device => f.write_str("DEVICE ERROR"),
        }
    }
}

impl Fault {
    /// The ring's reason: the title and the sentence. [`Fault::NoSignal`], which is what a signal of that
    /// name means anyway, goes without.
    #[must_use]
    pub fn reason(self, why: &str) -> String {
        match self {
            Fault::NoSignal => why.to_owned(),
            fault => format!("{fault}: {why}"),
        }
    }

    /// Fault and sentence of a ring's reason, whoever wrote it.
    #[must_use]
    pub fn of(reason: &str) -> (Fault, &str) {
        let plain = (Fault::NoSignal, reason);
        let Some((title, why)) = reason.split_once(": ") else {
            return plain;
        };
        let pid = || {
            let pid = title.strip_prefix("CAMERA BUSY (pid ")?.strip_suffix(')')?;
            pid.parse().ok()
        };
        match title {
            "NO CAMERA" => (Fault::NoCamera, why),
            "CAMERA BUSY" => (Fault::Busy(None), why),
            "DEVICE ERROR" => (Fault::Device, why),
            _ => pid().map_or(plain, |pid| (Fault::Busy(Some(pid)), why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_back_from_its_reason() {
        for fault in [
            Fault::NoCamera,
            Fault::NoSignal,
            Fault::Busy(None),
            Fault::Busy(Some(71)),
            Fault::Device,
        ] {
            let reason = fault.reason("/dev/video0 is gone: plug it in");
            assert_eq!(
                Fault::of(&reason),
                (fault, "/dev/video0 is gone: plug it in")
            );
        }
    }

    #[test]
    fn any_other_text_is_a_sentence() {
        for reason in [
            "",
            "busy",
            "a.mjpeg: gone",
            "CAMERA BUSY (pid x): y",
            "NO CAMERA",
        ] {
            assert_eq!(Fault::of(reason), (Fault::NoSignal, reason));
        }
    }
}

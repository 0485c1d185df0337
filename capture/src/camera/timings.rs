//! Inputs that follow what comes in: an HDMI grabber's digital video timings.
//!
//! Such a device gives pictures only in the timings that it was told to expect. They are asked for and set
//! whenever it is opened; when the source changes them, the device says so (an event), and it is
//! opened anew.
//!
//! Not here: cameras, which have no timings, and the waiting for events (`stream`).

mod sys;

use std::io;

use nix::errno::Errno;
use v4l::Device;

use super::sys::current_input;
use sys::DvTimings;

/// V4L2_IN_CAP_DV_TIMINGS.
const DIGITAL: u32 = 2;

/// What comes in.
#[derive(Clone, Copy)]
pub(super) struct Incoming(DvTimings);

impl Incoming {
    /// Pixels: width, height.
    pub(super) fn size(&self) -> (u32, u32) {
        (self.0.width, self.0.height)
    }

    /// Frames a second, 0 where the timings make no sense.
    pub(super) fn fps(&self) -> f64 {
        let DvTimings {
            width,
            height,
            interlaced,
            pixelclock,
            horizontal,
            vertical,
            second,
            ..
        } = self.0;
        let sum = |porches: [u32; 3]| porches.iter().map(|&n| u64::from(n)).sum::<u64>();
        let columns = u64::from(width) + sum(horizontal);
        let field = if interlaced == 0 { 0 } else { sum(second) };
        let lines = u64::from(height) + sum(vertical) + field;
        let pixels = columns.saturating_mul(lines);
        if pixels == 0 {
            return 0.0;
        }
        pixelclock as f64 / pixels as f64
    }

    /// Whether something else comes in now.
    pub(super) fn has_changed(&self, device: &Device) -> bool {
        sys::query_timings(device).map_or(true, |now| !self.is_like(Incoming(now)))
    }

    /// Whether pictures come in the same size and rate. A measured clock is never twice the same.
    fn is_like(&self, other: Incoming) -> bool {
        let apart = (self.fps() - other.fps()).abs();
        self.size() == other.size()
            && self.0.interlaced == other.0.interlaced
            && apart <= 0.01 * self.fps()
    }
}

/// Asks what comes in, makes the device expect it, and tell of changes. Nothing for an input without timings.
///
/// # Errors
/// ENOLINK: nothing comes in. ENOLCK, ERANGE: nothing that the device can take. EBUSY: somebody streams.
pub(super) fn follow(device: &Device) -> io::Result<Option<Incoming>> {
    let Ok(input) = current_input(device) else {
        return Ok(None);
    };
    if input.capabilities & DIGITAL == 0 {
        return Ok(None);
    }
    // First, so that no change falls between.
    let _ = sys::subscribe_to_changes(device, input.index);
    let timings = match sys::query_timings(device) {
        // Cannot be asked: what is set is all that is known.
        Err(e) if is_unknown(&e) => return Ok(sys::timings(device).ok().map(Incoming)),
        timings => timings?,
    };
    // To set what is set is refused by some drivers while another program streams.
    if sys::timings(device).ok() != Some(timings) {
        sys::set_timings(device, timings)?;
    }
    Ok(Some(Incoming(timings)))
}

/// Takes all events; whether the source has changed.
pub(super) fn changed(device: &Device) -> bool {
    let mut changed = false;
    // As many as a queue may hold, lest one that never ends is followed for ever.
    for _ in 0..64 {
        match sys::next_change(device) {
            Ok(change) => changed |= change,
            Err(_) => break,
        }
    }
    changed
}

/// What it means where nothing that can be shown comes in.
pub(super) fn nothing(error: &io::Error) -> Option<&'static str> {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::ENOLINK => Some("no HDMI signal: switch its source on, or check the cable"),
        Errno::ENOLCK => Some("an HDMI signal that is not steady: check the cable"),
        Errno::ERANGE => {
            Some("an HDMI signal that the device cannot take: set its source to another size")
        }
        _ => None,
    }
}

fn is_unknown(error: &io::Error) -> bool {
    matches!(
        Errno::from_raw(error.raw_os_error().unwrap_or(0)),
        Errno::ENOTTY | Errno::ENODATA | Errno::EINVAL
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_in_or_not_is_no_signal() {
        for (errno, said) in [
            (Errno::ENOLINK, Some("no HDMI signal")),
            (Errno::ENOLCK, Some("not steady")),
            (Errno::ERANGE, Some("cannot take")),
            (Errno::EBUSY, None),
        ] {
            let why = nothing(&errno.into());
            assert_eq!(why.is_some(), said.is_some());
            assert!(why.unwrap_or("").contains(said.unwrap_or("")));
        }
    }

    #[test]
    fn the_rate_is_the_clock_over_all_pixels() {
        // CTA-861 1920x1080p60: 2200 x 1125 at 148.5 MHz.
        let timings = DvTimings::of((1920, 1080), 148_500_000, [88, 44, 148], [4, 5, 36]);
        assert_eq!(Incoming(timings).size(), (1920, 1080));
        let at = |size, clock| Incoming(DvTimings::of(size, clock, [88, 44, 148], [4, 5, 36]));
        let incoming = Incoming(timings);
        assert!(incoming.is_like(at((1920, 1080), 148_352_000)), "59.94");
        assert!(!incoming.is_like(at((1920, 1080), 74_250_000)), "30");
        assert!(!incoming.is_like(at((1280, 720), 148_500_000)));
        assert!((Incoming(timings).fps() - 60.0).abs() < 1e-9);
        assert_eq!(
            Incoming(DvTimings::of((0, 0), 1, [0; 3], [0; 3])).fps(),
            0.0
        );
    }
}

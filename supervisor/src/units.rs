//! Sizes, bytes and seconds as people write and read them.

use std::time::Duration;

use broker::Retention;
use worker::timeshift::SPEEDS;

/// `WxH`, pixels.
///
/// # Errors
/// A sentence.
pub fn size(text: &str) -> Result<(u32, u32), String> {
    let parsed = text
        .split_once(['x', 'X'])
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    parsed.ok_or_else(|| format!("{text:?} is no size: write it as 1280x720"))
}

/// Bytes, with k, M or G for powers of 1024.
///
/// # Errors
/// A sentence.
pub fn bytes(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(1 << shift))
        .ok_or_else(|| format!("{text:?} is no number of bytes: write it as 16M"))
}

/// `--publish-history`: how long, with s, m, h or d, and how many bytes, as `1h,12G`.
///
/// # Errors
/// A sentence.
pub fn retention(text: &str) -> Result<Retention, String> {
    let (age, size) = text.split_once(',').unwrap_or((text, ""));
    let number = age.get(..age.len().saturating_sub(1)).unwrap_or_default();
    let unit = match age.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        Some(b'd') => 86_400,
        _ => 0,
    };
    let seconds = number.parse().ok().and_then(|n: u64| n.checked_mul(unit));
    match (seconds, bytes(size)) {
        (Some(seconds), Ok(bytes)) if unit > 0 => {
            Retention::new(Duration::from_secs(seconds), bytes)
        }
        _ => Err(format!("{text:?} is no age and size: write them as 1h,12G")),
    }
}

/// `--speed` of a replay: captured seconds for each second.
///
/// # Errors
/// A sentence.
pub fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| SPEEDS.contains(speed));
    let (least, most) = (SPEEDS.start(), SPEEDS.end());
    speed.ok_or_else(|| format!("{text:?} is no speed: give a number from {least} to {most}"))
}

/// Seconds, more than 0 and at most a day, with decimals.
///
/// # Errors
/// A sentence.
pub fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .filter(|&s| s > 0.0 && s <= 86_400.0)
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("{text:?} is no time: write seconds as 3 or 0.5"))
}

/// `--stall`: seconds, at least 1, or a worker in good health might be called hung.
///
/// # Errors
/// A sentence.
pub fn stall(text: &str) -> Result<Duration, String> {
    let stall = seconds(text)?;
    if stall < Duration::from_secs(1) {
        return Err(
            "a capture process shows life four times a second: allow it 1 s or more".into(),
        );
    }
    Ok(stall)
}

/// `--format`; nothing for `auto`.
///
/// # Errors
/// A sentence.
pub fn format(text: &str) -> Result<Option<capture::formats::Served>, String> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    text.parse().map(Some)
}

/// `--on-demand`: seconds, at least 1, or a page that reconnects would switch the camera off.
///
/// # Errors
/// A sentence.
pub fn on_demand(text: &str) -> Result<Duration, String> {
    let patience = seconds(text)?;
    if patience < Duration::from_secs(1) {
        return Err("a page that is loaded anew is gone for a moment: use 1 or more".into());
    }
    Ok(patience)
}

/// Bytes for a person: three digits or so.
pub fn show_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1000.0 {
            let digits = usize::from(unit != "B" && value < 10.0);
            return format!("{value:.digits$} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// Seconds for a person: the two largest units.
pub fn show_seconds(seconds: f64) -> String {
    let s = seconds as u64;
    match (s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, _, _) => format!("{d} d {h} h"),
    }
}

/// A host's name, in lower case.
///
/// # Errors
/// A sentence where it is none.
pub fn host(text: &str) -> Result<String, String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let name = text.to_ascii_lowercase();
    match !name.is_empty() && name.bytes().all(is_part) {
        true => Ok(name),
        false => Err("give a host's name alone, as cam.example.org".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write_them() {
        assert_eq!(size("640x480"), Ok((640, 480)));
        assert_eq!(bytes("16M"), Ok(16 << 20));
        assert_eq!(bytes("999G"), Ok(999 << 30));
        assert_eq!(bytes("70000"), Ok(70_000));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(stall("1"), Ok(Duration::from_secs(1)));
        assert!(stall("0.9").is_err());
        let hour = Retention::new(Duration::from_secs(3600), 12 << 30);
        for same in ["1h,12G", "60m,12G", "3600s,12288M"] {
            assert_eq!(retention(same), hour, "{same}");
        }
        for bad in [
            "", ",", "1h", "12G", "1h,", ",12G", "1,12G", "h,12G", "1w,12G", "-1h,12G", "é,1G",
            "1h,1k", "0s,12G",
        ] {
            assert!(retention(bad).is_err(), "{bad}");
        }
        assert_eq!((speed("0.1"), speed("16")), (Ok(0.1), Ok(16.0)));
        for bad in ["", "0", "17", "nan", "x2"] {
            assert!(speed(bad).is_err(), "{bad}");
        }
        for bad in ["", "x", "1280", "1x", "-1x2", "1x2x3"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        for bad in [
            "",
            "M",
            "-1",
            "1T",
            "99999999999999999999",
            "99999999999999G",
        ] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        for bad in ["", "0", "-1", "nan", "inf", "1e9"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn as_people_read_them() {
        assert_eq!(show_bytes(5), "5 B");
        assert_eq!(show_bytes(16 << 20), "16 MiB");
        assert_eq!(show_bytes(1_500_000), "1.4 MiB");
        assert_eq!(show_seconds(59.9), "59 s");
        assert_eq!(show_seconds(61.0), "1 min 1 s");
        assert_eq!(show_seconds(3600.0 * 25.0), "1 d 1 h");
    }
}

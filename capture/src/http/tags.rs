//! What the headers of a picture say of it: when it was taken, and its number.
//!
//! Not here: where headers come from.

use crate::stamp;

/// What is known of one picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tags {
    /// `X-Timestamp`, Unix time in nanoseconds, as it was said.
    pub stamp: Option<u64>,
    /// `X-Seqcast-Frame`: another seqcast's number of it.
    pub number: Option<u64>,
    /// `X-Seqcast-Asked`: how many before it were not asked for (`?fps=`).
    pub asked: u64,
    /// `X-Seqcast-Signal`: another seqcast's placeholder.
    pub is_placeholder: bool,
}

impl Tags {
    /// Takes note of a header, whatever its name's case.
    pub(super) fn header(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"X-Timestamp") {
            self.stamp = nanoseconds(value);
        } else if name.eq_ignore_ascii_case(b"X-Seqcast-Frame") {
            self.number = decimal(value);
        } else if name.eq_ignore_ascii_case(b"X-Seqcast-Asked") {
            self.asked = decimal(value).unwrap_or(0);
        } else if name.eq_ignore_ascii_case(b"X-Seqcast-Signal") {
            self.is_placeholder = true;
        }
    }

    /// Unix time of capture, nanoseconds, as far as it is believed.
    pub(super) fn captured_ns(&self, now: u64) -> u64 {
        stamp::captured_ns(self.stamp, now)
    }

    /// How many pictures are missing between the one numbered `last` and this one.
    pub(super) fn missed_since(&self, last: Option<u64>) -> u64 {
        stamp::missed(last, self.number).saturating_sub(self.asked)
    }
}

/// `seconds.fraction` in nanoseconds.
fn nanoseconds(text: &[u8]) -> Option<u64> {
    let dot = text.iter().position(|&b| b == b'.');
    let (seconds, fraction) = match dot {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b"0"[..]),
    };
    let digits = &fraction[..fraction.len().min(9)];
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let fraction = decimal(digits)? * 10u64.pow(9 - digits.len() as u32);
    let seconds = decimal(seconds)?.checked_mul(1_000_000_000)?;
    seconds.checked_add(fraction)
}

/// Digits and nothing else.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::OLDEST;

    const NOW: u64 = 1_800_000_000_000_000_000;

    fn tags(headers: &[(&str, &str)]) -> Tags {
        let mut tags = Tags::default();
        for (name, value) in headers {
            tags.header(name.as_bytes(), value.as_bytes());
        }
        tags
    }

    #[test]
    fn a_stamp_is_seconds_and_a_fraction() {
        for (text, wanted) in [
            ("1800000000.000001", Some(NOW + 1_000)),
            ("1800000000.5", Some(NOW + 500_000_000)),
            ("1800000000", Some(NOW)),
            ("1800000000.1234567891", Some(NOW + 123_456_789)),
            ("1800000000.", None),
            (".5", None),
            ("-1.5", None),
            ("1e9", None),
            ("1.5x", None),
            ("", None),
            ("99999999999999999999", None),
            ("18446744073.999999999", None),
        ] {
            assert_eq!(tags(&[("x-timestamp", text)]).stamp, wanted, "{text}");
        }
    }

    #[test]
    fn only_a_plausible_stamp_is_believed() {
        let captured = |stamp| {
            let tags = Tags {
                stamp,
                ..Tags::default()
            };
            tags.captured_ns(NOW)
        };
        assert_eq!(captured(Some(NOW - 40_000_000)), NOW - 40_000_000);
        assert_eq!(captured(Some(NOW - OLDEST)), NOW - OLDEST);
        for odd in [
            None,
            Some(0),
            Some(NOW - OLDEST - 1),
            Some(NOW + 1),
            Some(u64::MAX),
        ] {
            assert_eq!(captured(odd), NOW, "{odd:?}");
        }
    }

    #[test]
    fn a_gap_is_counted_and_a_new_count_is_not() {
        let missed = |last, number: &str| tags(&[("X-Seqcast-Frame", number)]).missed_since(last);
        assert_eq!(missed(Some(7), "8"), 0);
        assert_eq!(missed(Some(7), "11"), 3);
        assert_eq!(missed(None, "11"), 0);
        assert_eq!(missed(Some(7), "7"), 0);
        assert_eq!(missed(Some(7), "1"), 0);
        assert_eq!(missed(Some(7), "18446744073709551615"), 0);
        assert_eq!(missed(Some(7), "x"), 0);
    }

    #[test]
    fn what_was_not_asked_for_is_not_missing() {
        let tags = tags(&[("X-Seqcast-Frame", "20"), ("X-Seqcast-Asked", "10")]);
        assert_eq!(tags.missed_since(Some(7)), 2);
        assert_eq!(tags.missed_since(Some(15)), 0);
    }

    #[test]
    fn a_placeholder_says_so() {
        assert!(tags(&[("x-seqcast-signal", "none")]).is_placeholder);
        assert!(!tags(&[("X-Seqcast-Frame", "3")]).is_placeholder);
    }
}

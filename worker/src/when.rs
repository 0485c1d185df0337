//! A moment as a request names it (`from=`, `to=`, `at=`): relative, by a frame, or by the clock.
//! And the clock's time as text, for the names of files.
//!
//! Not here: which frame that is ([`shm_ring::Reader::locate`]), and what to do where it is gone.

use std::fmt;
use std::str::FromStr;

use shm_ring::Offset;

const SECOND: u64 = 1_000_000_000;

/// A moment: a frame, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// `first`: the oldest frame that is held.
    First,
    /// `last` or `now`: the newest frame there is.
    Last,
    /// `next`: the frame that comes next.
    Next,
    /// `1234`: the frame of this id.
    Id(u64),
    /// `-5s`, `-500ms`, `-2m`, `-1.5h`: so many nanoseconds before now.
    Ago(u64),
    /// `@1763859723.5` or `2025-11-23T01:02:03.5Z`: this Unix time, nanoseconds.
    At(u64),
}

/// It is none of [`When`]'s forms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no moment: use -5s, -500ms, -2m, -1h, first, last, now, next, a frame's number, \
     @ and Unix seconds, or 2026-11-23T01:02:03Z."
)]
pub struct NotAMoment {
    /// What it is, at most 40 characters of it.
    pub text: String,
}

impl When {
    /// Where in a ring that is. A time is looked for among the times of publication.
    pub fn offset(self, now_unix_ns: u64) -> Offset {
        match self {
            When::First => Offset::First,
            When::Last => Offset::Last,
            When::Next => Offset::Next,
            When::Id(id) => Offset::Id(id),
            When::Ago(ns) => Offset::Time(now_unix_ns.saturating_sub(ns)),
            When::At(ns) => Offset::Time(ns),
        }
    }
}

impl FromStr for When {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        parse(text).ok_or_else(|| NotAMoment {
            text: text.chars().take(40).collect(),
        })
    }
}

fn parse(text: &str) -> Option<When> {
    match text {
        "first" => return Some(When::First),
        "last" | "now" => return Some(When::Last),
        "next" => return Some(When::Next),
        _ => {}
    }
    if let Some(span) = text.strip_prefix('-') {
        let end = span.find(|c: char| c.is_ascii_alphabetic())?;
        let unit = match &span[end..] {
            "ms" => SECOND / 1000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3600 * SECOND,
            _ => return None,
        };
        return Some(When::Ago(decimal(&span[..end], unit)?));
    }
    if let Some(seconds) = text.strip_prefix('@') {
        return Some(When::At(decimal(seconds, SECOND)?));
    }
    match text.contains(['T', 't', ':']) {
        true => rfc3339(text).map(When::At),
        false => whole(text).map(When::Id),
    }
}

/// A decimal number of units, each of so many nanoseconds; rounded down, and too many are the most
/// there are.
fn decimal(text: &str, unit: u64) -> Option<u64> {
    let (whole_part, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((whole_part, fraction)) => (whole_part, fraction),
        None => (text, ""),
    };
    let mut ns = u128::from(whole(whole_part)?) * u128::from(unit);
    let mut place = u128::from(unit) * u128::from(SECOND);
    for digit in fraction.chars() {
        place /= 10;
        // Billionths of a nanosecond, so that thirds of an hour add up.
        ns += u128::from(digit.to_digit(10)?) * place / u128::from(SECOND);
    }
    Some(u64::try_from(ns).unwrap_or(u64::MAX))
}

/// Digits alone, and one at least: `parse` takes a plus, too.
fn whole(text: &str) -> Option<u64> {
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().ok(),
        false => None,
    }
}

/// A date-time of RFC 3339 section 5.6, as Unix nanoseconds; before 1970 is 1970. A form turns the
/// offset's plus into a space, so a space is one.
fn rfc3339(text: &str) -> Option<u64> {
    let (date, time) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let zone = time.find(['Z', 'z', '+', ' ', '-'])?;
    let (clock, zone) = time.split_at(zone);
    let (clock, fraction) = clock
        .split_once('.')
        .map_or((clock, None), |(c, f)| (c, Some(f)));
    let [hour, minute, second] = fields(clock, ':', [2, 2, 2])?;
    let is_date = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    // 60: a leap second, which Unix time does not have.
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let ahead = match zone.split_at(1) {
        ("Z" | "z", "") => 0,
        (sign, offset) => {
            let [hours, minutes] = fields(offset, ':', [2, 2])?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            let ahead = hours * 3600 + minutes * 60;
            if sign == "-" { -ahead } else { ahead }
        }
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - ahead;
    let below = match fraction {
        Some(fraction) => decimal(&format!("0.{fraction}"), SECOND)?,
        None => 0,
    };
    match u64::try_from(seconds) {
        Ok(seconds) => Some(seconds.saturating_mul(SECOND).saturating_add(below)),
        Err(_) => Some(0),
    }
}

/// Numbers of so many digits each.
fn fields<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut found = [0; N];
    let mut parts = text.split(between);
    for (field, digits) in found.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *field = whole(part)? as i64;
    }
    parts.next().is_none().then_some(found)
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms",
/// `days_from_civil`): years begin in March, so that a leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A Unix time in seconds as `2026-11-23T01:02:03Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utc(pub u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `days` backwards (`civil_from_days`).
        let days = self.0 / 86_400 + 719_468;
        let of_era = days % 146_097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = (from_march + 2) % 12 + 1;
        let year = days / 146_097 * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute, second) = (self.0 / 3600 % 24, self.0 / 60 % 60, self.0 % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_form() {
        for (text, want) in [
            ("first", When::First),
            ("last", When::Last),
            ("now", When::Last),
            ("next", When::Next),
            ("0", When::Id(0)),
            ("1234", When::Id(1234)),
            ("-5s", When::Ago(5 * SECOND)),
            ("-500ms", When::Ago(SECOND / 2)),
            ("-2m", When::Ago(120 * SECOND)),
            ("-1h", When::Ago(3600 * SECOND)),
            ("-0.25s", When::Ago(SECOND / 4)),
            ("-1.5h", When::Ago(5400 * SECOND)),
            ("-99999999999999h", When::Ago(u64::MAX)),
            ("@0", When::At(0)),
            ("@1763859723.5", When::At(1_763_859_723_500_000_000)),
            ("@1.1234567899", When::At(1_123_456_789)),
            ("1970-01-01T00:00:00Z", When::At(0)),
            ("2000-02-29t12:00:00.25z", When::At(951_825_600_250_000_000)),
            ("2026-11-23T01:02:03Z", When::At(1_795_395_723 * SECOND)),
            (
                "2026-11-23T02:02:03+01:00",
                When::At(1_795_395_723 * SECOND),
            ),
            (
                "2026-11-23T02:02:03 01:00",
                When::At(1_795_395_723 * SECOND),
            ),
            (
                "2026-11-22T19:32:03-05:30",
                When::At(1_795_395_723 * SECOND),
            ),
            ("2026-11-23 01:02:03Z", When::At(1_795_395_723 * SECOND)),
            ("2016-12-31T23:59:60Z", When::At(1_483_228_800 * SECOND)),
            ("1969-12-31T23:59:59Z", When::At(0)),
            ("9999-12-31T23:59:59Z", When::At(u64::MAX)),
        ] {
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
    }

    #[test]
    fn nothing_else() {
        for text in [
            "",
            "-",
            "-5",
            "-s",
            "-.5s",
            "-5.s",
            "-5d",
            "--5s",
            "-+5s",
            "+5",
            "5s",
            "1.5",
            "99999999999999999999",
            "@",
            "@-1",
            "@1e3",
            "NOW",
            "2026-11-23",
            "2026-11-23T01:02:03",
            "2026-11-23T01:02Z",
            "2026-13-23T01:02:03Z",
            "2025-02-29T01:02:03Z",
            "2026-11-31T01:02:03Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T01:02:03.Z",
            "2026-11-23T01:02:03+1:00",
            "2026-11-23T01:02:03+24:00",
            "2026-11-23T01:02:03ZZ",
            "2026-1é-23T01:02:03Z",
        ] {
            let error = text.parse::<When>().unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{text:?} is no moment"))
            );
        }
    }

    #[test]
    fn offsets() {
        assert_eq!(When::Ago(5).offset(12), Offset::Time(7));
        assert_eq!(When::Ago(13).offset(12), Offset::Time(0));
        assert_eq!(When::At(5).offset(12), Offset::Time(5));
        assert_eq!(When::Id(5).offset(12), Offset::Id(5));
    }

    proptest! {
        #[test]
        fn whatever_is_asked(text in "\\PC{0,60}") {
            if let Err(error) = text.parse::<When>() {
                prop_assert!(error.text.chars().count() <= 40);
            }
        }

        /// Text like a date: no arithmetic overflows.
        #[test]
        fn almost_a_date(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,30})?[Zz+ -][0-9:]{0,6}") {
            let _ = text.parse::<When>();
        }

        #[test]
        fn times_there_and_back(seconds in 0..u64::MAX / SECOND) {
            let text = Utc(seconds).to_string();
            prop_assert_eq!(text.parse(), Ok(When::At(seconds * SECOND)), "{}", text);
        }

        #[test]
        fn spans_to_the_nanosecond(ns in 0..1_000_000 * SECOND) {
            let text = format!("-{}.{:09}s", ns / SECOND, ns % SECOND);
            prop_assert_eq!(text.parse(), Ok(When::Ago(ns)));
        }
    }
}

//! Which of the ring's frames a clip is asked for.
//!
//! Not here: which of them fit into one clip (`plan`).

use std::ops::RangeInclusive;

use shm_ring::{Clamped, Offset, Reader};

use crate::http::clip::ClipAsk;
use crate::reach::Reach;
use crate::snapshot::why_not;

/// Frames that the ring held when it was asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub ids: RangeInclusive<u64>,
    /// Where what was asked for goes back further than the ring: how far that does.
    pub clamped: Option<Reach>,
}

impl Range {
    /// The frames that were published from the one moment to the other, at `unix_ns`.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub fn of(ring: &Reader, ask: &ClipAsk, unix_ns: u64) -> Result<Range, String> {
        let bounds = ring.bounds();
        if bounds.oldest > bounds.head {
            return Err(why_not(ring));
        }
        let (from, to) = (ask.from.offset(unix_ns), ask.to.offset(unix_ns));
        match (from, to) {
            (Offset::Id(from), Offset::Id(to)) | (Offset::Time(from), Offset::Time(to))
                if from > to =>
            {
                return Err("A clip's end is before its beginning.".into());
            }
            _ => {}
        }
        let start = ring.locate(from);
        let end = match to {
            Offset::First => bounds.oldest,
            Offset::Last | Offset::Next => bounds.head,
            Offset::Id(id) => id.min(bounds.head),
            // The last that was published by then: the one before the first that was not.
            Offset::Time(time) => ring.locate(Offset::Time(time.saturating_add(1))).id - 1,
        };
        let reach = || Reach::of(ring, from);
        let clamped = (start.clamped == Some(Clamped::Overwritten)).then(reach);
        if start.id <= end {
            // More than it has descriptors for there cannot be, whatever a stranger's header says.
            let least = end.saturating_sub(ring.descriptors());
            let ids = start.id.max(least)..=end;
            return Ok(Range { ids, clamped });
        }
        let is_past = matches!(from, Offset::Time(time) if time <= unix_ns);
        Err(match clamped {
            Some(reach) => reach.sentence(),
            None if start.id > bounds.head && !is_past => {
                "No frame of that time is there yet.".into()
            }
            None => "No frame was published in that time.".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use shm_ring::{FrameMeta, Ring, Writer};

    use super::*;

    fn of(ring: &Reader, query: &str) -> Result<(RangeInclusive<u64>, bool), String> {
        let ask = ClipAsk::parse(query).unwrap();
        let range = Range::of(ring, &ask, worker::unix_ns())?;
        Ok((range.ids, range.clamped.is_some()))
    }

    fn publish(writer: &mut Writer, count: usize) {
        for _ in 0..count {
            let frame = [1; 12 << 10];
            writer.publish(&frame, &FrameMeta::default()).unwrap();
        }
    }

    #[test]
    fn from_one_moment_to_the_other() {
        let name = format!("shm-ring-clip-range-{}", std::process::id());
        let ring = Ring::create(&name, 64 << 10).unwrap();
        let (reader, mut writer) = (ring.reader().unwrap(), ring.writer().unwrap());
        assert_eq!(
            of(&reader, "").unwrap_err(),
            "The source is still starting."
        );
        publish(&mut writer, 3);
        let time = |id: u64| reader.frame(id).unwrap().info().published_ns;
        let stamp = |id| {
            format!(
                "@{}.{:09}",
                time(id) / 1_000_000_000,
                time(id) % 1_000_000_000
            )
        };
        for (query, want) in [
            ("", 1..=3),
            ("from=2", 2..=3),
            ("from=-1h", 1..=3),
            ("from=0&to=2", 1..=2),
            ("from=last", 3..=3),
            ("to=first", 1..=1),
            ("from=2&to=99", 2..=3),
            (&format!("from={}&to={}", stamp(1), stamp(2)), 1..=2),
            (&format!("to={}", stamp(3)), 1..=3),
        ] {
            assert_eq!(of(&reader, query), Ok((want, false)), "{query}");
        }
        for (query, why) in [
            ("from=next", "No frame of that time is there yet."),
            ("from=@99999999999", "No frame of that time is there yet."),
            ("from=3&to=2", "A clip's end is before its beginning."),
            ("from=-1s&to=-2s", "A clip's end is before its beginning."),
            ("from=last&to=1", "No frame was published in that time."),
            ("to=-1h", "No frame was published in that time."),
            ("from=-0s", "No frame was published in that time."),
        ] {
            assert_eq!(of(&reader, query).unwrap_err(), why, "{query}");
        }

        publish(&mut writer, 7);
        let oldest = reader.bounds().oldest;
        assert!(oldest > 1);
        assert_eq!(of(&reader, "from=1"), Ok((oldest..=10, true)));
        assert_eq!(of(&reader, "from=first"), Ok((oldest..=10, false)));
        let why = of(&reader, "from=-2h&to=-1h").unwrap_err();
        assert!(why.starts_with("The ring holds the last 0."), "{why}");
    }
}

//! One viewer's account: what it got, whether that was right, and when. Pure: events and arrival
//! times in, numbers out.
//!
//! Not here: the framing of parts (`multipart`) and of raw frames (`raw`), sockets, the clock.

use crate::headers::{decimal, lossy, values};
use crate::histogram::Histogram;
use crate::multipart::Event;
use crate::raw::{self, Stamp};
use crate::report::{Percentiles, Viewer, millis};
use crate::timeline::Timeline;
use crate::timing::Timing;

pub use crate::timing::Arrival;

/// Sentences kept per viewer; more are only counted.
const MAX_SENTENCES: usize = 20;
/// Bytes of a JPEG up to the end of a coding in its first segment: SOI, COM (ITU T.81 B.2.4.5) with
/// its length, the coding.
const CODED: usize = 6 + raw::STAMP;
/// What stands before the coding.
const COM: [u8; 6] = [0xff, 0xd8, 0xff, 0xfe, 0, 26];
/// A frame that was captured so long before a stalled viewer went on, or longer, is stale.
const STALE_NS: u64 = 200_000_000;

/// The part that is coming in.
struct Part {
    number: u64,
    offset: u64,
    length: u64,
    /// `X-Seqcast-Frame`
    id: Option<u64>,
    /// `X-Timestamp`
    captured_ns: Option<u64>,
    /// Bytes of the body so far.
    received: u64,
    first: [u8; CODED],
    last: [u8; 2],
    /// So say its headers.
    valid: bool,
}

/// See the module. Starts when the viewer has its stream.
pub struct Tally {
    /// Valid parts, or raw frames, with an id.
    pub frames: u64,
    /// Valid parts without one: a placeholder, or a server that gives none.
    pub unnumbered: u64,
    /// Ids missed between the first and the last frame.
    pub lost: u64,
    /// Frames whose id did not rise; faults.
    pub repeated: u64,
    /// The first faults, a sentence each.
    pub invalid: Vec<String>,
    /// All faults.
    pub invalid_count: u64,
    /// Stale frames since the end of a stall; none without a stall.
    pub stale: Option<u64>,
    /// None where nobody wants it.
    pub timeline: Option<Timeline>,
    resumed_unix_ns: u64,
    last_id: Option<u64>,
    part: Option<Part>,
    timing: Timing,
}

impl Tally {
    pub fn new(start: Arrival) -> Self {
        Self {
            frames: 0,
            unnumbered: 0,
            lost: 0,
            repeated: 0,
            invalid: Vec::new(),
            invalid_count: 0,
            stale: None,
            timeline: None,
            resumed_unix_ns: 0,
            last_id: None,
            part: None,
            timing: Timing::new(start.mono_ns),
        }
    }

    /// Takes the next event, whose bytes were read at `at`. Returns the id of a frame that is
    /// now complete and valid.
    pub fn event(&mut self, event: Event<'_>, at: Arrival) -> Option<u64> {
        match event {
            Event::Part {
                number,
                offset,
                length,
                headers,
            } => {
                self.begin(number, offset, length, headers);
                None
            }
            Event::Body(bytes) => {
                if let Some(part) = &mut self.part {
                    part.body(bytes);
                }
                None
            }
            Event::PartEnd => self.complete(at),
            Event::Head | Event::End => None,
        }
    }

    /// Takes a frame of the raw protocol, whose last bytes were read at `at`. Returns its id where
    /// it has one that rises.
    pub fn raw_frame(&mut self, frame: &raw::Frame, at: Arrival) -> Option<u64> {
        let Some(stamp) = frame.stamp else {
            return self.count(None, None, at);
        };
        if let Err(fault) = self.missed(stamp.id, 0) {
            let (number, offset) = (frame.number, frame.offset);
            let name = format!("frame {number} (coded {}, from byte {offset})", stamp.id);
            self.note(format!("{name}: {fault}"));
            return None;
        }
        self.count(Some(stamp.id), Some(stamp.captured_ns), at)
    }

    /// A fault outside of any part's content, at `offset` of the response.
    pub fn fault(&mut self, offset: u64, what: &dyn std::fmt::Display) {
        let sentence = match &self.part {
            Some(part) => format!("behind {}, at byte {offset}: {what}", part.name()),
            None => format!("at byte {offset}: {what}"),
        };
        self.note(sentence);
    }

    /// A stalled viewer goes on reading.
    pub fn resume(&mut self, at: Arrival) {
        self.stale = Some(0);
        self.resumed_unix_ns = at.unix_ns;
    }

    /// Frames a second: intervals over the time between the first and the last frame.
    pub fn fps(&self) -> f64 {
        let span_ns = self.timing.last_ns.saturating_sub(self.timing.first_ns);
        if span_ns == 0 {
            return 0.0;
        }
        (self.timing.frames - 1) as f64 * 1e9 / span_ns as f64
    }

    /// The longest time without a frame, up to `now`.
    pub fn gap_ns(&self, now: Arrival) -> u64 {
        self.timing.gap_ns(now.mono_ns)
    }

    /// Microseconds from capture to arrival.
    pub fn latency(&self) -> &Histogram {
        &self.timing.latency
    }

    /// What this viewer got, at the end; the connection's side of it is not here.
    pub fn report(self, end: Arrival) -> Viewer {
        let gap_ms = millis(self.gap_ns(end) / 1000);
        Viewer {
            frames: self.frames,
            fps: (self.fps() * 1e3).round() / 1e3,
            lost: self.lost,
            latency_ms: Percentiles::of(self.latency()),
            gap_ms,
            bytes: 0,
            cut: false,
            connected: false,
            invalid_count: self.invalid_count,
            repeated: self.repeated,
            unnumbered: self.unnumbered,
            stale_after_stall: self.stale,
            end: None,
            invalid: self.invalid,
            timeline: self
                .timeline
                .map_or_else(Vec::new, |timeline| timeline.into_ticks(end.mono_ns)),
        }
    }

    fn begin(&mut self, number: u64, offset: u64, length: u64, headers: &[httparse::Header<'_>]) {
        let mut part = Part {
            number,
            offset,
            length,
            id: None,
            captured_ns: None,
            received: 0,
            first: [0; CODED],
            last: [0; 2],
            valid: true,
        };
        let value = |name| values(headers, name).next();
        let mut faults = Vec::new();
        let content_type = value("Content-Type").unwrap_or_default();
        if !content_type.eq_ignore_ascii_case(b"image/jpeg") {
            faults.push(format!(
                "its type is {:?}, not image/jpeg",
                lossy(content_type)
            ));
        }
        part.captured_ns = value("X-Timestamp").and_then(unix_seconds);
        if let Some(text) = value("X-Seqcast-Frame") {
            match decimal(text) {
                Some(id) if id > 0 => {
                    part.id = Some(id);
                    // Absent where the viewer asked for all frames.
                    let asked = value("X-Seqcast-Asked").and_then(decimal).unwrap_or(0);
                    faults.extend(self.follow(id, value("X-Seqcast-Skipped"), asked));
                }
                _ => faults.push(format!("X-Seqcast-Frame is {:?}", lossy(text))),
            }
            // Others may put there what they like; these parts have a contract.
            if part.captured_ns.is_none() {
                let text = value("X-Timestamp").unwrap_or_default();
                faults.push(format!("X-Timestamp is {:?}", lossy(text)));
            }
        }
        part.valid = faults.is_empty();
        for fault in faults {
            self.note(format!("{}: {fault}", part.name()));
        }
        self.part = Some(part);
    }

    /// Checks an id against the one before it, and what the server says about the gap: so many are
    /// missing, and so many more were `asked` to be left out.
    fn follow(&mut self, id: u64, skipped: Option<&[u8]>, asked: u64) -> Option<String> {
        let text = skipped.unwrap_or_default();
        let said = decimal(text);
        match self.missed(id, asked) {
            // What came before this viewer is not for it to know.
            Ok(None) => said
                .is_none()
                .then(|| format!("X-Seqcast-Skipped is {:?}", lossy(text))),
            Ok(Some(missed)) => (said != Some(missed)).then(|| {
                format!(
                    "X-Seqcast-Skipped is {:?}, but {missed} are missing since {}",
                    lossy(text),
                    id - missed.saturating_add(asked).min(id - 1) - 1
                )
            }),
            Err(fault) => Some(fault),
        }
    }

    /// Counts the ids between the last one and this one but those left out as `asked`, and says how
    /// many, if there was a last one. An id that does not rise is a fault, and forgotten.
    fn missed(&mut self, id: u64, asked: u64) -> Result<Option<u64>, String> {
        let Some(last) = self.last_id else {
            self.last_id = Some(id);
            return Ok(None);
        };
        if id <= last {
            self.repeated += 1;
            return Err(format!("its id does not rise, the last one was {last}"));
        }
        let missed = (id - last - 1).saturating_sub(asked);
        self.last_id = Some(id);
        self.lost += missed;
        Ok(Some(missed))
    }

    fn complete(&mut self, at: Arrival) -> Option<u64> {
        let part = self.part.as_ref()?;
        let mut faults = part.jpeg_faults();
        for fault in &mut faults {
            *fault = format!("{}: {fault}", part.name());
        }
        let valid = part.valid && faults.is_empty();
        let (id, captured_ns) = (part.id, part.captured_ns);
        let coded = part.coding().filter(|_| id.is_none());
        let name = part.name();
        faults.into_iter().for_each(|fault| self.note(fault));
        if !valid {
            return None;
        }
        let Some(stamp) = coded else {
            return self.count(id, captured_ns, at);
        };
        if let Err(fault) = self.missed(stamp.id, 0) {
            self.note(format!("{name}, coded {}: {fault}", stamp.id));
            return None;
        }
        self.count(Some(stamp.id), Some(stamp.captured_ns), at)
    }

    /// A valid frame is complete. Returns its id.
    fn count(&mut self, id: Option<u64>, captured_ns: Option<u64>, at: Arrival) -> Option<u64> {
        if let (Some(stale), Some(captured_ns)) = (&mut self.stale, captured_ns)
            && captured_ns.saturating_add(STALE_NS) <= self.resumed_unix_ns
        {
            *stale += 1;
        }
        if let Some(timeline) = &mut self.timeline {
            // As `Timing` has it.
            let latency_us = captured_ns.map(|ns| at.unix_ns.saturating_sub(ns) / 1000);
            timeline.frame(at.mono_ns, self.lost, latency_us);
        }
        // Times are those of numbered frames; as long as there are none, of what there is.
        match id {
            Some(_) => {
                if self.frames == 0 {
                    self.timing = Timing::new(at.mono_ns);
                }
                self.frames += 1;
                self.timing.frame(at, captured_ns);
            }
            None => {
                self.unnumbered += 1;
                if self.frames == 0 {
                    self.timing.frame(at, captured_ns);
                }
            }
        }
        id
    }

    fn note(&mut self, sentence: String) {
        self.invalid_count += 1;
        if self.invalid.len() < MAX_SENTENCES {
            self.invalid.push(sentence);
        }
    }
}

impl Part {
    fn name(&self) -> String {
        let Self { number, offset, .. } = self;
        match self.id {
            Some(id) => format!("part {number} (frame {id}, from byte {offset})"),
            None => format!("part {number} (from byte {offset})"),
        }
    }

    fn body(&mut self, bytes: &[u8]) {
        for (place, &byte) in (self.received..CODED as u64).zip(bytes) {
            self.first[place as usize] = byte;
        }
        match *bytes {
            [] => {}
            [byte] => self.last = [self.last[1], byte],
            [.., before, byte] => self.last = [before, byte],
        }
        self.received += bytes.len() as u64;
    }

    /// Id and time in its first segment.
    fn coding(&self) -> Option<Stamp> {
        let (before, stamp) = self.first.split_at(COM.len());
        let there = self.received >= CODED as u64 && before == COM;
        Stamp::parse(stamp.try_into().ok()?).filter(|_| there)
    }

    /// The markers that a JPEG begins and ends with: SOI and EOI of ITU T.81 B.1.1.3.
    fn jpeg_faults(&self) -> Vec<String> {
        let [a, b, ..] = self.first;
        let [c, d] = self.last;
        let mut faults = Vec::new();
        if self.length < 4 {
            faults.push(format!("{} bytes are no JPEG", self.length));
            return faults;
        }
        if [a, b] != [0xff, 0xd8] {
            faults.push(format!("it begins with {a:02X}{b:02X}, not FFD8"));
        }
        if self.last != [0xff, 0xd9] {
            faults.push(format!("it ends with {c:02X}{d:02X}, not FFD9"));
        }
        faults
    }
}

/// `SECONDS[.FRACTION]` as nanoseconds; a fraction of 1 to 9 digits.
fn unix_seconds(text: &[u8]) -> Option<u64> {
    let mut halves = text.splitn(2, |&b| b == b'.');
    let seconds = decimal(halves.next()?)?;
    let nanos = match halves.next() {
        None => 0,
        Some(digits) if digits.len() <= 9 => decimal(digits)? * 10u64.pow(9 - digits.len() as u32),
        Some(_) => return None,
    };
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(test)]
mod tests;

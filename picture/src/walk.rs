//! Walks a JPEG from marker to marker (ITU T.81 Annex B), without looking into the segments.
//!
//! Works on a picture that is whole as on one that is still arriving, and never looks at a byte
//! twice. What the segments say is read in `jpeg`, where a picture begins is found in `split`.

use std::ops::Range;

pub(crate) const SOI: u8 = 0xd8;
pub(crate) const EOI: u8 = 0xd9;
pub(crate) const SOS: u8 = 0xda;
pub(crate) const DHT: u8 = 0xc4;
pub(crate) const DQT: u8 = 0xdb;

/// What stands at a marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A whole marker segment.
    Segment {
        /// Second byte of the marker.
        marker: u8,
        /// Where the marker begins.
        at: usize,
        /// What the segment holds, without marker and length.
        payload: Range<usize>,
    },
    /// EOI: the picture ends before this offset.
    End(usize),
}

/// Why the walk does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// More bytes are needed. Call again with the same bytes and what follows them.
    More,
    /// What stands at `at` cannot stand there. The next picture may begin at `resume` or later:
    /// within the segment that led here, since a picture that was cut in it is followed at once by the next.
    Bad { at: usize, resume: usize },
}

/// A walk over bytes that begin with SOI.
#[derive(Debug)]
pub(crate) struct Walk {
    at: usize,
    last: usize,
    in_scan: bool,
    after_scan: bool,
}

impl Walk {
    /// A walk that begins behind the SOI at offset 0.
    pub(crate) fn new() -> Walk {
        Walk {
            at: 2,
            last: 0,
            in_scan: false,
            after_scan: false,
        }
    }

    /// Whether the walk has come into the entropy-coded data.
    pub(crate) fn in_scan(&self) -> bool {
        self.in_scan
    }

    /// How far the walk has come.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// What stands at the next marker. After [`Event::End`] and [`Stop::Bad`] the walk is over.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Result<Event, Stop> {
        if self.in_scan {
            self.skip_entropy_coded(bytes)?;
        }
        // Any number of fill bytes may stand before a marker (T.81 B.1.1.2).
        while bytes.get(self.at..self.at + 2) == Some(&[0xff, 0xff]) {
            self.at += 1;
        }
        let bad = Stop::Bad {
            at: self.at,
            resume: if self.in_scan { self.at } else { self.last + 2 },
        };
        if *bytes.get(self.at).ok_or(Stop::More)? != 0xff {
            return Err(bad);
        }
        let marker = *bytes.get(self.at + 1).ok_or(Stop::More)?;
        if marker == EOI {
            return Ok(Event::End(self.at + 2));
        }
        if !self.may_stand_here(marker) {
            return Err(bad);
        }
        let length = bytes
            .get(self.at + 2..self.at + 4)
            .ok_or(Stop::More)
            .map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])))?;
        if length < 2 {
            return Err(bad);
        }
        let end = self.at + 2 + length;
        if bytes.len() < end {
            return Err(Stop::More);
        }
        let at = self.at;
        self.last = at;
        self.at = end;
        self.in_scan = marker == SOS;
        self.after_scan |= self.in_scan;
        Ok(Event::Segment {
            marker,
            at,
            payload: at + 4..end,
        })
    }

    /// Goes on to the first marker that does not belong to the entropy-coded data
    /// (T.81 F.1.2.3: a 0xFF of the data is followed by 0).
    fn skip_entropy_coded(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        loop {
            let rest = bytes.get(self.at..).ok_or(Stop::More)?;
            let Some(skip) = memchr::memchr(0xff, rest) else {
                self.at = bytes.len();
                return Err(Stop::More);
            };
            self.at += skip;
            match rest.get(skip + 1) {
                None => return Err(Stop::More),
                Some(0x00 | 0xd0..=0xd7) => self.at += 2,
                Some(0xff) => self.at += 1,
                Some(_) => return Ok(()),
            }
        }
    }

    /// Between scans only tables and comments may stand (T.81 figure B.2), so that damaged data
    /// is not easily taken for a segment and the walk led astray.
    fn may_stand_here(&self, marker: u8) -> bool {
        match marker {
            DHT | SOS | DQT | 0xdc | 0xdd | 0xfe => true,
            SOI => false,
            0xc0..=0xcf | 0xde..=0xef => !self.after_scan,
            _ => false,
        }
    }
}

//! What a ring says of a frame, and how that lies in its descriptor's words.
//!
//! Not here: what a publisher may say (its own affair), and when the words may be believed
//! (`protocol`).

use crate::protocol::Record;

/// What a publisher says of a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameMeta {
    /// The format's fourcc, as V4L2 names formats (`linux/videodev2.h`): `*b"MJPG"`.
    pub format: [u8; 4],
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The publisher's own bits.
    pub flags: u32,
    /// The publisher's own count, for instance a driver's sequence number.
    pub sequence: u64,
    /// Unix time of capture, nanoseconds.
    pub captured_ns: u64,
}

/// What the ring knows of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameInfo {
    /// Rises by one a frame, over restarts of the writer too; never 0.
    pub id: u64,
    /// Bytes.
    pub len: usize,
    /// Which run of the writer published it; rises.
    pub epoch: u64,
    /// Unix time of publication, nanoseconds.
    pub published_ns: u64,
    /// What the publisher said.
    pub meta: FrameMeta,
}

/// Words of a descriptor behind id, position and length.
pub(crate) const META: usize = 6;

/// Those words: two 32-bit fields share one, the first at the lower address.
pub(crate) fn words(meta: &FrameMeta, published_ns: u64, epoch: u64) -> [u64; META] {
    [
        pair(u32::from_ne_bytes(meta.format), meta.flags),
        pair(meta.width, meta.height),
        meta.sequence,
        meta.captured_ns,
        published_ns,
        epoch,
    ]
}

impl FrameInfo {
    /// The inverse of [`words`].
    pub(crate) fn from_record(record: &Record<META>) -> FrameInfo {
        let [kind, size, sequence, captured_ns, published_ns, epoch] = record.meta;
        let ((format, flags), (width, height)) = (unpair(kind), unpair(size));
        FrameInfo {
            id: record.id,
            len: record.len as usize,
            epoch,
            published_ns,
            meta: FrameMeta {
                format: format.to_ne_bytes(),
                width,
                height,
                flags,
                sequence,
                captured_ns,
            },
        }
    }
}

fn pair(first: u32, second: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

fn unpair(word: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    (
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_they_were_told() {
        let meta = FrameMeta {
            format: *b"MJPG",
            width: 1,
            height: 2,
            flags: 3,
            sequence: 4,
            captured_ns: 5,
        };
        let record = Record {
            id: 8,
            position: 64,
            len: 9,
            meta: words(&meta, 6, 7),
        };
        assert_eq!(record.meta[0].to_ne_bytes()[..4], *b"MJPG");
        let expected = FrameInfo {
            id: 8,
            len: 9,
            epoch: 7,
            published_ns: 6,
            meta,
        };
        assert_eq!(FrameInfo::from_record(&record), expected);
    }
}

//! The bytes of an AVI file around JPEGs: RIFF, AVI 1.0, one MJPG stream with an index (Microsoft,
//! "AVI RIFF File Reference", learn.microsoft.com/windows/win32/directshow/avi-riff-file-reference).
//!
//! All of its lengths are known before the first picture is. A chunk for each tick of the frame
//! rate; an empty one shows the picture before it again. Not here: which picture at which tick.

/// Bytes before the first chunk.
pub const HEAD: usize = 224;
/// Bytes before a chunk's data.
pub const CHUNK: usize = 8;
/// Bytes of an index entry.
pub const ENTRY: usize = 16;
/// The largest file: what AVI 1.0 readers take, with offsets of 31 bits far away.
pub const MAX_FILE: u64 = 1 << 30;

/// The stream's one kind of chunk: compressed video, stream 0.
const FRAME: [u8; 4] = *b"00dc";
/// `AVIF_HASINDEX`.
const HAS_INDEX: u32 = 0x10;
/// `AVIIF_KEYFRAME`.
const KEY_FRAME: u32 = 0x10;

/// What a file's head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Film {
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Microseconds from one chunk to the next, more than 0.
    pub tick_us: u32,
    /// Chunks, the empty ones included.
    pub ticks: u32,
    /// Bytes of the largest picture.
    pub largest: u32,
    /// Bytes of all chunks: [`chunk_len`] of each.
    pub chunks_len: u32,
}

/// Bytes of a chunk with so many bytes of data.
pub fn chunk_len(len: u32) -> u64 {
    CHUNK as u64 + u64::from(len).next_multiple_of(2)
}

/// Bytes of a file with so many ticks, whose chunks have so many bytes.
pub fn file_len(ticks: u64, chunks_len: u64) -> u64 {
    let index = ticks.saturating_mul(ENTRY as u64);
    (HEAD as u64 + CHUNK as u64)
        .saturating_add(chunks_len)
        .saturating_add(index)
}

impl Film {
    /// All that comes before the first chunk: [`HEAD`] bytes. The file is at most [`MAX_FILE`].
    pub fn head(&self) -> Vec<u8> {
        let (width, height) = (u32::from(self.width), u32::from(self.height));
        let pixels = width * height;
        let index = self.ticks * ENTRY as u32;
        let lasts_us = (u64::from(self.ticks) * u64::from(self.tick_us)).max(1);
        let rate = u64::from(self.chunks_len) * 1_000_000 / lasts_us;
        // With its chunk's head.
        let buffer = self.largest + CHUNK as u32;
        let mut out = Vec::with_capacity(HEAD);
        fourcc(&mut out, b"RIFF");
        let riff = HEAD as u32 - 8 + self.chunks_len + CHUNK as u32 + index;
        words(&mut out, &[riff]);
        fourcc(&mut out, b"AVI ");

        list(&mut out, 192, b"hdrl");
        chunk(&mut out, b"avih", 56);
        let rate = u32::try_from(rate).unwrap_or(u32::MAX);
        words(&mut out, &[self.tick_us, rate, 0, HAS_INDEX]);
        words(&mut out, &[self.ticks, 0, 1, buffer, width, height]);
        words(&mut out, &[0; 4]);

        list(&mut out, 116, b"strl");
        chunk(&mut out, b"strh", 56);
        fourcc(&mut out, b"vids");
        fourcc(&mut out, b"MJPG");
        // Flags, priority and language, initial frames; scale, rate, start, length; the buffer;
        // the quality, which is the codec's default; no sample size.
        words(&mut out, &[0, 0, 0]);
        words(&mut out, &[self.tick_us, 1_000_000, 0, self.ticks]);
        words(&mut out, &[buffer, u32::MAX, 0]);
        words(&mut out, &[0, height << 16 | width]); // four 16-bit sides

        chunk(&mut out, b"strf", 40);
        words(&mut out, &[40, width, height, 24 << 16 | 1]);
        fourcc(&mut out, b"MJPG");
        words(&mut out, &[pixels.saturating_mul(3), 0, 0, 0, 0]);

        list(&mut out, 4 + self.chunks_len, b"movi");
        out
    }
}

/// Appends what comes before a picture of so many bytes; none: an empty chunk.
pub fn frame(out: &mut Vec<u8>, len: u32) {
    chunk(out, &FRAME, len);
}

/// Appends what comes behind a picture of so many bytes.
pub fn pad(out: &mut Vec<u8>, len: u32) {
    if len % 2 == 1 {
        out.push(0);
    }
}

/// Appends an empty chunk and as much of nothing as fills the place of a picture of so many bytes,
/// 7 at least.
pub fn blank(out: &mut Vec<u8>, len: u32) {
    frame(out, 0);
    let rest = len.next_multiple_of(2) - CHUNK as u32;
    chunk(out, b"JUNK", rest);
    out.resize(out.len() + rest as usize, 0);
}

/// Appends what comes before the index's entries.
pub fn index(out: &mut Vec<u8>, ticks: u32) {
    chunk(out, b"idx1", ticks * ENTRY as u32);
}

/// Appends an index entry: a picture of `len` bytes, 0 for an empty chunk, that begins `at` so many
/// bytes behind the first chunk's beginning.
pub fn entry(out: &mut Vec<u8>, at: u32, len: u32) {
    fourcc(out, &FRAME);
    let flags = if len > 0 { KEY_FRAME } else { 0 };
    // Offsets are from the list's name on.
    words(out, &[flags, at + 4, len]);
}

fn fourcc(out: &mut Vec<u8>, name: &[u8; 4]) {
    out.extend_from_slice(name);
}

fn words(out: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], len: u32) {
    fourcc(out, name);
    words(out, &[len]);
}

fn list(out: &mut Vec<u8>, len: u32, name: &[u8; 4]) {
    chunk(out, b"LIST", len);
    fourcc(out, name);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// The chunks of `bytes`, one behind the other, to the last byte: name, data.
    fn chunks(mut bytes: &[u8]) -> Vec<([u8; 4], &[u8])> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let len = word(bytes, 4) as usize;
            found.push((bytes[..4].try_into().unwrap(), &bytes[8..8 + len]));
            bytes = &bytes[8 + len.next_multiple_of(2)..];
        }
        found
    }

    #[test]
    fn a_file_is_what_its_lengths_say() {
        // A picture, a lost one, two repeats.
        let film = Film {
            width: 320,
            height: 240,
            tick_us: 33_333,
            ticks: 4,
            largest: 9,
            chunks_len: (chunk_len(9) * 2 + chunk_len(0) * 2) as u32,
        };
        let mut file = film.head();
        assert_eq!(file.len(), HEAD);
        frame(&mut file, 9);
        file.extend_from_slice(b"a picture");
        pad(&mut file, 9);
        blank(&mut file, 9);
        frame(&mut file, 0);
        frame(&mut file, 0);
        index(&mut file, film.ticks);
        for (at, len) in [(0, 9), (18, 0), (36, 0), (44, 0)] {
            entry(&mut file, at, len);
        }
        let all = file_len(4, film.chunks_len.into());
        assert_eq!(file.len() as u64, all);

        let riff = chunks(&file);
        assert!(riff.len() == 1 && &riff[0].0 == b"RIFF" && riff[0].1.starts_with(b"AVI "));
        let parts = chunks(&riff[0].1[4..]);
        let names: Vec<_> = parts.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [b"LIST", b"LIST", b"idx1"]);
        let hdrl = chunks(&parts[0].1[4..]);
        assert_eq!((&hdrl[0].0, hdrl[0].1.len()), (b"avih", 56));
        assert_eq!(word(hdrl[0].1, 16), 4, "frames");
        let strl = chunks(&hdrl[1].1[4..]);
        assert_eq!((&strl[0].0, strl[0].1.len()), (b"strh", 56));
        assert_eq!((&strl[1].0, strl[1].1.len()), (b"strf", 40));
        let strh = strl[0].1;
        assert_eq!((word(strh, 20), word(strh, 24)), (33_333, 1_000_000));
        assert_eq!(word(strh, 32), 4, "length");
        let movi = parts[1].1;
        assert!(movi.starts_with(b"movi"));
        let names: Vec<_> = chunks(&movi[4..])
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, [*b"00dc", *b"00dc", *b"JUNK", *b"00dc", *b"00dc"]);
        for entry in parts[2].1.chunks(ENTRY) {
            let at = word(entry, 8) as usize;
            assert_eq!(&movi[at..at + 4], b"00dc");
            assert_eq!(word(movi, at + 4), word(entry, 12));
        }
    }

    #[test]
    fn what_is_blanked_keeps_its_length() {
        for len in 7..40 {
            let mut out = Vec::new();
            blank(&mut out, len);
            assert_eq!(out.len() as u64, chunk_len(len), "{len}");
        }
    }
}

//! Is this a whole JPEG, how large is its picture, and are its Huffman tables there?
//!
//! Reads marker segments (ITU T.81 Annex B) and never decodes, so a picture that passes may
//! still look damaged. The bytes may come from a broken or hostile camera: no input panics,
//! and the time is linear in its length.

use std::borrow::Cow;

use crate::huffman::TableSet;
use crate::walk::{DHT, DQT, Event, SOI, SOS, Stop, Walk};

/// What the headers of a whole JPEG say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Width in pixels, 1 to 65535.
    pub width: u16,
    /// Height in pixels, 1 to 65535.
    pub height: u16,
    /// Whether the frame brings all the Huffman tables that its first scan asks for. Many cameras
    /// leave them out; see [`complete`].
    pub has_huffman_tables: bool,
    /// Bytes from SOI to EOI, both included. What follows is no part of the picture.
    pub len: usize,
}

/// Why some bytes are no JPEG that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JpegError {
    /// Less than SOI and EOI.
    #[error("{len} bytes are too few for a JPEG")]
    TooShort {
        /// Length in bytes.
        len: usize,
    },
    /// The bytes do not begin with SOI.
    #[error("no JPEG: it does not begin with FF D8")]
    NoSoi,
    /// The bytes end within the headers.
    #[error("the JPEG is cut off in its headers at byte {offset}")]
    Truncated {
        /// Where the marker that is not whole begins.
        offset: usize,
    },
    /// The bytes end within the picture data.
    #[error("the JPEG is cut off: no end (FF D9) in {len} bytes")]
    NoEoi {
        /// Length in bytes.
        len: usize,
    },
    /// What stands here cannot stand here: a damaged frame, or a new one within the old.
    #[error("the JPEG is damaged at byte {offset}")]
    Damaged {
        /// Where.
        offset: usize,
    },
    /// A segment contradicts itself or the ones before.
    #[error("the JPEG has a senseless segment (marker FF {marker:02X}) at byte {offset}")]
    BadSegment {
        /// Second byte of its marker.
        marker: u8,
        /// Where it begins.
        offset: usize,
    },
    /// Lossless, hierarchical or arithmetic coding, or not 8 bits a sample: no browser shows it.
    #[error("the JPEG is of a kind that browsers do not show (marker FF {marker:02X})")]
    Unsupported {
        /// Second byte of the frame header's marker.
        marker: u8,
    },
    /// No frame header (SOF).
    #[error("the JPEG has no frame header")]
    NoFrameHeader,
    /// No scan (SOS), or one without data.
    #[error("the JPEG has no picture data")]
    NoScan,
    /// Width or height is 0.
    #[error("the JPEG says that it is {width}x{height}")]
    NoPixels {
        /// Width in pixels.
        width: u16,
        /// Height in pixels.
        height: u16,
    },
    /// A quantisation table is missing; there are no standard ones.
    #[error("the JPEG has no quantisation table {id}")]
    NoQuantisationTable {
        /// Its identifier.
        id: u8,
    },
    /// A Huffman table is missing that Annex K.3 does not have.
    #[error("the JPEG lacks Huffman tables, and not only the standard ones")]
    NoHuffmanTable,
}

/// Checks that `bytes` begin with a whole JPEG that browsers can show: SOI, headers that agree with
/// one another, picture data, EOI. What follows EOI (padding, the rest of a buffer) is not looked at.
pub fn check(bytes: &[u8]) -> Result<Info, JpegError> {
    Ok(inspect(bytes)?.info)
}

/// [`check`]s, cuts what follows EOI, and puts the standard Huffman tables (ITU T.81 Annex K.3) before
/// the first scan where the frame has none. Copies only in that last case.
pub fn complete(bytes: &[u8]) -> Result<(Info, Cow<'_, [u8]>), JpegError> {
    let Inspected {
        mut info,
        sos,
        missing,
    } = inspect(bytes)?;
    let whole = &bytes[..info.len];
    if info.has_huffman_tables {
        return Ok((info, Cow::Borrowed(whole)));
    }
    let mut out = Vec::with_capacity(whole.len() + 420);
    out.extend_from_slice(&whole[..sos]);
    missing.write_dht(&mut out);
    out.extend_from_slice(&whole[sos..]);
    info.len = out.len();
    info.has_huffman_tables = true;
    Ok((info, Cow::Owned(out)))
}

struct Inspected {
    info: Info,
    /// Where the first SOS begins.
    sos: usize,
    /// Huffman tables that the first scan asks for and that are not there.
    missing: TableSet,
}

/// The frame header (T.81 B.2.2).
struct Frame {
    width: u16,
    height: u16,
    progressive: bool,
    components: Vec<Component>,
}

struct Component {
    id: u8,
    quantisation_table: u8,
}

fn inspect(bytes: &[u8]) -> Result<Inspected, JpegError> {
    if bytes.len() < 4 {
        return Err(JpegError::TooShort { len: bytes.len() });
    }
    if bytes[..2] != [0xff, SOI] {
        return Err(JpegError::NoSoi);
    }
    let mut walk = Walk::new();
    let mut frame = None;
    let mut quantisation = 0u8;
    let mut huffman = TableSet::default();
    let mut first_scan = None;
    // Where the data of the last scan begins.
    let mut data_at = None;
    loop {
        let event = walk.next(bytes).map_err(|stop| match stop {
            Stop::More if walk.in_scan() => JpegError::NoEoi { len: bytes.len() },
            Stop::More => JpegError::Truncated { offset: walk.at() },
            Stop::Bad { at, .. } => JpegError::Damaged { offset: at },
        })?;
        let begins = match event {
            Event::Segment { at, .. } => at,
            Event::End(end) => end - 2,
        };
        if data_at.take() == Some(begins) {
            return Err(JpegError::NoScan);
        }
        match event {
            Event::End(len) => {
                let frame: Frame = frame.ok_or(JpegError::NoFrameHeader)?;
                let (sos, missing) = first_scan.ok_or(JpegError::NoScan)?;
                return Ok(Inspected {
                    info: Info {
                        width: frame.width,
                        height: frame.height,
                        has_huffman_tables: TableSet::is_empty(missing),
                        len,
                    },
                    sos,
                    missing,
                });
            }
            Event::Segment {
                marker,
                at,
                payload,
            } => {
                let end = payload.end;
                let payload = &bytes[payload];
                let bad = JpegError::BadSegment { marker, offset: at };
                match marker {
                    DQT => quantisation |= quantisation_tables(payload).ok_or(bad)?,
                    DHT => huffman_tables(payload, &mut huffman).ok_or(bad)?,
                    SOS => {
                        let frame = frame.as_ref().ok_or(JpegError::NoFrameHeader)?;
                        let asked = scan_tables(payload, frame).ok_or(bad)?;
                        if first_scan.is_none() {
                            first_scan =
                                Some((at, missing_tables(frame, asked, huffman, quantisation)?));
                        }
                        data_at = Some(end);
                    }
                    // Not frame headers: JPG and DAC.
                    0xc8 | 0xcc => return Err(JpegError::Unsupported { marker }),
                    0xc0..=0xcf => {
                        if frame.is_some() {
                            return Err(bad);
                        }
                        if marker > 0xc2 || payload.first() != Some(&8) {
                            return Err(JpegError::Unsupported { marker });
                        }
                        frame = Some(frame_header(marker, payload, bad)?);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn frame_header(marker: u8, payload: &[u8], bad: JpegError) -> Result<Frame, JpegError> {
    let (&[_, h1, h0, w1, w0, count], rest) = payload.split_first_chunk().ok_or(bad)?;
    let (height, width) = (u16::from_be_bytes([h1, h0]), u16::from_be_bytes([w1, w0]));
    if rest.len() != 3 * usize::from(count) || !(1..=4).contains(&count) {
        return Err(bad);
    }
    if width == 0 || height == 0 {
        return Err(JpegError::NoPixels { width, height });
    }
    let mut components = Vec::with_capacity(4);
    for c in rest.chunks_exact(3) {
        let sampling_ok = (1..=4).contains(&(c[1] >> 4)) && (1..=4).contains(&(c[1] & 0x0f));
        if !sampling_ok || c[2] > 3 {
            return Err(bad);
        }
        components.push(Component {
            id: c[0],
            quantisation_table: c[2],
        });
    }
    Ok(Frame {
        width,
        height,
        progressive: marker == 0xc2,
        components,
    })
}

/// The Huffman tables that a scan asks for (T.81 B.2.3).
fn scan_tables(payload: &[u8], frame: &Frame) -> Option<TableSet> {
    let (&count, rest) = payload.split_first()?;
    let count = usize::from(count);
    if rest.len() != 2 * count + 3 || count == 0 || count > frame.components.len() {
        return None;
    }
    let mut asked = TableSet::default();
    for c in rest[..2 * count].chunks_exact(2) {
        let known = frame
            .components
            .iter()
            .any(|component| component.id == c[0]);
        let tables = asked.insert(c[1] >> 4) && asked.insert(0x10 | c[1] & 0x0f);
        if !known || !tables {
            return None;
        }
    }
    Some(asked)
}

/// The Huffman tables that are not there but can be put in.
fn missing_tables(
    frame: &Frame,
    asked: TableSet,
    huffman: TableSet,
    quantisation: u8,
) -> Result<TableSet, JpegError> {
    if frame.progressive {
        // Its scans bring their tables, each for itself, and its first asks for DC tables alone.
        return Ok(TableSet::default());
    }
    for component in &frame.components {
        let id = component.quantisation_table;
        if quantisation & (1 << id) == 0 {
            return Err(JpegError::NoQuantisationTable { id });
        }
    }
    let missing = asked.without(huffman);
    if !missing.without(TableSet::standard()).is_empty() {
        return Err(JpegError::NoHuffmanTable);
    }
    Ok(missing)
}

/// A bit for each table that a DQT segment defines (T.81 B.2.4.1).
fn quantisation_tables(mut payload: &[u8]) -> Option<u8> {
    let mut defined = 0;
    while let Some((&head, rest)) = payload.split_first() {
        let (precision, id) = (head >> 4, head & 0x0f);
        if precision > 1 || id > 3 {
            return None;
        }
        payload = rest.get(64 * (usize::from(precision) + 1)..)?;
        defined |= 1 << id;
    }
    Some(defined)
}

/// Adds the tables that a DHT segment defines (T.81 B.2.4.2).
fn huffman_tables(mut payload: &[u8], defined: &mut TableSet) -> Option<()> {
    while let Some((&head, rest)) = payload.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let values: usize = counts.iter().map(|&n| usize::from(n)).sum();
        payload = rest.get(values..)?;
        if values > 256 || !defined.insert(head) {
            return None;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests;

//! The body of a message in 2019, and of a frame over TCP in 2017: a u64, little-endian,
//! `height << 32 | width << 16 | channels`, and the pixels behind it, packed BGR.
//!
//! Not here: what else a body may be (`message`).

/// Bytes before the pixels.
pub(crate) const HEADER: usize = 8;

/// Bytes a pixel: blue, green, red.
const CHANNELS: u64 = 3;

/// What goes before a picture of that size, pixels.
#[must_use]
pub fn header(width: u16, height: u16) -> [u8; HEADER] {
    (u64::from(height) << 32 | u64::from(width) << 16 | CHANNELS).to_le_bytes()
}

/// Width and height of the picture that a body holds, if it holds exactly one.
pub(crate) fn size(body: &[u8]) -> Option<(u16, u16)> {
    let (header, pixels) = body.split_first_chunk::<HEADER>()?;
    let packed = u64::from_le_bytes(*header);
    let side = |shift: u32| (packed >> shift & 0xffff) as u16;
    let (channels, width, height) = (side(0), side(16), side(32));
    let len = u64::from(width) * u64::from(height) * CHANNELS;
    let whole = packed >> 48 == 0 && u64::from(channels) == CHANNELS;
    (whole && len > 0 && len == pixels.len() as u64).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn height_first() {
        assert_eq!(header(160, 120), [3, 0, 160, 0, 120, 0, 0, 0]);
        assert_eq!(header(0xffee, 0xddcc), [3, 0, 0xee, 0xff, 0xcc, 0xdd, 0, 0]);
    }

    #[test]
    fn a_size_only_of_exactly_one_picture() {
        let body = |width, height, len| [&header(width, height)[..], &vec![0; len]].concat();
        assert_eq!(size(&body(4, 2, 24)), Some((4, 2)));
        for bad in [
            body(4, 2, 23),
            body(4, 2, 25),
            body(0, 2, 0),
            body(u16::MAX, u16::MAX, 24),
            [1, 0, 4, 0, 2, 0, 0, 0]
                .iter()
                .copied()
                .chain([0; 8])
                .collect(),
            [3, 0, 4, 0, 2, 0, 1, 0]
                .iter()
                .copied()
                .chain([0; 24])
                .collect(),
            vec![3, 0, 4],
        ] {
            assert_eq!(size(&bad), None, "{:?}", &bad[..bad.len().min(12)]);
        }
    }
}

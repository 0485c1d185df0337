//! The protocol of 2017 on the wire: from the connection on, for each frame a u64, little-endian,
//! `height << 32 | width << 16 | channels`, and the pixels behind it, packed BGR. Nothing is asked,
//! nothing ends a frame, and it carries neither id nor time.
//!
//! Not here: when a frame is sent, and where its pixels come from (`convert`).

/// Bytes a pixel: blue, green, red.
const CHANNELS: u64 = 3;

/// Writes what goes before a picture of that size (pixels) into `out`, which is cleared first. A
/// side has 16 bits.
pub(crate) fn header(width: u16, height: u16, out: &mut Vec<u8>) {
    out.clear();
    let packed = u64::from(height) << 32 | u64::from(width) << 16 | CHANNELS;
    out.extend_from_slice(&packed.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn height_first() {
        let mut out = b"old".to_vec();
        header(160, 120, &mut out);
        assert_eq!(out, [3, 0, 160, 0, 120, 0, 0, 0]);
        header(0xffee, 0xddcc, &mut out);
        assert_eq!(out, [3, 0, 0xee, 0xff, 0xcc, 0xdd, 0, 0]);
    }
}

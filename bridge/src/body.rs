//! A frame of the ring as a message's body: a JPEG, or header and packed BGR; converted here, in the bridge's
//! own process, where the ring has the other.
//!
//! Not here: codecs (`picture`), the message around it (`broker`).

use broker::Format;
use broker::message::MAX_BODY;
use shm_ring::{FrameInfo, Reader};
use worker::SkipCause;

/// Takes frames out of the ring.
#[derive(Debug)]
pub(crate) struct Bench {
    format: Format,
    quality: u8,
    /// A frame as the ring has it, and what was decoded from it; kept for their memory.
    frame: Vec<u8>,
    pixels: Vec<u8>,
    /// A failure was said; the others are counted.
    said: bool,
}

impl Bench {
    /// For bodies of that format; JPEGs that are encoded here get that quality, 1 to 100.
    pub fn new(format: Format, quality: u8) -> Bench {
        Bench {
            format,
            quality,
            frame: Vec::new(),
            pixels: Vec::new(),
            said: false,
        }
    }

    /// Frame `id` as a body.
    ///
    /// # Errors
    /// Why there is none.
    pub fn body(&mut self, ring: &Reader, id: u64) -> Result<(FrameInfo, Vec<u8>), SkipCause> {
        let info = ring.read(id, &mut self.frame);
        let info = info.map_err(|_| SkipCause::Overwritten)?;
        match self.converted(&info) {
            Ok(body) if body.len() <= MAX_BODY => return Ok((info, body)),
            Ok(body) => self.say(
                id,
                &format!("a broker takes {MAX_BODY} bytes, not {}", body.len()),
            ),
            Err(why) => self.say(id, &why),
        }
        Err(SkipCause::Unusable)
    }

    fn converted(&mut self, info: &FrameInfo) -> Result<Vec<u8>, String> {
        let meta = &info.meta;
        let size = (meta.width, meta.height);
        let is_bgr = &meta.format == b"BGR3" && picture::bgr_len(size.0, size.1) == Some(info.len);
        match (&meta.format, self.format) {
            (b"MJPG", Format::Jpeg) => Ok(std::mem::take(&mut self.frame)),
            (b"MJPG", Format::Raw) => {
                let found = picture::decode_bgr(&self.frame, &mut self.pixels);
                let found = found.map_err(|e| e.to_string())?;
                if found != size {
                    return Err(format!("a JPEG of {found:?} pixels said to be of {size:?}"));
                }
                raw(size, &self.pixels)
            }
            (b"BGR3", Format::Raw) if is_bgr => raw(size, &self.frame),
            (b"BGR3", Format::Jpeg) if is_bgr => {
                let mut jpeg = Vec::new();
                picture::encode_bgr(&self.frame, size.0, size.1, self.quality, &mut jpeg)
                    .map_err(|e| e.to_string())?;
                Ok(jpeg)
            }
            (format, _) => Err(format!(
                "{} bytes of {} are no picture",
                info.len,
                format.escape_ascii()
            )),
        }
    }

    fn say(&mut self, id: u64, why: &str) {
        if !std::mem::replace(&mut self.said, true) {
            tracing::warn!("frame {id} is of no use: {why}; others only counted");
        }
    }
}

/// The layout of 2019.
fn raw((width, height): (u32, u32), pixels: &[u8]) -> Result<Vec<u8>, String> {
    let (Ok(width), Ok(height)) = (width.try_into(), height.try_into()) else {
        return Err(format!(
            "a side of {width}x{height} pixels does not fit into 16 bits"
        ));
    };
    Ok([&broker::raw_header(width, height)[..], pixels].concat())
}

#[cfg(test)]
mod tests {
    use shm_ring::{FrameMeta, Ring, Writer};

    use super::*;

    const SIZE: (u32, u32) = (64, 48);

    fn ring(test: &str) -> (Ring, Reader, Writer) {
        let name = format!("shm-ring-bridge-{test}-{}", std::process::id());
        let ring = Ring::create(&name, 1 << 20).unwrap();
        let (reader, writer) = (ring.reader().unwrap(), ring.writer().unwrap());
        (ring, reader, writer)
    }

    fn publish(writer: &mut Writer, format: &[u8; 4], bytes: &[u8]) -> u64 {
        let meta = FrameMeta {
            format: *format,
            width: SIZE.0,
            height: SIZE.1,
            ..FrameMeta::default()
        };
        writer.publish(bytes, &meta).unwrap()
    }

    #[test]
    fn each_form_from_each() {
        let (_ring, reader, mut writer) = ring("form");
        let pixels: Vec<u8> = (0..64 * 48)
            .flat_map(|i| [(i % 64) as u8 * 2, 128, 7])
            .collect();
        let mut jpeg = Vec::new();
        picture::encode_bgr(&pixels, SIZE.0, SIZE.1, 90, &mut jpeg).unwrap();
        let mut decoded = Vec::new();
        picture::decode_bgr(&jpeg, &mut decoded).unwrap();
        let header = [3, 0, 64, 0, 48, 0, 0, 0];
        for (format, bytes, shown) in [(b"MJPG", &jpeg, &decoded), (b"BGR3", &pixels, &pixels)] {
            let id = publish(&mut writer, format, bytes);
            let (_, raw) = Bench::new(Format::Raw, 90).body(&reader, id).unwrap();
            assert_eq!(raw, [&header[..], shown].concat());
            let (info, found) = Bench::new(Format::Jpeg, 90).body(&reader, id).unwrap();
            assert_eq!((info.id, found), (id, jpeg.clone()));
        }
    }

    #[test]
    fn what_is_no_picture_is_of_no_use() {
        let (_ring, reader, mut writer) = ring("none");
        let mut odd = Vec::new();
        picture::encode_bgr(&[0; 192], 8, 8, 80, &mut odd).unwrap();
        let mut bench = Bench::new(Format::Raw, 80);
        for (format, bytes) in [
            (b"MJPG", b"no JPEG".as_slice()),
            (b"MJPG", &odd), // of another size than the ring says
            (b"BGR3", &[0; 24]),
            (b"YUYV", &[0; 64 * 48 * 2]),
        ] {
            let id = publish(&mut writer, format, bytes);
            assert_eq!(bench.body(&reader, id).unwrap_err(), SkipCause::Unusable);
        }
        assert_eq!(bench.body(&reader, 99).unwrap_err(), SkipCause::Overwritten);
    }
}

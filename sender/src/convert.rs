//! Frames that are not in the form that a viewer takes, put into it: JPEG decoded to BGR, BGR
//! encoded as JPEG. In the sender's own process, so that a picture that harms a decoder harms its
//! viewers alone, and capture does not work for those who look.
//!
//! The newest frame's is kept for all viewers of the process, and nothing once nobody needs any.
//! Not here: codecs (`picture`), and which frame is wanted (`pacing`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shm_ring::{FrameInfo, Reader};
use worker::SkipCause;

use crate::framing::{Form, Size};
use crate::placeholder::Still;

/// A picture that several viewers may be sending.
pub(crate) type Shared = Arc<Vec<u8>>;

/// The conversions of a process.
#[derive(Debug)]
pub(crate) struct Converter {
    /// Of JPEG, 1 to 100.
    quality: u8,
    bench: Mutex<Bench>,
}

/// Empty while nobody converts.
#[derive(Debug, Default)]
struct Bench {
    users: usize,
    /// A frame as the ring has it.
    source: Vec<u8>,
    newest: Option<Converted>,
    /// A placeholder and what was decoded from it.
    still: Option<(Shared, Shared)>,
    /// A failure was said; the others are counted.
    said: bool,
}

#[derive(Debug)]
struct Converted {
    id: u64,
    form: Form,
    /// None where it cannot be.
    picture: Option<Shared>,
}

impl Converter {
    /// Which encodes in this quality, 1 to 100.
    pub fn new(quality: u8) -> Self {
        Converter {
            quality,
            bench: Mutex::default(),
        }
    }

    /// A right to convert, while which is held the memory for it is.
    pub fn join(&self) -> Conversions<'_> {
        self.lock().users += 1;
        Conversions(self)
    }

    fn lock(&self) -> MutexGuard<'_, Bench> {
        // A panic ends the process: nobody is left to find a half-made picture.
        self.bench.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Converter::join`].
#[derive(Debug)]
pub(crate) struct Conversions<'a>(&'a Converter);

impl Drop for Conversions<'_> {
    fn drop(&mut self) {
        let mut bench = self.0.lock();
        bench.users -= 1;
        if bench.users == 0 {
            *bench = Bench::default();
        }
    }
}

impl Conversions<'_> {
    /// Frame `id` of the ring in this form, which it does not have. Others who want the same wait
    /// for it and have it then.
    ///
    /// # Errors
    /// Why there is none.
    pub fn picture(&self, ring: &Reader, id: u64, form: Form) -> Result<Shared, SkipCause> {
        let mut guard = self.0.lock();
        let bench = &mut *guard;
        if let Some(known) = &bench.newest
            && (known.id, known.form) == (id, form)
        {
            return known.picture.clone().ok_or(SkipCause::Unusable);
        }
        let info = ring.read(id, &mut bench.source);
        let info = info.map_err(|_| SkipCause::Overwritten)?;
        // One for a viewer that is behind is its own.
        let keep = bench.newest.as_ref().is_none_or(|known| known.id < id);
        let mut out = match bench.newest.take_if(|_| keep) {
            Some(old) => old.picture.and_then(Arc::into_inner).unwrap_or_default(),
            None => Vec::new(),
        };
        let picture = match convert(&info, &bench.source, form, self.0.quality, &mut out) {
            Ok(()) => Some(Arc::new(out)),
            Err(why) => {
                if !std::mem::replace(&mut bench.said, true) {
                    tracing::warn!("frame {id} is of no use: {why}; others only counted");
                }
                None
            }
        };
        if keep {
            let picture = picture.clone();
            bench.newest = Some(Converted { id, form, picture });
        }
        picture.ok_or(SkipCause::Unusable)
    }

    /// A placeholder's JPEG as packed BGR; none where it cannot be.
    pub fn still(&self, still: &Still) -> Option<Shared> {
        let mut bench = self.0.lock();
        if let Some((jpeg, pixels)) = &bench.still
            && Arc::ptr_eq(jpeg, &still.jpeg)
        {
            return Some(pixels.clone());
        }
        let mut pixels = Vec::new();
        decode(&still.jpeg, still.size, &mut pixels).ok()?;
        let pixels = Arc::new(pixels);
        bench.still = Some((still.jpeg.clone(), pixels.clone()));
        Some(pixels)
    }
}

/// Puts `frame` into `out` in this form.
fn convert(
    info: &FrameInfo,
    frame: &[u8],
    form: Form,
    quality: u8,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    match (Form::of(info), form) {
        (Some((Form::Jpeg, size)), Form::Bgr) => decode(frame, size, out),
        (Some((Form::Bgr, (width, height))), Form::Jpeg) => {
            let encoded = picture::encode_bgr(frame, width.into(), height.into(), quality, out);
            encoded.map_err(|e| e.to_string())
        }
        _ => {
            let (format, len) = (info.meta.format.escape_ascii(), info.len);
            Err(format!("{len} bytes of {format} are no picture"))
        }
    }
}

/// Decodes a JPEG that is to have this size.
fn decode(jpeg: &[u8], size: Size, out: &mut Vec<u8>) -> Result<(), String> {
    let found = picture::decode_bgr(jpeg, out).map_err(|e| e.to_string())?;
    let said = (size.0.into(), size.1.into());
    if found != said {
        return Err(format!("a JPEG of {found:?} pixels said to be of {said:?}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use shm_ring::{FrameMeta, Ring, Writer};

    use super::*;

    const SIZE: (u32, u32) = (64, 48);

    fn ring(test: &str) -> (Ring, Reader, Writer) {
        let name = format!("shm-ring-convert-{test}-{}", std::process::id());
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

    fn jpeg(shade: u8) -> Vec<u8> {
        let mut jpeg = Vec::new();
        let pixels = vec![shade; 64 * 48 * 3];
        picture::encode_bgr(&pixels, SIZE.0, SIZE.1, 90, &mut jpeg).unwrap();
        jpeg
    }

    #[test]
    fn the_newest_is_converted_once_for_all() {
        let (_ring, reader, mut writer) = ring("once");
        let converter = Converter::new(80);
        let [mine, yours] = [converter.join(), converter.join()];
        let first = publish(&mut writer, b"MJPG", &jpeg(10));
        let second = publish(&mut writer, b"MJPG", &jpeg(200));
        let picture = mine.picture(&reader, second, Form::Bgr).unwrap();
        assert_eq!(picture.len(), 64 * 48 * 3);
        assert!(picture.iter().all(|&sample| sample.abs_diff(200) <= 2));
        let again = yours.picture(&reader, second, Form::Bgr).unwrap();
        assert!(Arc::ptr_eq(&picture, &again));
        // Who is behind gets what he wants, and takes nothing from the others.
        let old = yours.picture(&reader, first, Form::Bgr).unwrap();
        assert!(old.iter().all(|&sample| sample.abs_diff(10) <= 2));
        let again = yours.picture(&reader, second, Form::Bgr).unwrap();
        assert!(Arc::ptr_eq(&picture, &again));
    }

    #[test]
    fn memory_is_used_again_unless_somebody_still_sends_it() {
        let (_ring, reader, mut writer) = ring("memory");
        let converter = Converter::new(80);
        let mine = converter.join();
        let mut next = |shade| {
            let id = publish(&mut writer, b"MJPG", &jpeg(shade));
            mine.picture(&reader, id, Form::Bgr).unwrap()
        };
        let first = next(10);
        let second = next(20);
        assert!(first.iter().all(|&sample| sample.abs_diff(10) <= 2));
        let place = second.as_ptr();
        drop(second);
        assert_eq!(next(30).as_ptr(), place);
        drop(mine);
        let bench = converter.lock();
        assert!(bench.newest.is_none() && bench.source.capacity() == 0);
    }

    #[test]
    fn to_jpeg_and_back() {
        let (_ring, reader, mut writer) = ring("back");
        let converter = Converter::new(95);
        let mine = converter.join();
        let pixels: Vec<u8> = (0..64 * 48)
            .flat_map(|i| [(i % 64) as u8 * 2, 128, 7])
            .collect();
        let id = publish(&mut writer, b"BGR3", &pixels);
        let jpeg = mine.picture(&reader, id, Form::Jpeg).unwrap();
        let mut back = Vec::new();
        decode(&jpeg, (64, 48), &mut back).unwrap();
        assert!(back.iter().zip(&pixels).all(|(a, b)| a.abs_diff(*b) < 16));
    }

    #[test]
    fn what_is_no_picture_is_tried_once() {
        let (_ring, reader, mut writer) = ring("none");
        let converter = Converter::new(80);
        let mine = converter.join();
        let mut odd = Vec::new();
        picture::encode_bgr(&[0; 192], 8, 8, 80, &mut odd).unwrap();
        for (format, bytes) in [
            (b"MJPG", b"no JPEG".as_slice()),
            (b"MJPG", &odd), // of another size than the ring says
            (b"YUYV", &[0; 64 * 48 * 2]),
        ] {
            let id = publish(&mut writer, format, bytes);
            for _ in 0..2 {
                let got = mine.picture(&reader, id, Form::Bgr);
                assert_eq!(got.unwrap_err(), SkipCause::Unusable);
                assert_eq!(converter.lock().newest.as_ref().unwrap().id, id);
            }
        }
        let gone = mine.picture(&reader, 99, Form::Bgr);
        assert_eq!(gone.unwrap_err(), SkipCause::Overwritten);
    }
}

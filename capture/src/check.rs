//! Which frames may be published.
//!
//! Not here: where they come from, and the counting of those that may not.

use std::borrow::Cow;

use picture::jpeg::{self, Info, JpegError};
use worker::DropCause;

/// Why a frame is not published.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It is not a whole JPEG.
    #[error("{0}")]
    Jpeg(#[from] JpegError),
    /// Its header says another size than the frames before it.
    #[error("a frame of {}x{} among those of {}x{}", .found.0, .found.1, .usual.0, .usual.1)]
    Size {
        found: (u16, u16),
        usual: (u16, u16),
    },
}

impl Refusal {
    /// What the frame is counted as.
    pub(crate) fn cause(&self) -> DropCause {
        match self {
            Refusal::Jpeg(JpegError::Truncated { .. } | JpegError::NoEoi { .. }) => {
                DropCause::Truncated
            }
            Refusal::Jpeg(JpegError::TooShort { len: 0 }) => DropCause::Empty,
            Refusal::Jpeg(_) | Refusal::Size { .. } => DropCause::Corrupt,
        }
    }
}

/// Checks frame after frame of one source.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    allow_truncated: bool,
    usual: Option<(u16, u16)>,
    odd: Option<(u16, u16)>,
}

impl Gate {
    /// `allow_truncated`: a picture that is cut short passes with an end (EOI) put to it, and browsers show it
    /// as far as it goes.
    pub(crate) fn new(allow_truncated: bool) -> Gate {
        Gate {
            allow_truncated,
            ..Gate::default()
        }
    }

    /// Another source, or the same anew: its frames may have another size.
    pub(crate) fn forget(&mut self) {
        (self.usual, self.odd) = (None, None);
    }

    /// The frame as it may be published: whole, with Huffman tables, without what follows it.
    ///
    /// Where the source has a `fixed_size`, one frame of another size is a damaged header; two in
    /// a row are what the device really delivers.
    pub(crate) fn check<'a>(
        &mut self,
        bytes: &'a [u8],
        fixed_size: bool,
    ) -> Result<(Info, Cow<'a, [u8]>), Refusal> {
        let (info, whole) = match jpeg::complete(bytes) {
            Err(JpegError::NoEoi { .. }) if self.allow_truncated => ended(bytes)?,
            checked => checked?,
        };
        let found = (info.width, info.height);
        if fixed_size
            && let Some(usual) = self.usual
            && found != usual
            && self.odd.replace(found) != Some(found)
        {
            return Err(Refusal::Size { found, usual });
        }
        self.usual = Some(found);
        self.odd = None;
        Ok((info, whole))
    }
}

/// The frame with EOI at its end.
fn ended(bytes: &[u8]) -> Result<(Info, Cow<'_, [u8]>), JpegError> {
    // A marker that was cut in the middle would swallow the first byte of it.
    let data = bytes.strip_suffix(&[0xff]).unwrap_or(bytes);
    let whole = [data, &[0xff, 0xd9]].concat();
    let (info, completed) = jpeg::complete(&whole)?;
    let completed = completed.into_owned();
    Ok((info, Cow::Owned(completed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(width: u32) -> Vec<u8> {
        let mut jpeg = Vec::new();
        let mut picture = picture::TestPicture::new(width, 48, 30, 80).unwrap();
        picture.render(1, 0, &mut jpeg);
        jpeg
    }

    #[test]
    fn what_is_no_jpeg_is_refused_and_the_next_passes() {
        let mut gate = Gate::default();
        let whole = jpeg(64);
        for bad in [&b""[..], b"GIF89a", &whole[..whole.len() / 2], &whole[2..]] {
            assert!(matches!(gate.check(bad, true), Err(Refusal::Jpeg(_))));
        }
        assert!(gate.check(&whole, true).is_ok());
    }

    #[test]
    fn what_is_cut_short_passes_where_it_is_allowed() {
        let whole = jpeg(64);
        for len in [whole.len() - 1, whole.len() - 2, whole.len() * 2 / 3] {
            let cut = &whole[..len];
            let refusal = Gate::default().check(cut, true).unwrap_err();
            assert_eq!(refusal.cause(), DropCause::Truncated);
            let mut gate = Gate::new(true);
            let (info, passed) = gate.check(cut, true).unwrap();
            assert_eq!((info.width, info.len), (64, passed.len()));
            assert!(passed.ends_with(&[0xff, 0xd9]));
        }
        // Without picture data there is nothing to show.
        assert!(Gate::new(true).check(&whole[..40], true).is_err());
        assert_eq!(
            Gate::default().check(b"", true).unwrap_err().cause(),
            DropCause::Empty
        );
    }

    #[test]
    fn what_follows_the_end_is_cut() {
        let whole = jpeg(64);
        let padded = [whole.as_slice(), &[0; 100]].concat();
        let (_, passed) = Gate::default().check(&padded, true).unwrap();
        assert_eq!(*passed, *whole);
    }

    #[test]
    fn one_frame_of_another_size_is_damaged_and_two_are_the_truth() {
        let (usual, other) = (jpeg(64), jpeg(96));
        let mut gate = Gate::default();
        let mut passes = |bytes| gate.check(bytes, true).is_ok();
        assert!(passes(&usual));
        assert!(!passes(&other));
        assert!(passes(&usual));
        assert!(!passes(&other));
        assert!(passes(&other));
        assert!(passes(&other));
    }

    #[test]
    fn a_source_without_a_size_of_its_own_may_mix_them() {
        let (a, b) = (jpeg(64), jpeg(96));
        let mut gate = Gate::default();
        for bytes in [&a, &b, &a, &b] {
            assert!(gate.check(bytes, false).is_ok());
        }
    }
}

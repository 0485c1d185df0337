use proptest::prelude::*;

use super::*;
use crate::testing::{Recipe, decode, recipes, without};

/// Where the first marker of this kind stands.
fn find(jpeg: &[u8], marker: u8) -> usize {
    jpeg.windows(2).position(|w| w == [0xff, marker]).unwrap()
}

#[test]
fn says_what_the_headers_say() {
    let jpeg = Recipe::plain().jpeg();
    let info = check(&jpeg).unwrap();
    assert_eq!((info.width, info.height), (40, 24));
    assert!(info.has_huffman_tables);
    assert_eq!(info.len, jpeg.len());
}

#[test]
fn a_whole_frame_is_not_copied() {
    let jpeg = Recipe::plain().jpeg();
    let (_, bytes) = complete(&jpeg).unwrap();
    assert!(matches!(bytes, Cow::Borrowed(b) if b == jpeg));
}

#[test]
fn cuts_what_follows_the_end() {
    let jpeg = Recipe::plain().jpeg();
    for tail in [
        &[0; 4096][..],
        &[0xff; 9],
        b"\xff\xd8\xff\xe0 stale \xff\xd9",
    ] {
        let padded = [&jpeg, tail].concat();
        assert_eq!(check(&padded).unwrap().len, jpeg.len());
        assert_eq!(*complete(&padded).unwrap().1, *jpeg);
    }
}

#[test]
fn no_jpeg() {
    assert_eq!(check(&[]), Err(JpegError::TooShort { len: 0 }));
    assert_eq!(check(b"\xff\xd8\xff"), Err(JpegError::TooShort { len: 3 }));
    assert_eq!(check(b"GIF89a"), Err(JpegError::NoSoi));
    assert_eq!(check(b"\xff\xd8\xff\xd9"), Err(JpegError::NoFrameHeader));
    assert_eq!(check(b"\xff\xd8 no"), Err(JpegError::Damaged { offset: 2 }));
}

#[test]
fn a_new_frame_within_the_old_is_damage() {
    let jpeg = Recipe::plain().jpeg();
    let cut = jpeg.len() - 40;
    let spliced = [&jpeg[..cut], &jpeg].concat();
    let Err(JpegError::Damaged { offset }) = check(&spliced) else {
        panic!("{:?}", check(&spliced));
    };
    assert_eq!(offset, cut);
}

#[test]
fn a_scan_without_data_is_no_picture() {
    let jpeg = Recipe::plain().jpeg();
    let sos = find(&jpeg, SOS);
    let data = sos + 2 + usize::from(jpeg[sos + 3]);
    let empty = [&jpeg[..data], b"\xff\xd9"].concat();
    assert_eq!(check(&empty), Err(JpegError::NoScan));
}

#[test]
fn no_pixels_and_no_quantisation_table() {
    let mut jpeg = Recipe::plain().jpeg();
    assert_eq!(
        check(&without(&jpeg, DQT)),
        Err(JpegError::NoQuantisationTable { id: 0 })
    );
    assert_eq!(check(&without(&jpeg, 0xc0)), Err(JpegError::NoFrameHeader));
    let sof = find(&jpeg, 0xc0);
    jpeg[sof + 1] = 0xc3;
    assert_eq!(check(&jpeg), Err(JpegError::Unsupported { marker: 0xc3 }));
    jpeg[sof + 1] = 0xc0;
    jpeg[sof + 5..sof + 7].fill(0);
    assert_eq!(
        check(&jpeg),
        Err(JpegError::NoPixels {
            width: 40,
            height: 0
        })
    );
}

#[test]
fn a_missing_table_beside_those_given_is_put_in_alone() {
    let recipe = Recipe {
        optimised: true,
        ..Recipe::plain()
    };
    // Standard tables for all but one: the encoder writes each into a segment of its own.
    let jpeg = Recipe::plain().jpeg();
    let first = find(&jpeg, DHT);
    let end = first + 2 + usize::from(u16::from_be_bytes([jpeg[first + 2], jpeg[first + 3]]));
    let partial = [&jpeg[..first], &jpeg[end..]].concat();
    assert!(!check(&partial).unwrap().has_huffman_tables);
    let (info, whole) = complete(&partial).unwrap();
    assert_eq!(info.len, whole.len());
    assert_eq!(decode(&whole), decode(&jpeg));
    // A table that is not standard cannot be put in.
    let mut odd = without(&recipe.jpeg(), DHT);
    let sos = find(&odd, SOS);
    odd[sos + 6] = 0x22;
    assert_eq!(check(&odd), Err(JpegError::NoHuffmanTable));
}

#[test]
fn the_standard_tables_are_the_encoders() {
    let jpeg = Recipe::plain().jpeg();
    let bare = without(&jpeg, DHT);
    let (_, whole) = complete(&bare).unwrap();
    assert_eq!(check(&whole).unwrap().len, whole.len());
    assert_eq!(decode(&whole), decode(&jpeg));
}

proptest! {
    #[test]
    fn every_whole_jpeg_passes(recipe in recipes()) {
        let jpeg = recipe.jpeg();
        let info = check(&jpeg).unwrap();
        prop_assert_eq!((info.width, info.height), (recipe.width, recipe.height));
        prop_assert_eq!(info.len, jpeg.len());
        prop_assert!(info.has_huffman_tables);
    }

    #[test]
    fn no_part_of_a_jpeg_passes(recipe in recipes(), cut in any::<prop::sample::Index>()) {
        let jpeg = recipe.jpeg();
        prop_assert!(check(&jpeg[..cut.index(jpeg.len())]).is_err());
    }

    #[test]
    fn completed_frames_look_the_same(recipe in recipes()) {
        let recipe = Recipe { progressive: false, optimised: false, ..recipe };
        let jpeg = recipe.jpeg();
        let bare = without(&jpeg, DHT);
        prop_assert!(!check(&bare).unwrap().has_huffman_tables);
        let (info, whole) = complete(&bare).unwrap();
        prop_assert!(info.has_huffman_tables);
        prop_assert_eq!(info, check(&whole).unwrap());
        prop_assert_eq!(decode(&whole), decode(&jpeg));
    }

    #[test]
    fn damage_never_panics(
        recipe in recipes(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut jpeg = recipe.jpeg();
        for (at, byte) in damage {
            let at = at.index(jpeg.len());
            jpeg[at] = byte;
        }
        if let Ok((info, whole)) = complete(&jpeg) {
            prop_assert_eq!(info, check(&whole).unwrap());
        }
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = check(&noise);
        let _ = complete(&[b"\xff\xd8\xff", noise.as_slice()].concat());
    }
}

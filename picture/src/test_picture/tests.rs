use proptest::prelude::*;

use super::*;
use crate::testing::{decode, difference};
use crate::{MAX_PIXELS, MAX_SIDE, MIN_HEIGHT, MIN_WIDTH, jpeg, tiles};

#[test]
fn tells_the_time_of_day() {
    assert_eq!(clock_text(0), "00:00:00.000");
    assert_eq!(clock_text(86_399_999), "23:59:59.999");
    assert_eq!(clock_text(45_296_007), "12:34:56.007");
}

#[test]
fn sizes_and_qualities_out_of_range_are_refused() {
    let refused = |w, h, q| TestPicture::new(w, h, 30, q).map(|_| ()).unwrap_err();
    assert!(matches!(
        refused(MIN_WIDTH - 1, 480, 80),
        Error::Size { width: 63, .. }
    ));
    assert!(matches!(
        refused(640, MIN_HEIGHT - 1, 80),
        Error::Size { .. }
    ));
    assert!(matches!(refused(MAX_SIDE + 1, 64, 80), Error::Size { .. }));
    assert!(matches!(
        refused(u32::MAX, u32::MAX, 80),
        Error::Size { .. }
    ));
    let too_high = (MAX_PIXELS / u64::from(MAX_SIDE)) as u32 + 1;
    assert!(matches!(
        refused(MAX_SIDE, too_high, 80),
        Error::Size { .. }
    ));
    assert!(matches!(refused(640, 480, 0), Error::Quality(0)));
    assert!(matches!(refused(640, 480, 101), Error::Quality(101)));
}

#[test]
fn nothing_overlaps_nor_leaves_the_picture() {
    let sides = [48, 49, 64, 99, 120, 160, 333, 720, 1080, 2160, 5000, 65_500];
    for (w, h) in sides.iter().flat_map(|&w| sides.map(|h| (w.max(64), h))) {
        let l = Layout::new(w, h, format!("{w}x{h} 1000 fps").len());
        let header_end = l.margin + l.header_cap.round() as i32;
        let bars_end = l.bars.y + l.bars.h;
        let track_end = l.track.y + l.track.h;
        let cap = l.digit_cap.round() as i32;
        let order = [
            l.margin,
            header_end,
            l.bars.y,
            bars_end,
            l.track.y,
            track_end,
            l.digit_ys[0],
            l.digit_ys[0] + cap,
            l.digit_ys[1],
            l.digit_ys[1] + cap,
            h - l.margin,
        ];
        assert!(order.is_sorted(), "{w}x{h}: {order:?}");
        assert!(l.bars.h > 0 && l.track.h > 0, "{w}x{h}");
        let digits = Face::new(l.digit_cap, "0");
        let digits_end = (CLOCK.len() as f32 + LABELS) * digits.advance() as f32;
        assert!(digits_end <= l.content as f32 + 1.0, "{w}x{h}");
        let header = Face::new(l.header_cap, "0");
        let letters = (NAME.len() + format!("{w}x{h} 1000 fps").len()) as i32;
        assert!(
            l.header_cap == 0.0 || letters * header.advance() < l.content,
            "{w}x{h}"
        );
    }
}

/// What tile by tile came out of many renders is what a new drawing, encoded in one piece, gives.
fn same_as_encoded_whole(w: u32, h: u32, quality: u8, frames: &[(u64, u64)]) {
    let mut live = TestPicture::new(w, h, 30, quality).unwrap();
    let mut out = vec![1, 2, 3];
    for &(id, at) in frames {
        live.render(id, at, &mut out);
    }
    let info = jpeg::check(&out).unwrap();
    assert_eq!((u32::from(info.width), u32::from(info.height)), (w, h));
    assert_eq!(info.len, out.len());
    let (dw, dh, pixels) = decode(&out);
    assert_eq!((dw as u32, dh as u32), (w, h));

    let mut fresh = TestPicture::new(w, h, 30, quality).unwrap();
    let &(id, at) = frames.last().unwrap();
    fresh.render(id, at, &mut Vec::new());
    let mut whole = Vec::new();
    tiles::encode(&fresh.scene.canvas, quality, None, &mut whole).unwrap();
    // Tiles that the edge cuts are filled up with different pixels, which shows at the edge and, as
    // colours are interpolated, up to a pixel beside. Only the empty margin lies there.
    let (_, _, whole) = decode(&whole);
    let inner = |side: usize| {
        if side.is_multiple_of(16) {
            side
        } else {
            side / 16 * 16 - 1
        }
    };
    let (inner_w, inner_h) = (inner(dw), inner(dh));
    for (y, (a, b)) in pixels.chunks(dw * 3).zip(whole.chunks(dw * 3)).enumerate() {
        let same = if y < inner_h { inner_w * 3 } else { 0 };
        assert_eq!(difference(&a[..same], &b[..same]), 0, "line {y}");
    }
    // There, the margin is seen as long as it is wide enough that no bar shares its blocks' worst noise.
    if quality >= 80 && w.min(h) >= 200 {
        let dark = |pixels: &[u8]| pixels.iter().all(|&p| p < 100);
        assert!(dark(&pixels[(dh - 1) * dw * 3..]));
        assert!(pixels.chunks(dw * 3).all(|row| dark(&row[row.len() - 3..])));
    }
}

#[test]
fn usual_sizes_are_as_encoded_whole() {
    let frames = [
        (1, 1_000_000_000),
        (2, 1_033_333_333),
        (1_000_000, 86_399_999_000_000),
    ];
    for (w, h) in [(160, 120), (320, 240), (640, 480), (1280, 720)] {
        same_as_encoded_whole(w, h, 80, &frames);
    }
}

#[test]
fn extreme_shapes_are_drawn() {
    for (w, h) in [
        (MIN_WIDTH, MIN_HEIGHT),
        (MAX_SIDE, MIN_HEIGHT),
        (MIN_WIDTH, MAX_SIDE),
    ] {
        let mut out = Vec::new();
        let mut picture = TestPicture::new(w, h, u32::MAX, 50).unwrap();
        picture.render(u64::MAX, u64::MAX, &mut out);
        let info = jpeg::check(&out).unwrap();
        assert_eq!((u32::from(info.width), u32::from(info.height)), (w, h));
    }
}

#[test]
fn another_id_changes_its_digits_alone() {
    let mut picture = TestPicture::new(640, 480, 30, 90).unwrap();
    let (mut a, mut b) = (Vec::new(), Vec::new());
    picture.render(1998, 5_500_000_000, &mut a);
    picture.render(1999, 5_500_000_000, &mut b);
    assert_ne!(a, b);
    let ((w, _, a), (_, _, b)) = (decode(&a), decode(&b));
    // The last digit and a tile around it.
    let line = &picture.scene.id;
    let xs = line.x + 3 * line.face.advance() - 16..line.x + 4 * line.face.advance() + 16;
    let ys = line.y - 16..line.y + line.face.cap_height() + 16;
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        let (x, y) = ((i / 3 % w) as i32, (i / 3 / w) as i32);
        assert!(a == b || xs.contains(&x) && ys.contains(&y), "{x},{y}");
    }
}

#[test]
fn the_same_frame_twice_is_the_same_bytes() {
    let mut picture = TestPicture::new(320, 240, 30, 80).unwrap();
    let (mut a, mut b, mut other) = (Vec::new(), Vec::new(), Vec::new());
    picture.render(5, 123_456_789_000, &mut a);
    picture.render(100_000, 999_456_789_000, &mut other);
    picture.render(5, 123_456_789_000, &mut b);
    assert_eq!(a, b);
    assert_ne!(a, other);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_size_at_any_time_is_as_encoded_whole(
        w in 64u32..400,
        h in 48u32..300,
        quality in 1u8..=100,
        frames in prop::collection::vec((any::<u64>(), any::<u64>()), 1..5),
    ) {
        same_as_encoded_whole(w, h, quality, &frames);
    }
}

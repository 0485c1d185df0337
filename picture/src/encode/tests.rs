//! From a picture to raw bytes of each format, to a JPEG, and back by another library's decoder.

use proptest::prelude::*;

use super::*;
use crate::testing::decode;
use crate::{Error, MAX_SIDE};

const ALL: [PixelFormat; 8] = PixelFormat::ALL;

/// Red, green and blue of a place.
type Picture = fn(usize, usize) -> [u8; 3];

/// The colours of a test card, 40 pixels wide each.
const BARS: [[u8; 3]; 8] = [
    [255, 255, 255],
    [255, 255, 0],
    [0, 255, 255],
    [0, 255, 0],
    [255, 0, 255],
    [255, 0, 0],
    [0, 0, 255],
    [0, 0, 0],
];

fn bars(x: usize, _: usize) -> [u8; 3] {
    BARS[x / 40 % 8]
}

/// Slopes of every colour, with some texture.
fn slopes(x: usize, y: usize) -> [u8; 3] {
    let wave = |t: usize| (120.0 + 80.0 * (t as f64 / 37.0).sin()) as u8;
    let texture = ((x * 7) ^ (y * 5)) as u8 % 16;
    [
        wave(x) + texture,
        wave(y + 40) + texture,
        wave(x + 2 * y) + texture,
    ]
}

fn plain(_: usize, _: usize) -> [u8; 3] {
    [179, 116, 51]
}

/// Y, Cb and Cr by BT.601 as V4L2 has them by default.
fn ycc(rgb: [u8; 3]) -> [f64; 3] {
    let [r, g, b] = rgb.map(|c| f64::from(c) / 255.0);
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    [
        16.0 + 219.0 * y,
        128.0 + 224.0 * (b - y) / 1.772,
        128.0 + 224.0 * (r - y) / 1.402,
    ]
}

/// A frame as a driver gives it, with `pad` bytes of noise behind each line but the last.
struct Raw {
    bytes: Vec<u8>,
    format: RawFormat,
}

fn raw(picture: Picture, pixels: PixelFormat, w: usize, h: usize, pad: usize) -> Raw {
    // YU12 has half the stride in its small planes.
    let pad = if pixels == PixelFormat::Yu12 {
        pad * 2
    } else {
        pad
    };
    let at = |x: usize, y: usize| picture(x.min(w - 1), y.min(h - 1));
    let mean = |x: usize, y: usize, tall: usize, i: usize| {
        let square = (0..2 * tall).map(|k| ycc(at(x + k % 2, y + k / 2))[i]);
        (square.sum::<f64>() / (2 * tall) as f64).round() as u8
    };
    let luma = |x: usize, y: usize| ycc(at(x, y))[0].round() as u8;
    let pairs = || (0..w).step_by(2);
    let packed = |order: [usize; 4]| -> Vec<Vec<u8>> {
        let pixel = |x, y| {
            let all = [
                luma(x, y),
                mean(x, y, 1, 1),
                luma(x + 1, y),
                mean(x, y, 1, 2),
            ];
            order.map(|i| all[i])
        };
        (0..h)
            .map(|y| pairs().flat_map(|x| pixel(x, y)).collect())
            .collect()
    };
    let rgb = |order: [usize; 3]| -> Vec<Vec<u8>> {
        let line = |y| (0..w).flat_map(|x| order.map(|i| at(x, y)[i])).collect();
        (0..h).map(line).collect()
    };
    let grey = |w: usize| -> Vec<Vec<u8>> {
        (0..h)
            .map(|y| (0..w).map(|x| luma(x, y)).collect())
            .collect()
    };
    let even = w.next_multiple_of(2);
    let (lines, small): (_, Vec<Vec<u8>>) = match pixels {
        PixelFormat::Yuyv => (packed([0, 1, 2, 3]), vec![]),
        PixelFormat::Yvyu => (packed([0, 3, 2, 1]), vec![]),
        PixelFormat::Uyvy => (packed([1, 0, 3, 2]), vec![]),
        PixelFormat::Rgb24 => (rgb([0, 1, 2]), vec![]),
        PixelFormat::Bgr24 => (rgb([2, 1, 0]), vec![]),
        PixelFormat::Grey => (grey(w), vec![]),
        PixelFormat::Nv12 => {
            let both = |y| {
                pairs()
                    .flat_map(|x| [1, 2].map(|i| mean(x, y, 2, i)))
                    .collect()
            };
            let small: Vec<_> = (0..h).step_by(2).map(both).collect();
            ([grey(even), small].concat(), vec![])
        }
        PixelFormat::Yu12 => {
            let plane = |i| {
                let line = move |y| pairs().map(|x| mean(x, y, 2, i)).collect::<Vec<u8>>();
                (0..h).step_by(2).map(line).collect::<Vec<_>>()
            };
            (grey(even), [plane(1), plane(2)].concat())
        }
    };
    let stride = lines[0].len() + pad;
    let gap = |pad| std::iter::repeat_n(0xa5, pad);
    let mut bytes: Vec<u8> = lines
        .into_iter()
        .flat_map(|line| line.into_iter().chain(gap(pad)))
        .chain(
            small
                .iter()
                .flat_map(|line| line.iter().copied().chain(gap(pad / 2))),
        )
        .collect();
    bytes.truncate(bytes.len() - if small.is_empty() { pad } else { pad / 2 });
    let format = RawFormat::new(pixels, w as u32, h as u32).with_stride(stride);
    Raw { bytes, format }
}

/// Red, green and blue of what another library makes of our JPEG.
fn through(raw: &Raw, engine: Engine, quality: u8) -> Vec<u8> {
    let (mut planes, mut jpeg) = (Planes::default(), vec![9; 9]);
    planes.load(&raw.bytes, &raw.format).unwrap();
    let mut encoder = Encoder::with_engine(engine, quality).unwrap();
    encoder.encode(&planes, &mut jpeg).unwrap();
    crate::jpeg::check(&jpeg).expect("whole");
    let (w, h, pixels) = decode(&jpeg);
    assert_eq!((w as u32, h as u32), (raw.format.width, raw.format.height));
    if pixels.len() == w * h {
        return pixels.iter().flat_map(|&grey| [grey; 3]).collect();
    }
    pixels
}

/// What should be seen of a picture in that format.
fn wanted(picture: Picture, pixels: PixelFormat, x: usize, y: usize) -> [u8; 3] {
    let [r, g, b] = picture(x, y);
    if pixels != PixelFormat::Grey {
        return [r, g, b];
    }
    let [r, g, b] = [r, g, b].map(f64::from);
    [(0.299 * r + 0.587 * g + 0.114 * b).round() as u8; 3]
}

/// Peak signal to noise of what is seen against the picture itself, decibels.
fn psnr(seen: &[u8], picture: Picture, format: &RawFormat) -> f64 {
    let width = format.width as usize;
    let squares = seen.chunks_exact(3).enumerate().flat_map(|(i, seen)| {
        let want = wanted(picture, format.pixels, i % width, i / width);
        [0, 1, 2].map(|c| f64::from(seen[c].abs_diff(want[c])).powi(2))
    });
    10.0 * (255.0f64.powi(2) * seen.len() as f64 / squares.sum::<f64>()).log10()
}

fn engines() -> Vec<Engine> {
    vec![
        Engine::Portable,
        #[cfg(feature = "turbojpeg")]
        Engine::Turbo,
    ]
}

#[test]
fn red_is_red_in_every_format() {
    for engine in engines() {
        for pixels in ALL {
            let seen = through(&raw(bars, pixels, 320, 32, 0), engine, 95);
            for (bar, colour) in BARS.iter().enumerate() {
                let x = bar * 40 + 20;
                let want = wanted(bars, pixels, x, 10);
                let at = &seen[(10 * 320 + x) * 3..][..3];
                for (got, want) in at.iter().zip(want) {
                    assert!(got.abs_diff(want) <= 4, "{pixels} {colour:?}: {at:?}");
                }
            }
        }
    }
}

#[test]
fn pictures_come_through_in_every_format() {
    for engine in engines() {
        for pixels in ALL {
            for (w, h, pad) in [(320, 240, 0), (320, 240, 64), (161, 99, 7)] {
                let raw = raw(slopes, pixels, w, h, pad);
                let got = psnr(&through(&raw, engine, 92), slopes, &raw.format);
                assert!(got > 35.0, "{engine:?} {} +{pad}: {got:.1} dB", raw.format);
            }
        }
    }
}

#[test]
fn all_formats_of_a_picture_load_alike() {
    let load = |pixels| {
        let raw = raw(slopes, pixels, 64, 48, 0);
        let mut planes = Planes::default();
        planes.load(&raw.bytes, &raw.format).unwrap();
        planes
    };
    let first = load(PixelFormat::Rgb24);
    for pixels in ALL {
        for (plane, want) in load(pixels).planes().iter().zip(first.planes()) {
            for (got, want) in plane.iter().zip(want) {
                // RGB comes from finer steps than limited range has.
                assert!(got.abs_diff(*want) <= 2, "{pixels}: {got} and {want}");
            }
        }
    }
}

#[test]
fn full_range_is_left_as_it_is() {
    let colours = Colours {
        matrix: Matrix::Bt601,
        range: Range::Full,
    };
    let format = RawFormat::new(PixelFormat::Yuyv, 4, 2).with_colours(colours);
    let mut planes = Planes::default();
    let frame = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 10, 13, 12, 15, 14, 17];
    planes.load(&frame, &format).unwrap();
    let [y, cb, cr] = planes.planes();
    assert_eq!(y, [0, 2, 4, 6, 8, 10, 12, 14]);
    assert_eq!((cb, cr), (&[6, 10][..], &[8, 12][..]));
}

#[test]
fn another_matrix_gives_the_same_colours() {
    // Red, green and blue by BT.709, limited.
    for (yuv, rgb) in [
        ([63, 102, 240], [255, 0, 0]),
        ([173, 42, 26], [0, 255, 0]),
        ([32, 240, 118], [0, 0, 255]),
    ] {
        let [y, u, v] = yuv;
        let colours = Colours::from_v4l2(PixelFormat::Uyvy, 3, 0, 0);
        let raw = Raw {
            bytes: [u, y, v, y].repeat(16 * 16),
            format: RawFormat::new(PixelFormat::Uyvy, 32, 16).with_colours(colours),
        };
        let seen = through(&raw, Engine::Portable, 95);
        for (got, want) in seen.iter().zip(rgb.iter().cycle()) {
            assert!(got.abs_diff(*want) <= 5, "{rgb:?}: {:?}", &seen[..3]);
        }
    }
}

#[test]
fn buffers_are_used_again_and_hold_nothing_of_the_last_frame() {
    let (mut planes, mut jpeg) = (Planes::default(), Vec::new());
    let mut encoder = Encoder::new(80).unwrap();
    for (pixels, w, h) in [
        (PixelFormat::Yuyv, 160, 120),
        (PixelFormat::Grey, 33, 17),
        (PixelFormat::Nv12, 99, 51),
    ] {
        let raw = raw(slopes, pixels, w, h, 3);
        planes.load(&raw.bytes, &raw.format).unwrap();
        encoder.encode(&planes, &mut jpeg).unwrap();
        let (mut fresh, mut alone) = (Planes::default(), Vec::new());
        fresh.load(&raw.bytes, &raw.format).unwrap();
        encoder.encode(&fresh, &mut alone).unwrap();
        assert!(jpeg == alone, "{pixels}");
    }
}

#[test]
fn what_cannot_be_encoded_is_refused() {
    let load = |len: usize, pixels, w, h, stride| {
        let format = RawFormat::new(pixels, w, h).with_stride(stride);
        Planes::default().load(&vec![0; len], &format).unwrap_err()
    };
    let yuyv = PixelFormat::Yuyv;
    assert!(matches!(load(0, yuyv, 0, 8, 1), Error::FrameSize { .. }));
    assert!(matches!(
        load(0, yuyv, 8, MAX_SIDE + 1, 16),
        Error::FrameSize { .. }
    ));
    let error = load(256, yuyv, 8, 8, 15);
    assert!(matches!(error, Error::Stride { line: 16, .. }));
    for pixels in ALL {
        assert!(matches!(
            load(64, pixels, 8, 8, usize::MAX),
            Error::TooShort { .. }
        ));
    }
    let said = load(127, yuyv, 8, 8, 16).to_string();
    assert_eq!(said, "a frame of 8x8 needs 128 bytes and has 127");
    assert!(matches!(Encoder::new(0), Err(Error::Quality(0))));
    let nothing = Encoder::new(80)
        .unwrap()
        .encode(&Planes::default(), &mut Vec::new());
    assert!(matches!(nothing, Err(Error::FrameSize { .. })));
}

#[test]
fn fourccs_are_those_of_the_kernel() {
    for (fourcc, pixels) in [
        (b"YUYV", PixelFormat::Yuyv),
        (b"RGB3", PixelFormat::Rgb24),
        (b"BGR3", PixelFormat::Bgr24),
        (b"YU12", PixelFormat::Yu12),
    ] {
        assert_eq!(PixelFormat::from_fourcc(*fourcc), Some(pixels));
    }
    for pixels in ALL {
        assert_eq!(PixelFormat::from_fourcc(pixels.fourcc()), Some(pixels));
    }
    assert_eq!(PixelFormat::from_fourcc(*b"MJPG"), None);
}

proptest! {
    #[test]
    fn any_size_and_stride(
        pixels in prop::sample::select(ALL.to_vec()), w in 1usize..80, h in 1usize..60, pad in 0usize..9,
    ) {
        let raw = raw(plain, pixels, w, h, pad);
        prop_assert_eq!(raw.format.frame_len().unwrap(), raw.bytes.len());
        let want = wanted(plain, pixels, 0, 0);
        for engine in engines() {
            let seen = through(&raw, engine, 95);
            for (got, want) in seen.iter().zip(want.iter().cycle()) {
                prop_assert!(got.abs_diff(*want) <= 4, "{:?}", &seen[..3]);
            }
        }
    }

    /// Whatever a driver says of a buffer that holds `len` bytes: an error where it is too short, and
    /// never a panic.
    #[test]
    fn any_buffer(
        pixels in prop::sample::select(ALL.to_vec()), w in 0u32..70, h in 0u32..40,
        stride in 0usize..400, len in 0usize..12_000, enc in 0u32..9, range in 0u32..4,
    ) {
        let format = RawFormat::new(pixels, w, h)
            .with_stride(stride)
            .with_colours(Colours::from_v4l2(pixels, enc, enc, range));
        let loaded = Planes::default().load(&vec![77; len], &format);
        let fits = format.frame_len().is_ok_and(|need| need <= len);
        prop_assert_eq!(loaded.is_ok(), fits);
    }
}

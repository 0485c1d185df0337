//! Letters of any size: Noto Sans Mono Bold, scaled from one set of bitmaps.
//!
//! The bitmaps come with the crate `noto-sans-mono-bitmap`; the font's licence is the SIL Open Font
//! License 1.1. ASCII only; other characters show as `?`. Where letters go and in which colour is `canvas`'.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster};

use crate::canvas::Rect;

/// What the bitmaps measure, in their pixels: the width of every letter, and the rows that hold
/// capitals and digits. Nothing is drawn above `TOP` or below `BOTTOM`.
const ADVANCE: f32 = 14.0;
const CAP_TOP: f32 = 8.0;
const CAP_HEIGHT: f32 = 17.0;
const TOP: f32 = 6.0;
const BOTTOM: f32 = 32.0;

/// Letters of one size.
pub(crate) struct Face {
    scale: f32,
    glyphs: Vec<Option<Glyph>>,
}

/// The coverage of a letter's pixels, and where they lie.
pub(crate) struct Glyph {
    /// Pixels from the place of the letter to the first column with ink.
    left: i32,
    /// Pixels from the top of the capitals to the first row with ink, upwards negative.
    top: i32,
    width: i32,
    height: i32,
    /// Row by row, 0 for none to 255 for wholly covered.
    pub(crate) coverage: Vec<u8>,
}

impl Face {
    /// The letters of `text`, with capitals `cap_height` pixels high; of no height, no letters.
    pub(crate) fn new(cap_height: f32, text: &str) -> Face {
        let mut face = Face {
            scale: cap_height / CAP_HEIGHT,
            glyphs: Vec::new(),
        };
        face.glyphs.resize_with(128, || None);
        for c in text.chars().filter(|_| cap_height > 0.0) {
            let slot = &mut face.glyphs[index(c)];
            if slot.is_none()
                && let Some(raster) = raster(c)
            {
                *slot = Some(Glyph::scaled(&raster, face.scale));
            }
        }
        face
    }

    /// The largest cap height at which `letters` letters are at most `width` pixels wide.
    pub(crate) fn cap_height_for(letters: f32, width: f32) -> f32 {
        (width / letters).floor() * CAP_HEIGHT / ADVANCE
    }

    /// Pixels from letter to letter.
    pub(crate) fn advance(&self) -> i32 {
        // A whole number, so that a letter looks the same in every place.
        (self.scale * ADVANCE).round().max(1.0) as i32
    }

    /// Height of capitals and digits.
    pub(crate) fn cap_height(&self) -> i32 {
        (self.scale * CAP_HEIGHT).round() as i32
    }

    pub(crate) fn glyph(&self, c: char) -> Option<&Glyph> {
        self.glyphs[index(c)].as_ref()
    }
}

fn index(c: char) -> usize {
    if c.is_ascii() {
        c as usize
    } else {
        usize::from(b'?')
    }
}

fn raster(c: char) -> Option<RasterizedChar> {
    let c = if c.is_ascii() { c } else { '?' };
    get_raster(c, FontWeight::Bold, RasterHeight::Size32)
}

impl Glyph {
    /// The pixels of a letter whose capitals have their upper left corner at (x, y).
    pub(crate) fn rect(&self, x: i32, y: i32) -> Rect {
        Rect {
            x: x + self.left,
            y: y + self.top,
            w: self.width,
            h: self.height,
        }
    }

    /// The bitmap is taken for samples of a smooth surface whose contour at one half is the letter's
    /// outline: so it stays sharp when it is magnified.
    fn scaled(raster: &RasterizedChar, scale: f32) -> Glyph {
        let top = ((TOP - CAP_TOP) * scale).floor() as i32;
        let bottom = ((BOTTOM - CAP_TOP) * scale).ceil() as i32;
        let width = (ADVANCE * scale).round().max(1.0) as usize;
        // When it is made smaller, the mean of several samples a pixel.
        let samples = (2.0 / scale).ceil().clamp(1.0, 12.0) as i32;
        let sharpness = (scale * samples as f32).max(1.0);
        let step = ADVANCE / width as f32;
        let mut coverage = Vec::with_capacity(width * (bottom - top) as usize);
        for y in top..bottom {
            for x in 0..width as i32 {
                let mut sum = 0.0;
                for i in 0..samples * samples {
                    let inside = |k: i32| (k as f32 + 0.5) / samples as f32;
                    let sx = (x as f32 + inside(i % samples)) * step;
                    let sy = (y as f32 + inside(i / samples)) / scale + CAP_TOP;
                    let height = surface(raster, sx - 0.5, sy - 0.5);
                    sum += ((height - 0.5) * sharpness + 0.5).clamp(0.0, 1.0);
                }
                coverage.push((sum * 255.0 / (samples * samples) as f32).round() as u8);
            }
        }
        Glyph::cropped(&coverage, width, top)
    }

    /// Cuts off what has no ink, so that drawing a letter touches no more than it must.
    fn cropped(coverage: &[u8], width: usize, top: i32) -> Glyph {
        let ink = |(i, _): (usize, &u8)| (i % width, i / width);
        let inked = || {
            coverage
                .iter()
                .enumerate()
                .filter(|(_, c)| **c > 0)
                .map(ink)
        };
        let from = |at: fn((usize, usize)) -> usize| inked().map(at).min().unwrap_or(0);
        let to = |at: fn((usize, usize)) -> usize| inked().map(at).max().map_or(0, |i| i + 1);
        let (left, right) = (from(|p| p.0), to(|p| p.0));
        let (first, end) = (from(|p| p.1), to(|p| p.1));
        let rows = coverage.chunks_exact(width).take(end).skip(first);
        Glyph {
            left: left as i32,
            top: top + first as i32,
            width: (right - left) as i32,
            height: (end - first) as i32,
            coverage: rows.flat_map(|row| &row[left..right]).copied().collect(),
        }
    }
}

/// The cubic B-spline over the bitmap's pixels, 0 to 1 (and a little beyond).
fn surface(raster: &RasterizedChar, x: f32, y: f32) -> f32 {
    let weights = |t: f32| {
        [
            (1.0 - t).powi(3) / 6.0,
            (0.5 * t - 1.0) * t * t + 2.0 / 3.0,
            (0.5 * (1.0 - t) - 1.0) * (1.0 - t).powi(2) + 2.0 / 3.0,
            t.powi(3) / 6.0,
        ]
    };
    let (x0, y0) = (x.floor(), y.floor());
    let (wx, wy) = (weights(x - x0), weights(y - y0));
    let pixel = |x: i32, y: i32| match (usize::try_from(x), usize::try_from(y)) {
        (Ok(x), Ok(y)) => f32::from(raster.pixel(x, y).unwrap_or(0)),
        _ => 0.0,
    };
    let mut sum = 0.0;
    for (j, wy) in wy.iter().enumerate() {
        let y = y0 as i32 + j as i32 - 1;
        let row: f32 = (0..4)
            .map(|i| wx[i as usize] * pixel(x0 as i32 + i - 1, y))
            .sum();
        sum += wy * row;
    }
    sum / 255.0
}

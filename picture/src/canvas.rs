//! A drawing surface in the colours of JPEG, that knows which of its tiles were drawn on.
//!
//! Rectangles and text, no layout: what is drawn where is for `test_picture` and `placeholder`.

use jpeg_encoder::{ImageBuffer, JpegColorType, rgb_to_ycbcr};

use crate::font::Face;

/// Width and height of a tile in pixels: what JPEG codes as one unit (MCU) at 4:2:0.
pub(crate) const TILE: usize = 16;

/// Y, Cb, Cr as in JFIF: BT.601, full range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Colour([u8; 3]);

impl Colour {
    /// From 0xRRGGBB.
    pub(crate) fn rgb(rgb: u32) -> Colour {
        let [_, r, g, b] = rgb.to_be_bytes();
        let (y, cb, cr) = rgb_to_ycbcr(r, g, b);
        Colour([y, cb, cr])
    }
}

/// A rectangle in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rect {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) w: i32,
    pub(crate) h: i32,
}

/// Whole tiles, of which a picture of the given size is the upper left part. Drawing outside is cut off.
pub(crate) struct Canvas {
    width: u16,
    height: u16,
    columns: usize,
    rows: usize,
    planes: [Vec<u8>; 3],
    touched: Vec<bool>,
}

impl Canvas {
    pub(crate) fn new(width: u16, height: u16, Colour(colour): Colour) -> Canvas {
        let columns = usize::from(width).div_ceil(TILE);
        let rows = usize::from(height).div_ceil(TILE);
        Canvas {
            width,
            height,
            columns,
            rows,
            planes: colour.map(|c| vec![c; columns * rows * TILE * TILE]),
            touched: vec![true; columns * rows],
        }
    }

    pub(crate) fn width(&self) -> u16 {
        self.width
    }

    pub(crate) fn height(&self) -> u16 {
        self.height
    }

    /// How many tiles lie side by side.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Appends the tiles that were drawn on since the last call, counted row by row.
    pub(crate) fn take_touched(&mut self, tiles: &mut Vec<usize>) {
        for (tile, touched) in self.touched.iter_mut().enumerate() {
            if std::mem::take(touched) {
                tiles.push(tile);
            }
        }
    }

    /// Row `y` of a tile, for each of Y, Cb and Cr.
    pub(crate) fn tile_row(&self, tile: usize, y: usize) -> [&[u8]; 3] {
        let (column, row) = (tile % self.columns, tile / self.columns);
        let at = (row * TILE + y) * self.stride() + column * TILE;
        self.planes.each_ref().map(|plane| &plane[at..at + TILE])
    }

    pub(crate) fn fill(&mut self, rect: Rect, colour: Colour) {
        let Some((xs, ys)) = self.touch(rect) else {
            return;
        };
        let stride = self.stride();
        for (plane, value) in self.planes.iter_mut().zip(colour.0) {
            for y in ys.clone() {
                plane[y * stride..][xs.clone()].fill(value);
            }
        }
    }

    /// Draws over what is there; `coverage` holds a row-by-row mask of `rect.w` to a row.
    pub(crate) fn blend(&mut self, rect: Rect, colour: Colour, coverage: &[u8]) {
        let Some((xs, ys)) = self.touch(rect) else {
            return;
        };
        let stride = self.stride();
        for (plane, value) in self.planes.iter_mut().zip(colour.0) {
            for y in ys.clone() {
                let mask_row = (y as i32 - rect.y) * rect.w;
                for x in xs.clone() {
                    let alpha = u32::from(coverage[(mask_row + x as i32 - rect.x) as usize]);
                    let pixel = &mut plane[y * stride + x];
                    let mixed = u32::from(*pixel) * (255 - alpha) + u32::from(value) * alpha;
                    *pixel = ((mixed + 127) / 255) as u8;
                }
            }
        }
    }

    /// Draws text whose capitals have their upper left corner at (x, y). Letters that `face` was not
    /// made with are left out.
    pub(crate) fn text(&mut self, face: &Face, x: i32, y: i32, text: &str, colour: Colour) {
        for (i, c) in text.chars().enumerate() {
            if let Some(glyph) = face.glyph(c) {
                let rect = glyph.rect(x + i as i32 * face.advance(), y);
                self.blend(rect, colour, &glyph.coverage);
            }
        }
    }

    fn stride(&self) -> usize {
        self.columns * TILE
    }

    /// The columns and rows of `rect` that are on the canvas, whose tiles it marks.
    fn touch(&mut self, rect: Rect) -> Option<(std::ops::Range<usize>, std::ops::Range<usize>)> {
        let cut = |from: i32, len: i32, limit: usize| {
            let limit = limit as i32;
            let range = from.clamp(0, limit) as usize..(from + len).clamp(0, limit) as usize;
            (!range.is_empty()).then_some(range)
        };
        let xs = cut(rect.x, rect.w, self.stride())?;
        let ys = cut(rect.y, rect.h, self.rows * TILE)?;
        for row in ys.start / TILE..=(ys.end - 1) / TILE {
            let first = row * self.columns;
            self.touched[first + xs.start / TILE..=first + (xs.end - 1) / TILE].fill(true);
        }
        Some((xs, ys))
    }
}

/// The picture as a whole, without what the last tiles have too much.
impl ImageBuffer for &Canvas {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let at = usize::from(y) * self.stride();
        for (buffer, plane) in buffers.iter_mut().zip(&self.planes) {
            buffer.extend_from_slice(&plane[at..at + usize::from(self.width)]);
        }
    }
}

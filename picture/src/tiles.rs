//! Encodes a canvas anew by encoding only those tiles that were drawn on.
//!
//! Every tile is a restart interval of its own (DRI 1, ITU T.81 B.2.4.4): its coded bytes depend on no
//! other tile, and as it stays in its place, so does the number of the RST marker behind it. A
//! frame is then the old bytes with a few tiles replaced. The price is about 5 bytes a tile.

use jpeg_encoder::{
    ChromaSubsamplingMethod, Encoder, EncodingError, ImageBuffer, JpegColorType, SamplingFactor,
};

use crate::canvas::{Canvas, TILE};
use crate::walk::{Event, SOS, Walk};

/// The most tiles that are encoded side by side, which bounds the encoder's buffers.
const MAX_ACROSS: usize = 512;

/// The coded tiles of a canvas.
pub(crate) struct TileEncoder {
    quality: u8,
    /// SOI to SOS.
    head: Vec<u8>,
    /// Coded data of each tile, with the RST marker behind it, or EOI behind the last.
    tiles: Vec<Vec<u8>>,
    /// The same as `tiles`, a row of them in one piece.
    rows: Vec<Vec<u8>>,
    touched: Vec<usize>,
    scratch: Vec<u8>,
}

impl TileEncoder {
    /// Encodes the whole canvas.
    pub(crate) fn new(canvas: &mut Canvas, quality: u8) -> Result<TileEncoder, EncodingError> {
        let mut encoder = TileEncoder {
            quality,
            head: Vec::new(),
            tiles: Vec::new(),
            rows: Vec::new(),
            touched: Vec::new(),
            scratch: Vec::new(),
        };
        encoder.update(canvas)?;
        Ok(encoder)
    }

    /// Encodes what was drawn on since the last time.
    pub(crate) fn update(&mut self, canvas: &mut Canvas) -> Result<(), EncodingError> {
        self.touched.clear();
        canvas.take_touched(&mut self.touched);
        if self.touched.is_empty() {
            return Ok(());
        }
        self.scratch.clear();
        let patchwork = Patchwork::new(canvas, &self.touched);
        encode(patchwork, self.quality, Some(1), &mut self.scratch)?;
        let (size_at, data_at) = landmarks(&self.scratch);
        if self.tiles.is_empty() {
            self.head = self.scratch[..data_at].to_vec();
            self.head[size_at..size_at + 2].copy_from_slice(&canvas.height().to_be_bytes());
            self.head[size_at + 2..size_at + 4].copy_from_slice(&canvas.width().to_be_bytes());
            self.tiles.resize(self.touched.len(), Vec::new());
            let rows = self.tiles.len() / canvas.columns();
            self.rows.resize(rows, Vec::new());
        }
        let last = self.tiles.len() - 1;
        let mut rest = &self.scratch[data_at..];
        for &tile in &self.touched {
            let (data, after) = split_at_marker(rest);
            rest = after;
            let coded = &mut self.tiles[tile];
            coded.clear();
            coded.extend_from_slice(data);
            coded.extend(if tile == last {
                [0xff, 0xd9]
            } else {
                [0xff, 0xd0 + (tile % 8) as u8]
            });
        }
        for row in self
            .touched
            .chunk_by(|a, b| a / canvas.columns() == b / canvas.columns())
        {
            let row = row[0] / canvas.columns();
            self.rows[row].clear();
            for coded in &self.tiles[row * canvas.columns()..][..canvas.columns()] {
                self.rows[row].extend_from_slice(coded);
            }
        }
        Ok(())
    }

    /// Appends the whole JPEG.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.head.len() + self.rows.iter().map(Vec::len).sum::<usize>());
        out.extend_from_slice(&self.head);
        for row in &self.rows {
            out.extend_from_slice(row);
        }
    }
}

/// Encodes 4:2:0 with the standard Huffman tables, which all tiles share.
pub(crate) fn encode(
    image: impl ImageBuffer,
    quality: u8,
    restart_interval: Option<u16>,
    out: &mut Vec<u8>,
) -> Result<(), EncodingError> {
    let mut encoder = Encoder::new(out, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.set_restart_interval(restart_interval.unwrap_or(0));
    encoder.encode_image(image)
}

/// Some tiles of a canvas, laid side by side as one picture.
struct Patchwork<'a> {
    canvas: &'a Canvas,
    tiles: &'a [usize],
    across: usize,
    down: usize,
}

impl<'a> Patchwork<'a> {
    fn new(canvas: &'a Canvas, tiles: &'a [usize]) -> Patchwork<'a> {
        let down = tiles.len().div_ceil(MAX_ACROSS);
        let across = tiles.len().div_ceil(down);
        Patchwork {
            canvas,
            tiles,
            across,
            down,
        }
    }
}

impl ImageBuffer for Patchwork<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        (self.across * TILE) as u16
    }

    fn height(&self) -> u16 {
        (self.down * TILE) as u16
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let (row, y) = (usize::from(y) / TILE, usize::from(y) % TILE);
        for i in row * self.across..(row + 1) * self.across {
            // The last row may be filled up with tiles that nobody asked for.
            let tile = self.tiles[i.min(self.tiles.len() - 1)];
            for (buffer, pixels) in buffers.iter_mut().zip(self.canvas.tile_row(tile, y)) {
                buffer.extend_from_slice(pixels);
            }
        }
    }
}

/// Where the frame header's height stands in what the encoder wrote, and where the coded data begins.
fn landmarks(jpeg: &[u8]) -> (usize, usize) {
    let mut walk = Walk::new();
    let mut size_at = 0;
    loop {
        match walk.next(jpeg) {
            Ok(Event::Segment {
                marker, payload, ..
            }) => match marker {
                // Behind the precision (T.81 B.2.2).
                0xc0 => size_at = payload.start + 1,
                SOS => return (size_at, payload.end),
                _ => {}
            },
            _ => unreachable!("the encoder writes SOF0 and SOS before anything else than segments"),
        }
    }
}

/// The coded data up to the next marker, and what follows that.
fn split_at_marker(coded: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr_iter(0xff, coded)
        .find(|&at| coded.get(at + 1) != Some(&0))
        .unwrap_or(coded.len());
    (&coded[..end], coded.get(end + 2..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::{Colour, Rect};

    #[test]
    fn a_marker_is_not_a_stuffed_byte() {
        let coded = [1, 0xff, 0x00, 2, 0xff, 0xd3, 9];
        assert_eq!(split_at_marker(&coded), (&coded[..4], &coded[6..]));
        assert_eq!(split_at_marker(&[1, 0xff, 0xd9]), (&[1][..], &[][..]));
        assert_eq!(split_at_marker(&[1, 2]), (&[1, 2][..], &[][..]));
    }

    #[test]
    fn only_touched_tiles_change() {
        let mut canvas = Canvas::new(200, 100, Colour::rgb(0x204060));
        let mut encoder = TileEncoder::new(&mut canvas, 80).unwrap();
        let before = encoder.tiles.clone();
        canvas.fill(
            Rect {
                x: 20,
                y: 20,
                w: 40,
                h: 3,
            },
            Colour::rgb(0xff0000),
        );
        encoder.update(&mut canvas).unwrap();
        let changed: Vec<usize> = (0..before.len())
            .filter(|&i| before[i] != encoder.tiles[i])
            .collect();
        assert_eq!(changed, [14, 15, 16]);
    }

    #[test]
    fn restart_markers_count_up_and_the_last_is_the_end() {
        let mut canvas = Canvas::new(100, 50, Colour::rgb(0x204060));
        let mut encoder = TileEncoder::new(&mut canvas, 80).unwrap();
        let corner = Rect {
            x: 90,
            y: 40,
            w: 9,
            h: 9,
        };
        canvas.fill(corner, Colour::rgb(0xffffff));
        encoder.update(&mut canvas).unwrap();
        let mut jpeg = Vec::new();
        encoder.write(&mut jpeg);
        let mut rest = &jpeg[landmarks(&jpeg).1..];
        let mut markers = Vec::new();
        while !rest.is_empty() {
            let (data, after) = split_at_marker(rest);
            markers.push(rest[data.len() + 1]);
            rest = after;
        }
        // 7 columns and 4 rows.
        let expected = (0..27).map(|i| 0xd0 + i % 8).chain([0xd9]);
        assert_eq!(markers, expected.collect::<Vec<u8>>());
    }
}

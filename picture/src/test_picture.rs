//! The test picture: at one glance live, and right.
//!
//! Layout and what moves. How little of it is encoded anew is `tiles`' matter.

use crate::canvas::{Canvas, Colour, Rect};
use crate::font::Face;
use crate::tiles::TileEncoder;
use crate::{Error, checked_quality, drawable};

const BACKGROUND: u32 = 0x0d1117;
const TRACK: u32 = 0x1c2430;
const TEXT: u32 = 0xf3f6f9;
const DIM: u32 = 0x8b98a8;
const ACCENT: u32 = 0x2fd6b5;

/// The colours of the SMPTE bars (ECR 1-1978): at 75 %, brightest first.
const BARS: [u32; 7] = [
    0xbfbfbf, 0xbfbf00, 0x00bfbf, 0x00bf00, 0xbf00bf, 0xbf0000, 0x0000bf,
];
/// Steps of grey under the bars, from black to white.
const GREYS: i32 = 11;

const NAME: &str = "seqcast";
const CLOCK: &str = "00:00:00.000";
/// Digits of the frame id that are shown: enough for a thousand years at 30 frames a second.
const ID_DIGITS: usize = 12;
/// Width of the labels' column in large digits.
const LABELS: f32 = 2.6;

/// A picture that says what it is: colour bars, a light that sweeps across once a second, the wall clock
/// (UTC) to the millisecond, the frame's id, the size and the rate.
pub struct TestPicture {
    scene: Scene,
    encoder: TileEncoder,
}

impl TestPicture {
    /// A test picture of [`crate::MIN_WIDTH`] x [`crate::MIN_HEIGHT`] pixels at least; at most
    /// [`crate::MAX_SIDE`] a side and [`crate::MAX_PIXELS`] in all. `fps` is only shown; `quality` is
    /// that of JPEG, 1 to 100. Text that would be too small to read is left out.
    ///
    /// Draws and encodes the whole picture once, so it takes as long as some dozens of frames.
    pub fn new(width: u32, height: u32, fps: u32, quality: u8) -> Result<TestPicture, Error> {
        let quality = checked_quality(quality)?;
        let (w, h) = drawable(width, height)?;
        let mut scene = Scene::new(w, h, fps);
        let encoder = TileEncoder::new(&mut scene.canvas, quality)?;
        Ok(TestPicture { scene, encoder })
    }

    /// Puts frame `id`, shown at Unix time `at_unix_ns` (nanoseconds), into `out`, which is cleared first:
    /// a baseline JPEG, 4:2:0, with the standard Huffman tables and a restart interval of 1.
    ///
    /// Of the id the last 12 digits are shown.
    pub fn render(&mut self, id: u64, at_unix_ns: u64, out: &mut Vec<u8>) {
        self.scene.show(id, at_unix_ns);
        self.encoder
            .update(&mut self.scene.canvas)
            .expect("writing to memory does not fail, and the size was accepted in new()");
        out.clear();
        self.encoder.write(out);
    }
}

/// The picture before it is encoded or sent: what stands and what moves.
pub(crate) struct Scene {
    pub(crate) canvas: Canvas,
    sweep: Sweep,
    clock: Digits,
    id: Digits,
}

impl Scene {
    /// Of a size that is [`drawable`].
    pub(crate) fn new(width: u16, height: u16, fps: u32) -> Scene {
        let mut canvas = Canvas::new(width, height, Colour::rgb(BACKGROUND));
        let granted = format!("{width}x{height} {fps} fps");
        let layout = Layout::new(width.into(), height.into(), granted.len());
        draw_header(&mut canvas, &layout, &granted);
        draw_bars(&mut canvas, layout.bars);
        let sweep = Sweep::new(layout.track);
        sweep.draw_track(&mut canvas);
        let [clock, id] = draw_labels(&mut canvas, &layout);
        Scene {
            canvas,
            sweep,
            clock,
            id,
        }
    }

    /// Draws what frame `id` at that Unix time has other than the one before.
    pub(crate) fn show(&mut self, id: u64, at_unix_ns: u64) {
        let ms = at_unix_ns / 1_000_000 % 86_400_000;
        self.clock.show(&mut self.canvas, &clock_text(ms));
        let id = id.to_string();
        let shown = &id[id.len().saturating_sub(ID_DIGITS)..];
        self.id.show(&mut self.canvas, shown);
        self.sweep.show(&mut self.canvas, ms % 1000);
    }
}

/// HH:MM:SS.mmm of a time of day in milliseconds.
fn clock_text(ms: u64) -> String {
    let (s, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

/// Where things are.
struct Layout {
    margin: i32,
    content: i32,
    /// Height of the capitals in the header.
    header_cap: f32,
    bars: Rect,
    track: Rect,
    /// Height of the large digits, and the tops of clock and id.
    digit_cap: f32,
    digit_ys: [i32; 2],
}

impl Layout {
    fn new(width: i32, height: i32, granted: usize) -> Layout {
        let margin = (width.min(height) / 18).max(2);
        let content = width - 2 * margin;
        let free = (height - 2 * margin) as f32;
        // The rate may change the header's length, but rarely the size of its letters.
        let header_letters = (NAME.len() + 2 + granted).max(30);
        let by_width = Face::cap_height_for(header_letters as f32, content as f32);
        let header_cap = legible(by_width.min(free * 0.055));
        // From the bottom upwards: two lines of digits.
        let letters = CLOCK.len() as f32 + LABELS;
        let by_width = Face::cap_height_for(letters, content as f32);
        let digit_cap = by_width.min(free * 0.155).max(4.0);
        let line = (digit_cap * 1.42).round() as i32;
        let id_y = height - margin - digit_cap.round() as i32;
        let clock_y = id_y - line;

        let bars_y = margin + (header_cap * 1.8).round() as i32;
        let track_h = (free * 0.05).round().max(3.0) as i32;
        let track_y = clock_y - (free * 0.06).round() as i32 - track_h;
        let bars_h = track_y - (free * 0.035).round() as i32 - bars_y;
        let rect = |y, h| Rect {
            x: margin,
            y,
            w: content,
            h,
        };
        Layout {
            margin,
            content,
            header_cap,
            bars: rect(bars_y, bars_h),
            track: rect(track_y, track_h),
            digit_cap,
            digit_ys: [clock_y, id_y],
        }
    }
}

/// A height of capitals, or 0 if nobody could read them: such text is left out.
fn legible(cap_height: f32) -> f32 {
    if cap_height < 4.0 { 0.0 } else { cap_height }
}

fn draw_header(canvas: &mut Canvas, layout: &Layout, granted: &str) {
    let face = Face::new(layout.header_cap, &format!("{NAME}{granted}"));
    let y = layout.margin;
    canvas.text(&face, layout.margin, y, NAME, Colour::rgb(ACCENT));
    let x = layout.margin + layout.content - granted.len() as i32 * face.advance();
    canvas.text(&face, x, y, granted, Colour::rgb(DIM));
}

fn draw_bars(canvas: &mut Canvas, Rect { x, y, w, h }: Rect) {
    let greys_h = h / 6;
    let bars_h = h - greys_h;
    let part = |i: i32, n: i32| (w as i64 * i as i64 / n as i64) as i32;
    for (i, &colour) in (0..).zip(&BARS) {
        let n = BARS.len() as i32;
        let (from, to) = (part(i, n), part(i + 1, n));
        let bar = Rect {
            x: x + from,
            y,
            w: to - from,
            h: bars_h,
        };
        canvas.fill(bar, Colour::rgb(colour));
    }
    for i in 0..GREYS {
        let (from, to) = (part(i, GREYS), part(i + 1, GREYS));
        let step = Rect {
            x: x + from,
            y: y + bars_h,
            w: to - from,
            h: greys_h,
        };
        canvas.fill(
            step,
            Colour::rgb(0x01_01_01 * (255 * i / (GREYS - 1)) as u32),
        );
    }
}

/// Labels, and the digits beside them: clock and id.
fn draw_labels(canvas: &mut Canvas, layout: &Layout) -> [Digits; 2] {
    let cap = layout.digit_cap;
    let label_face = Face::new(legible(cap * 0.36), "UTCFRAME");
    let mut digits = layout.digit_ys.map(|y| Digits {
        x: layout.margin,
        y,
        face: Face::new(cap, "0123456789:."),
        shown: String::new(),
    });
    for (line, label) in digits.iter_mut().zip(["UTC", "FRAME"]) {
        let y = line.y + line.face.cap_height() - label_face.cap_height();
        canvas.text(&label_face, layout.margin, y, label, Colour::rgb(DIM));
        line.x += (LABELS * line.face.advance() as f32).round() as i32;
    }
    digits
}

/// A line of large digits, of which only those that change are drawn.
struct Digits {
    x: i32,
    y: i32,
    face: Face,
    shown: String,
}

impl Digits {
    fn show(&mut self, canvas: &mut Canvas, text: &str) {
        let advance = self.face.advance();
        let mut old = self.shown.chars();
        let mut new = text.chars();
        for i in 0.. {
            let (was, is) = (old.next(), new.next());
            if was.is_none() && is.is_none() {
                break;
            }
            if was == is {
                continue;
            }
            let x = self.x + i * advance;
            for glyph in was.iter().filter_map(|&c| self.face.glyph(c)) {
                canvas.fill(glyph.rect(x, self.y), Colour::rgb(BACKGROUND));
            }
            for glyph in is.iter().filter_map(|&c| self.face.glyph(c)) {
                canvas.blend(glyph.rect(x, self.y), Colour::rgb(TEXT), &glyph.coverage);
            }
        }
        text.clone_into(&mut self.shown);
    }
}

/// A light that runs along a track once a second, so that a person sees uneven time between frames.
struct Sweep {
    track: Rect,
    /// The light and its tail, as it is drawn: one row of coverage.
    tail: Vec<u8>,
    /// Where its head was drawn last.
    head: Option<i32>,
}

impl Sweep {
    fn new(track: Rect) -> Sweep {
        let head = (track.h / 2).max(2);
        let tail = (track.w / 9).max(4);
        let coverage = (0..tail + head).map(|x| {
            let along = x.min(tail) as f32 / tail as f32;
            if x >= tail {
                255
            } else {
                (along * along * 170.0) as u8
            }
        });
        Sweep {
            track,
            tail: coverage.collect(),
            head: None,
        }
    }

    fn draw_track(&self, canvas: &mut Canvas) {
        canvas.fill(self.track, Colour::rgb(TRACK));
    }

    fn show(&mut self, canvas: &mut Canvas, ms: u64) {
        if let Some(head) = self.head {
            canvas.fill(self.on_track(head), Colour::rgb(TRACK));
        }
        // The head comes in at 0 ms and has arrived at the end at 1000.
        let head = (i64::from(self.track.w) * ms as i64 / 1000) as i32;
        let rect = self.on_track(head);
        let visible = &self.tail[self.tail.len() - rect.w as usize..];
        let mask: Vec<u8> = visible.repeat(rect.h as usize);
        canvas.blend(rect, Colour::rgb(ACCENT), &mask);
        self.head = Some(head);
    }

    /// What of the light is on the track.
    fn on_track(&self, head: i32) -> Rect {
        let from = (head - self.tail.len() as i32).max(0);
        Rect {
            x: self.track.x + from,
            w: head - from,
            ..self.track
        }
    }
}

#[cfg(test)]
mod tests;

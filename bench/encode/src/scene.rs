//! Pictures as cameras give them, in any raw format.
//!
//! Not photographs, but with what makes those costly to encode: soft shading, texture of all scales, sharp
//! edges, and a sensor's noise. The same in every run.

use picture::encode::PixelFormat;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// A lit room: shading, texture, edges, little noise.
    Room,
    /// The same in the dark: a lot of noise.
    Dusk,
    /// Colour bars and a grid, without noise: what a capture card shows of a desktop.
    Chart,
}

/// Red, green and blue, 0 to 255, line by line.
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<[f32; 3]>,
}

impl Scene {
    /// All.
    pub const ALL: [Scene; 3] = [Scene::Room, Scene::Dusk, Scene::Chart];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Scene::Room => "room",
            Scene::Dusk => "dusk",
            Scene::Chart => "chart",
        }
    }

    /// Draws it.
    pub fn draw(self, width: usize, height: usize) -> Picture {
        let pixels = (0..width * height)
            .map(|i| {
                let (x, y) = (i % width, i / width);
                match self {
                    Scene::Room => room(x, y, 3.0),
                    Scene::Dusk => room(x, y, 14.0).map(|c| c * 0.6 + 10.0),
                    Scene::Chart => chart(x, y, width),
                }
            })
            .collect();
        Picture {
            width,
            height,
            pixels,
        }
    }
}

fn room(x: usize, y: usize, noise: f32) -> [f32; 3] {
    let (fx, fy) = (x as f32, y as f32);
    // Texture of five scales, the finest of some pixels.
    let texture: f32 = (0..5)
        .map(|octave| {
            let scale = 96.0 / (1 << octave) as f32;
            (smooth(fx / scale, fy / scale, octave) - 0.5) * 60.0 / (1.6f32).powi(octave as i32)
        })
        .sum();
    let light = 90.0 + 70.0 * (1.0 - fy / 1080.0) + 30.0 * (fx / 400.0).sin();
    // Things that stand in the way: edges.
    let cell = hash(x / 160, y / 120, 77);
    let (cx, cy) = (x % 160, y % 120);
    let radius = 20 + cell % 40;
    let inside = cx.abs_diff(80).pow(2) + cy.abs_diff(60).pow(2) < radius.pow(2);
    let tint = if inside {
        [(cell >> 8) % 120, (cell >> 16) % 120, (cell >> 24) % 120].map(|c| c as f32 - 60.0)
    } else {
        [6.0, 0.0, -8.0]
    };
    let mut channel = 0;
    tint.map(|tint| {
        channel += 1;
        let grain = (0..3)
            .map(|k| unit(hash(x, y, channel * 8 + k)))
            .sum::<f32>()
            - 1.5;
        light + texture + tint + grain * 2.0 * noise
    })
}

fn chart(x: usize, y: usize, width: usize) -> [f32; 3] {
    if x.is_multiple_of(40) || y.is_multiple_of(40) {
        return [235.0; 3];
    }
    let bar = x * 8 / width;
    let level = if (y / 40).is_multiple_of(2) {
        191.0
    } else {
        255.0
    };
    [bar & 1, bar & 2, bar & 4].map(|lit| if lit == 0 { level } else { 20.0 })
}

/// Noise with smooth transitions, 0 to 1.
fn smooth(x: f32, y: f32, seed: usize) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (tx, ty) = (ease(x - x0), ease(y - y0));
    let at = |dx: usize, dy: usize| unit(hash(x0 as usize + dx, y0 as usize + dy, seed));
    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
    mix(mix(at(0, 0), at(1, 0), tx), mix(at(0, 1), at(1, 1), tx), ty)
}

fn hash(x: usize, y: usize, seed: usize) -> usize {
    let mut h = (x as u64) << 40 ^ (y as u64) << 16 ^ seed as u64;
    // The finaliser of MurmurHash3.
    h = (h ^ h >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ h >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (h ^ h >> 33) as usize
}

fn unit(hash: usize) -> f32 {
    (hash & 0xffff) as f32 / 65536.0
}

impl Picture {
    /// As a driver gives it: BT.601 in the limited range, RGB in the full one; lines without gaps.
    pub fn raw(&self, format: PixelFormat) -> Vec<u8> {
        let mut raw = Vec::new();
        let (width, height) = (self.width, self.height);
        let lines = || (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let pairs = || lines().filter(|(x, _)| x % 2 == 0);
        let squares = || pairs().filter(|(_, y)| y % 2 == 0);
        let ycc = |x: usize, y: usize| ycc(self.pixels[y * width + x.min(width - 1)]);
        let packed = |order: [usize; 4]| {
            pairs()
                .flat_map(|(x, y)| {
                    let ([y0, cb, cr], [y1, ..]) = (ycc(x, y), ycc(x + 1, y));
                    order.map(|i| [y0, cb, y1, cr][i])
                })
                .collect::<Vec<u8>>()
        };
        let rgb = |order: [usize; 3]| {
            self.pixels
                .iter()
                .flat_map(|pixel| order.map(|i| pixel[i] as u8))
                .collect::<Vec<u8>>()
        };
        match format {
            PixelFormat::Yuyv => raw = packed([0, 1, 2, 3]),
            PixelFormat::Yvyu => raw = packed([0, 3, 2, 1]),
            PixelFormat::Uyvy => raw = packed([1, 0, 3, 2]),
            PixelFormat::Rgb24 => raw = rgb([0, 1, 2]),
            PixelFormat::Bgr24 => raw = rgb([2, 1, 0]),
            PixelFormat::Grey => raw.extend(lines().map(|(x, y)| ycc(x, y)[0])),
            PixelFormat::Nv12 => {
                raw.extend(lines().map(|(x, y)| ycc(x, y)[0]));
                raw.extend(squares().flat_map(|(x, y)| [ycc(x, y)[1], ycc(x, y)[2]]));
            }
            PixelFormat::Yu12 => {
                raw.extend(lines().map(|(x, y)| ycc(x, y)[0]));
                raw.extend(squares().map(|(x, y)| ycc(x, y)[1]));
                raw.extend(squares().map(|(x, y)| ycc(x, y)[2]));
            }
        }
        raw
    }
}

/// BT.601, limited range.
fn ycc(rgb: [f32; 3]) -> [u8; 3] {
    let [r, g, b] = rgb.map(|c| c.clamp(0.0, 255.0) / 255.0);
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    [
        16.5 + 219.0 * y,
        128.5 + 224.0 * (b - y) / 1.772,
        128.5 + 224.0 * (r - y) / 1.402,
    ]
    .map(|c| c as u8)
}

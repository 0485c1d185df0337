//! What is sent: JPEGs of about 100 KB, like those of a 720p camera.
//!
//! Not here: who sends them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use picture::encode::{Encoder, PixelFormat, Planes, RawFormat};

const WIDTH: usize = 1280;
const HEIGHT: usize = 720;
const QUALITY: u8 = 80;
/// Bytes a frame, about.
const TARGET: usize = 100_000;
/// Different frames, shown in turn.
const FRAMES: usize = 8;
/// Luma and colour (Cb, Cr) of the bars: white, yellow, cyan, green, magenta, red, blue at 75 %.
const BARS: [[u8; 3]; 7] = [
    [180, 128, 128],
    [162, 44, 142],
    [131, 156, 44],
    [112, 72, 58],
    [84, 184, 198],
    [65, 100, 212],
    [35, 212, 114],
];
/// How far the noise goes from the bars' luma.
const NOISE: u64 = 40;

/// The frames, on disk for the servers to read.
pub struct Material {
    dir: tempfile::TempDir,
    /// Mean size of a frame.
    pub frame_bytes: usize,
}

impl Material {
    /// Draws the frames and writes them to a directory that lives as long as this.
    ///
    /// # Errors
    /// Where there is no room for some 1,600 KB.
    pub fn make() -> Result<Material> {
        let frames = frames()?;
        let dir = tempfile::Builder::new()
            .prefix("seqcast-bench-")
            .tempdir()?;
        let material = Material {
            dir,
            frame_bytes: frames.iter().map(Vec::len).sum::<usize>() / FRAMES,
        };
        write(&material.movie(), &frames.concat())?;
        for (path, frame) in material.stills().iter().zip(&frames) {
            write(path, frame)?;
        }
        Ok(material)
    }

    /// All frames, one behind the other.
    pub fn movie(&self) -> PathBuf {
        self.dir.path().join("frames.mjpeg")
    }

    /// Each in a file of its own.
    pub fn stills(&self) -> [PathBuf; FRAMES] {
        std::array::from_fn(|index| self.dir.path().join(format!("{index}.jpg")))
    }

    /// The first of them.
    pub fn still(&self) -> PathBuf {
        let [first, ..] = self.stills();
        first
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| path.display().to_string())
}

fn frames() -> Result<Vec<Vec<u8>>> {
    // Bars alone are small, noise is large: as many noisy lines as it takes.
    let (mut low, mut high) = (0, HEIGHT);
    while low < high {
        let middle = (low + high) / 2;
        if encode(0, middle)?.len() < TARGET {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    (0..FRAMES).map(|seed| encode(seed, low)).collect()
}

fn encode(seed: usize, noisy_lines: usize) -> Result<Vec<u8>> {
    let mut jpeg = Vec::new();
    let yuyv = draw(seed, noisy_lines);
    let mut planes = Planes::default();
    let format = RawFormat::new(PixelFormat::Yuyv, WIDTH as u32, HEIGHT as u32);
    planes.load(&yuyv, &format)?;
    Encoder::new(QUALITY)?.encode(&planes, &mut jpeg)?;
    Ok(jpeg)
}

/// Bars that stand elsewhere in each frame, with noise over the first lines: packed YUYV.
fn draw(seed: usize, noisy_lines: usize) -> Vec<u8> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed as u64 + 1);
    let mut yuyv = Vec::with_capacity(WIDTH * HEIGHT * 2);
    for y in 0..HEIGHT {
        for x in (0..WIDTH).step_by(2) {
            let at = (x + seed * 16) % WIDTH;
            let [luma, cb, cr] = BARS[at * BARS.len() / WIDTH];
            let mut noisy = || {
                if y >= noisy_lines {
                    return luma;
                }
                // xorshift64 (Marsaglia 2003): the same frames in every run.
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let noise = (random >> 32) % (2 * NOISE + 1);
                luma.saturating_add(noise as u8).saturating_sub(NOISE as u8)
            };
            yuyv.extend([noisy(), cb, noisy(), cr]);
        }
    }
    yuyv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_real_differ_and_have_the_size() {
        let frames = frames().unwrap();
        for (index, frame) in frames.iter().enumerate() {
            let info = picture::jpeg::check(frame).unwrap();
            assert_eq!((info.width, info.height), (1280, 720));
            assert!(
                frame.len().abs_diff(TARGET) < TARGET / 50,
                "{}",
                frame.len()
            );
            assert!(!frames[..index].contains(frame));
        }
    }
}

//! What a frame takes, in milliseconds on one core: `cargo run --release -p picture --example cost`.
//! With a directory as argument, leaves the pictures there.

use std::path::PathBuf;
use std::time::Instant;

use picture::encode::{Encoder, PixelFormat, Planes, RawFormat};
use picture::{Error, TestPicture, placeholder};

const FRAMES: u32 = 300;
const REASON: [&str; 2] = [
    "/dev/video0: No such device (os error 19)",
    "since 11:52:25 UTC; trying again every second",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).map(PathBuf::from);
    for (width, height) in [
        (160, 120),
        (640, 480),
        (1280, 720),
        (1920, 1080),
        (3840, 2160),
    ] {
        let (mut test, still, mut raw) = (
            Vec::new(),
            placeholder(width, height, "NO SIGNAL", &REASON)?,
            Vec::new(),
        );
        let (start, frame) = test_picture(width, height, &mut test)?;
        let yuyv = yuyv(width, height, &mut raw)?;
        println!(
            "{width}x{height}: test picture {frame:.3} (start {start:.0}, {} KB), YUYV {yuyv:.2} ({} KB)",
            test.len() / 1000,
            raw.len() / 1000,
        );
        if let Some(dir) = &dir {
            std::fs::write(dir.join(format!("test-{width}x{height}.jpg")), &test)?;
            std::fs::write(dir.join(format!("still-{width}x{height}.jpg")), &still)?;
            std::fs::write(dir.join(format!("yuyv-{width}x{height}.jpg")), &raw)?;
        }
    }
    Ok(())
}

/// Milliseconds to begin, and for each frame.
fn test_picture(width: u32, height: u32, out: &mut Vec<u8>) -> Result<(f64, f64), Error> {
    let begin = Instant::now();
    let mut picture = TestPicture::new(width, height, 30, 80)?;
    picture.render(1, 0, out);
    let start = ms(begin);
    let begin = Instant::now();
    for frame in 0..FRAMES {
        picture.render(u64::from(frame) + 2, u64::from(frame) * 33_333_333, out);
    }
    Ok((start, ms(begin) / f64::from(FRAMES)))
}

/// Milliseconds for each frame of soft shapes with a little noise, as a camera gives.
fn yuyv(width: u32, height: u32, out: &mut Vec<u8>) -> Result<f64, Error> {
    let sample = |i: u32| {
        let (x, y) = ((i / 2 % width) as f32, (i / 2 / width) as f32);
        let noise = (i.wrapping_mul(2_654_435_761) >> 29) as f32;
        (120.0 + 50.0 * ((x * 0.05).sin() + (y * 0.07).cos()) + noise) as u8
    };
    let frame: Vec<u8> = (0..width * height * 2).map(sample).collect();
    let format = RawFormat::new(PixelFormat::Yuyv, width, height);
    let (mut encoder, mut planes) = (Encoder::new(80)?, Planes::default());
    let begin = Instant::now();
    for _ in 0..FRAMES / 10 {
        planes.load(&frame, &format)?;
        encoder.encode(&planes, out)?;
    }
    Ok(ms(begin) / f64::from(FRAMES / 10))
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

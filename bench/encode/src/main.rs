//! What a frame takes, in milliseconds of one core: taking it in, and encoding it with each engine.
//! `cargo run --release` in this directory; `--help` says the rest.
//!
//! The engines take turns frame by frame, so that whatever else the machine does touches all alike;
//! the ratio is the median of those of the single turns. CPU time of the thread, not the clock on the wall.
//!
//! Not here: the pictures ([`scene`]).

mod scene;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use nix::time::{ClockId, clock_gettime};
use picture::encode::{Encoder, Engine, PixelFormat, Planes, RawFormat};

use scene::Scene;

/// What encoding raw camera frames costs, beside libjpeg-turbo in the same run.
#[derive(Parser)]
struct Cli {
    /// Pixels
    #[arg(long, default_value_t = 1280)]
    width: u32,
    /// Pixels
    #[arg(long, default_value_t = 720)]
    height: u32,
    /// JPEG quality, 1 to 100
    #[arg(long, default_value_t = 80)]
    quality: u8,
    /// Frames of each kind
    #[arg(long, default_value_t = 150)]
    frames: usize,
    /// YUYV frames to encode instead: `ffmpeg … -pix_fmt yuyv422 -frames:v 1 -f rawvideo FILE`
    #[arg(long)]
    yuyv: Vec<PathBuf>,
}

/// A frame as a driver would give it.
struct Subject {
    name: String,
    raw: Vec<u8>,
    format: RawFormat,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    println!(
        "{}x{}, quality {}, {} frames each; ms a frame, medians; of a core: at 30 fps",
        cli.width, cli.height, cli.quality, cli.frames
    );
    println!(
        "{:24} {:>7} {:>9} {:>7} {:>9} {:>7} {:>9} {:>8}",
        "picture, format", "take in", "portable", "turbo", "of turbo", "KB", "turbo KB", "a core"
    );
    for subject in subjects(&cli)? {
        let Subject { name, raw, format } = subject;
        let label = format!("{name}, {}", format.pixels);
        println!("{label:24} {}", measure(&raw, &format, &cli)?);
    }
    Ok(())
}

fn subjects(cli: &Cli) -> Result<Vec<Subject>> {
    let (width, height) = (cli.width, cli.height);
    let mut subjects = Vec::new();
    for path in &cli.yuyv {
        let raw = std::fs::read(path).with_context(|| path.display().to_string())?;
        let format = RawFormat::new(PixelFormat::Yuyv, width, height);
        ensure!(
            raw.len() == format.frame_len()?,
            "{}: not one frame of {format}",
            path.display()
        );
        let name = path.file_stem().unwrap_or_default();
        subjects.push(Subject {
            name: name.to_string_lossy().into_owned(),
            raw,
            format,
        });
    }
    if !subjects.is_empty() {
        return Ok(subjects);
    }
    for scene in Scene::ALL {
        let picture = scene.draw(width as usize, height as usize);
        // All formats of one scene; the others in the format that most cameras without MJPEG have.
        let formats = match scene {
            Scene::Room => &PixelFormat::ALL[..],
            _ => &[PixelFormat::Yuyv],
        };
        subjects.extend(formats.iter().map(|&pixels| Subject {
            name: scene.name().to_owned(),
            raw: picture.raw(pixels),
            format: RawFormat::new(pixels, width, height),
        }));
    }
    Ok(subjects)
}

fn measure(raw: &[u8], format: &RawFormat, cli: &Cli) -> Result<String> {
    let mut planes = Planes::default();
    let mut portable = Encoder::with_engine(Engine::Portable, cli.quality)?;
    let mut turbo = Encoder::with_engine(Engine::Turbo, cli.quality)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut times: [Vec<f64>; 4] = Default::default();
    for frame in 0..cli.frames + 3 {
        let load = timed(|| planes.load(raw, format))?;
        let own = timed(|| portable.encode(&planes, &mut ours))?;
        let other = timed(|| turbo.encode(&planes, &mut theirs))?;
        // The first ones warm up.
        if frame >= 3 {
            let ratio = own / other;
            for (times, time) in times.iter_mut().zip([load, own, other, ratio]) {
                times.push(time);
            }
        }
    }
    let [load, own, other, ratio] = times.map(median);
    Ok(format!(
        "{load:7.2} {own:9.2} {other:7.2} {ratio:9.2} {:7} {:9} {:8.2}",
        ours.len() / 1000,
        theirs.len() / 1000,
        (load + own) * 30.0 / 1000.0
    ))
}

/// Milliseconds of this thread's CPU time.
fn timed(work: impl FnOnce() -> Result<(), picture::Error>) -> Result<f64> {
    let now = || clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    let begin = now()?;
    work()?;
    let took = now()? - begin;
    Ok(took.tv_sec() as f64 * 1e3 + took.tv_nsec() as f64 / 1e6)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

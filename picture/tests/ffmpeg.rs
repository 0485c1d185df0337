//! Raw frames as ffmpeg makes them, encoded here, and decoded by ffmpeg again: each format has the byte order,
//! the matrix and the range that others give it. Needs `ffmpeg`: `cargo test -p picture -- --ignored`.

use std::io::Write;
use std::process::{Command, Stdio};

use picture::encode::{Encoder, Matrix, PixelFormat, Planes, Range, RawFormat};

const WIDTH: u32 = 322;
const HEIGHT: u32 = 242;

/// What ffmpeg gives on its standard output.
fn ffmpeg(args: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(args.split_whitespace())
        .args(["-f", "rawvideo", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed");
    let mut stdin = child.stdin.take().expect("was asked for");
    let bytes = input.to_vec();
    // It may answer before it has read all.
    let feeder = std::thread::spawn(move || stdin.write_all(&bytes));
    let out = child.wait_with_output().expect("ran");
    feeder.join().expect("no panic").expect("read all");
    assert!(out.status.success());
    out.stdout
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
    let sum: f64 = a.iter().zip(b).map(square).sum();
    10.0 * (255.0f64.powi(2) * a.len() as f64 / sum).log10()
}

#[test]
#[ignore = "needs ffmpeg"]
fn what_ffmpeg_calls_each_format_looks_the_same() {
    use PixelFormat::*;
    let mut planes = Planes::default();
    let mut encoder = Encoder::new(95).unwrap();
    let mut jpeg = Vec::new();
    for (pixels, name) in [
        (Yuyv, "yuyv422"),
        (Yvyu, "yvyu422"),
        (Uyvy, "uyvy422"),
        (Nv12, "nv12"),
        (Yu12, "yuv420p"),
        (Rgb24, "rgb24"),
        (Bgr24, "bgr24"),
        (Grey, "gray"),
    ] {
        for (matrix, called) in [(Matrix::Bt601, "bt601"), (Matrix::Bt709, "bt709")] {
            for (range, short) in [(Range::Limited, "tv"), (Range::Full, "pc")] {
                // For these ffmpeg knows no matrix, and one range.
                let one = pixels.is_rgb() || pixels == Grey;
                if one && (matrix, range) != (Matrix::Bt601, Range::Full) {
                    continue;
                }
                // Colours that do not change from pixel to pixel: how they are subsampled is not the matter here.
                let source = format!(
                    "-f lavfi -i smptehdbars=size={WIDTH}x{HEIGHT},format=gbrp -frames:v 1 -vf"
                );
                let scale = format!("scale=out_color_matrix={called}:out_range={short}");
                let raw = ffmpeg(&format!("{source} {scale},format={name}"), b"");
                let seen_before = match pixels {
                    Grey => ffmpeg(&format!("{source} format=gray,format=rgb24"), b""),
                    _ => ffmpeg(&format!("{source} format=rgb24"), b""),
                };
                let mut format = RawFormat::new(pixels, WIDTH, HEIGHT);
                format.colours.matrix = matrix;
                format.colours.range = range;
                assert_eq!(raw.len(), format.frame_len().unwrap());
                planes.load(&raw, &format).unwrap();
                encoder.encode(&planes, &mut jpeg).unwrap();
                let seen = ffmpeg("-f mjpeg -i - -vf format=rgb24", &jpeg);
                let psnr = psnr(&seen, &seen_before);
                println!("{pixels} {called} {short}: {psnr:.1} dB");
                assert!(psnr > 30.0, "{pixels} {called} {short}: {psnr:.1} dB");
            }
        }
    }
}

//! Other people's servers, as their own documentation starts them, with a camera of ours before them: numbered JPEGs
//! (`bench::feed`), so that the same client measures all.
//!
//! Not here: the camera.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use bench::FPS;
use bench::feed;
use bench::process::{Ask, Process};

use super::{Parts, Served, port, size};
use crate::record::{Design, Frames};

/// The source of a V4L2 camera that is preloaded, for servers that take their frames from nowhere else.
const CAMERA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/camera.c");
/// Where mjpg-streamer's own installation puts its plugins.
const MJPG_STREAMER_PLUGINS: &str = "/usr/local/lib/mjpg-streamer";

/// `multipartmux ! tcpserversink`: clients get their parts as soon as they connect. Frames come in as parts, too, of
/// which each says its length, so nothing has to be searched for in them.
pub fn gstreamer(parts: &Parts) -> Result<Served> {
    let port = port::free(1)?;
    let pipeline = format!(
        "fdsrc fd=0 blocksize=131072 do-timestamp=true ! multipartdemux boundary={} single-stream=true ! \
         multipartmux boundary=frame ! tcpserversink host=127.0.0.1 port={port} sync=false sync-method=next-keyframe",
        feed::BOUNDARY
    );
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").args(pipeline.split(' '));
    behind_camera("gst-launch-1.0", &mut command, port, parts)
}

/// Serves one client.
pub fn ffmpeg(parts: &Parts) -> Result<Served> {
    let port = port::free(1)?;
    let mut command = Command::new("ffmpeg");
    command
        .args(["-loglevel", "fatal", "-f", "mpjpeg", "-i", "pipe:0"])
        .args(["-c", "copy", "-f", "mpjpeg"])
        .arg(format!("tcp://127.0.0.1:{port}?listen=1"));
    behind_camera("ffmpeg", &mut command, port, parts)
}

/// A server that reads the camera on standard input.
fn behind_camera(name: &str, command: &mut Command, port: u16, parts: &Parts) -> Result<Served> {
    let mut camera = feed::start(&parts.material.stills())?;
    let frames = camera.take_stdout().context("its frames are piped")?;
    command
        .stdin(Stdio::from(frames.into_inner()))
        .stdout(Stdio::null());
    let mut process = Process::start(name, command, Ask::Terminate)?;
    port::wait_for(port, &mut process)?;
    Ok(Served {
        camera: Some(camera),
        ..Served::one(process, format!("multipart:127.0.0.1:{port}"))
    })
}

/// With its plugin for V4L2.
pub fn mjpg_streamer(parts: &Parts) -> Result<Served> {
    let mut command = Command::new("mjpg_streamer");
    command.env("LD_LIBRARY_PATH", MJPG_STREAMER_PLUGINS);
    with_device(&mut command, parts, |command, device, port| {
        let (size, device) = (size(Frames::Jpeg720), device.display());
        command
            .arg("-i")
            .arg(format!("input_uvc.so -d {device} -r {size} -f {FPS}"))
            .arg("-o")
            .arg(format!("output_http.so -l 127.0.0.1 -p {port}"));
        "/?action=stream"
    })
}

/// Passes the camera's JPEGs through (`-c HW`).
pub fn ustreamer(parts: &Parts) -> Result<Served> {
    let mut command = Command::new("ustreamer");
    with_device(&mut command, parts, |command, device, port| {
        command
            .arg("-d")
            .arg(device)
            .args(["-r", size(Frames::Jpeg720), "-m", "MJPEG", "-c", "HW"])
            .args(["-f", &FPS.to_string(), "--log-level", "0"])
            .args(["-s", "127.0.0.1", "-p", &port.to_string()]);
        "/stream"
    })
}

/// A server that takes frames from V4L2 alone: from a device that was named, or from the camera that is preloaded.
/// `arguments` gives it device and port, and says where its stream is.
fn with_device(
    command: &mut Command,
    parts: &Parts,
    arguments: impl FnOnce(&mut Command, &Path, u16) -> &'static str,
) -> Result<Served> {
    // mjpg-streamer cuts a device's name to 14 bytes: /tmp/c123456/n has so many.
    let files = tempfile::Builder::new().prefix("c").tempdir()?;
    let device = match &parts.device {
        Some(device) => device.clone(),
        None => preload(command, files.path(), &parts.material.still())?,
    };
    let port = port::free(1)?;
    let target = arguments(command, &device, port);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let name = command.get_program().to_string_lossy().into_owned();
    let mut process = Process::start(&name, command, Ask::Terminate)?;
    port::wait_for(port, &mut process)?;
    Ok(Served {
        _files: Some(files),
        ..Served::one(process, format!("http://127.0.0.1:{port}{target}"))
    })
}

/// Builds the camera in `dir`, has the command preload it, and says where its node is.
fn preload(command: &mut Command, dir: &Path, jpeg: &Path) -> Result<PathBuf> {
    let [library, node, coded] = ["camera.so", "n", "frame.jpg"].map(|name| dir.join(name));
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O2", "-shared", "-fPIC", "-o"])
        .arg(&library);
    let status = compiler.arg(CAMERA).arg("-ldl").status();
    if !status.context("cc does not run")?.success() {
        bail!("cc refuses {CAMERA}");
    }
    fs::write(&node, "")?;
    fs::write(&coded, feed::coded(&fs::read(jpeg)?)?)?;
    command
        .env("CAMERA_NODE", &node)
        .env("CAMERA_JPEG", &coded)
        .env("CAMERA_FPS", FPS.to_string())
        .env("LD_PRELOAD", &library);
    Ok(node)
}

pub fn missing(design: Design, parts: &Parts) -> Option<String> {
    let (program, package) = match design {
        Design::Gstreamer => (
            "gst-launch-1.0",
            "Debian: gstreamer1.0-tools and -plugins-base, -plugins-good",
        ),
        Design::MjpgStreamer => (
            "mjpg_streamer",
            "https://github.com/jacksonliam/mjpg-streamer",
        ),
        Design::Ustreamer => ("ustreamer", "Debian: ustreamer"),
        _ => ("ffmpeg", "Debian: ffmpeg"),
    };
    if find(program).is_none() {
        return Some(format!("no such program here: {program} ({package})"));
    }
    let camera = Path::new(CAMERA).is_file() && find("cc").is_some();
    let of_v4l2 = matches!(design, Design::Ustreamer | Design::MjpgStreamer);
    if of_v4l2 && parts.device.is_none() && !camera {
        return Some(
            "it takes frames from V4L2 alone: name a device that delivers them with --device, or install a C compiler"
                .to_owned(),
        );
    }
    None
}

/// A program in the PATH.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut files = std::env::split_paths(&path).map(|dir| dir.join(name));
    files.find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_there() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program").is_none());
    }
}

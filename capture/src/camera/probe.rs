//! Which node is a camera: what each node of /dev says of itself, and `auto`'s choice among them.
//!
//! Not here: opening the chosen one for good, sizes and rates (`camera`).

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use v4l::Device;
use v4l::capability::Flags;

use super::{fault, offers, sys};
use crate::formats::Served;

/// V4L2_CAP_IO_MC (linux/videodev2.h), which `v4l` does not know: the node is one end of a
/// pipeline that somebody has to set up through the media controller first.
const IO_MC: u32 = 0x2000_0000;

/// A node under /dev and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeReport {
    /// /dev/videoN.
    pub path: PathBuf,
    /// What it says of itself, or why it could not be asked: a sentence.
    pub said: Result<Said, String>,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The name of the device.
    pub card: String,
    /// Where it is plugged in.
    pub bus: String,
    /// What *this node* can do, not its whole device (`capabilities`): V4L2_CAP_* bits of
    /// linux/videodev2.h.
    pub device_caps: u32,
    /// Whether it has an input to capture from.
    pub has_input: bool,
    /// The formats it offers, by fourcc.
    pub formats: Vec<[u8; 4]>,
}

/// What `auto` came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The camera; none found: nothing.
    pub path: Option<PathBuf>,
    /// Each node before it that was not taken, and why: a sentence.
    pub passed_over: Vec<(PathBuf, String)>,
}

/// Asks every /dev/videoN, in the order of their numbers. Opens each for a moment, which disturbs
/// nobody who streams from it.
#[must_use]
pub fn survey() -> Vec<NodeReport> {
    nodes()
        .into_iter()
        .map(|path| {
            let said = sys::open(&path)
                .and_then(|device| ask(&device))
                .map_err(|e| fault::sentence(&path, "answering what it is", &e));
            NodeReport { path, said }
        })
        .collect()
}

/// Every /dev/videoN, in the order of their numbers.
pub(super) fn nodes() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/dev") else {
        return Vec::new();
    };
    let mut numbers: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| node_number(&entry.file_name()))
        .collect();
    numbers.sort_unstable();
    let node = |n| PathBuf::from(format!("/dev/video{n}"));
    numbers.into_iter().map(node).collect()
}

/// Takes the first node that is a camera with a format served here.
#[must_use]
pub fn choose(nodes: &[NodeReport]) -> Choice {
    let mut choice = Choice::default();
    for node in nodes {
        let said = node.said.as_ref().map_err(Clone::clone);
        match said.and_then(|said| served(said).and_then(|()| judge(said))) {
            Ok(()) => {
                choice.path = Some(node.path.clone());
                break;
            }
            Err(why) => choice.passed_over.push((node.path.clone(), why)),
        }
    }
    choice
}

/// Whether to take unasked what could be a source; if not, why.
pub(super) fn judge(said: &Said) -> Result<(), String> {
    if said.device_caps & IO_MC != 0 {
        return Err(format!(
            "part of a camera that libcamera sets up: try {}",
            fault::LIBCAMERA
        ));
    }
    if !said.has_input {
        return Err("an image processor, not a camera: it has no input".to_owned());
    }
    Ok(())
}

/// Whether the node could be a source: a camera with a format that is served here; if not, why.
pub(super) fn served(said: &Said) -> Result<(), String> {
    let caps = Flags::from_bits_truncate(said.device_caps);
    if caps.intersects(Flags::VIDEO_M2M | Flags::VIDEO_M2M_MPLANE) {
        return Err("a codec or converter (memory to memory), not a camera".to_owned());
    }
    if !caps.contains(Flags::VIDEO_CAPTURE) {
        return Err(no_capture(caps).to_owned());
    }
    if !caps.contains(Flags::STREAMING) {
        return Err("cannot stream, only be read".to_owned());
    }
    let is_served = |&fourcc| Served::from_fourcc(fourcc).is_some();
    if !said.formats.iter().any(is_served) {
        return Err(no_format(&said.formats));
    }
    Ok(())
}

fn no_capture(caps: Flags) -> &'static str {
    if caps.contains(Flags::META_CAPTURE) {
        "gives metadata, not pictures"
    } else if caps.contains(Flags::VIDEO_CAPTURE_MPLANE) {
        "gives pictures in several planes alone, which are not served here"
    } else if caps.intersects(Flags::VIDEO_OUTPUT | Flags::VIDEO_OUTPUT_MPLANE) {
        "takes pictures and gives none (a v4l2loopback gives them once its writer runs)"
    } else {
        "does not capture video"
    }
}

fn no_format(offered: &[[u8; 4]]) -> String {
    if offered.is_empty() {
        return "offers no format".to_owned();
    }
    let names: Vec<String> = offered.iter().take(8).map(name).collect();
    let more = if offered.len() > names.len() {
        ", …"
    } else {
        ""
    };
    format!(
        "offers no format that is served, only {}{more}",
        names.join(", ")
    )
}

/// A fourcc as text.
pub(super) fn name(fourcc: &[u8; 4]) -> String {
    text(fourcc)
}

/// Asks an open node what it is.
///
/// # Errors
/// What VIDIOC_QUERYCAP says; formats that cannot be asked are none.
pub(super) fn ask(device: &Device) -> io::Result<Said> {
    let capability = sys::capability(device)?;
    Ok(Said {
        card: text(&capability.card),
        bus: text(&capability.bus_info),
        device_caps: capability.device_caps,
        has_input: sys::input(device, 0).is_ok(),
        formats: offers::fourccs(device),
    })
}

/// A C string in a field of fixed size, whatever its bytes, which any USB device may choose: it goes into
/// logs, onto terminals and pages.
pub(super) fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    let mut text = String::from_utf8_lossy(&field[..end]).into_owned();
    text.retain(|c| !c.is_control());
    text.trim().to_owned()
}

/// N of `videoN`; nothing for other names, which are not nodes of the kernel.
fn node_number(name: &OsStr) -> Option<u32> {
    let digits = name.to_str()?.strip_prefix("video")?;
    // Not `+1`, which parses, nor `01`, which is not what the kernel calls a node.
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// What tells this camera from another.
pub(super) fn detail(path: &Path, said: &Said) -> String {
    format!("{}: {} ({})", path.display(), said.card, said.bus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u32, caps: Flags, formats: &[&[u8; 4]]) -> NodeReport {
        NodeReport {
            path: PathBuf::from(format!("/dev/video{n}")),
            said: Ok(Said {
                card: "Camera".to_owned(),
                bus: "usb-1".to_owned(),
                device_caps: caps.bits(),
                has_input: true,
                formats: formats.iter().map(|f| **f).collect(),
            }),
        }
    }

    fn camera(n: u32) -> NodeReport {
        node(
            n,
            Flags::VIDEO_CAPTURE | Flags::STREAMING,
            &[b"YUYV", b"MJPG"],
        )
    }

    /// Why the node alone is passed over.
    fn why(node: NodeReport) -> String {
        let mut choice = choose(&[node]);
        assert_eq!(choice.path, None);
        assert_eq!(choice.passed_over.len(), 1);
        choice.passed_over.remove(0).1
    }

    #[test]
    fn the_first_camera_is_taken_and_the_rest_not_mentioned() {
        let choice = choose(&[camera(0), camera(1)]);
        assert_eq!(choice.path, Some(PathBuf::from("/dev/video0")));
        assert!(choice.passed_over.is_empty());
    }

    #[test]
    fn what_is_no_camera_is_passed_over_with_a_reason_each() {
        let streaming = Flags::STREAMING;
        let nodes = [
            node(0, Flags::META_CAPTURE | streaming, &[]),
            node(1, Flags::VIDEO_M2M | streaming, &[b"MJPG"]),
            node(
                2,
                Flags::VIDEO_M2M | Flags::VIDEO_CAPTURE | streaming,
                &[b"MJPG"],
            ),
            node(3, Flags::VIDEO_M2M_MPLANE | streaming, &[b"MJPG"]),
            node(4, Flags::VIDEO_OUTPUT | streaming, &[]),
            node(5, Flags::VIDEO_CAPTURE_MPLANE | streaming, &[b"YUYV"]),
            node(6, Flags::VIDEO_CAPTURE | Flags::READ_WRITE, &[b"YUYV"]),
            node(7, Flags::VIDEO_CAPTURE | streaming, &[b"H264", b"Y16 "]),
            node(8, Flags::VIDEO_CAPTURE | streaming, &[]),
            NodeReport {
                path: PathBuf::from("/dev/video9"),
                said: Err("no rights to /dev/video9".to_owned()),
            },
            camera(10),
        ];
        let choice = choose(&nodes);
        assert_eq!(choice.path, Some(PathBuf::from("/dev/video10")));
        let reasons = [
            "metadata",
            "memory to memory",
            "memory to memory",
            "memory to memory",
            "takes pictures",
            "several planes",
            "cannot stream",
            "only H264, Y16",
            "offers no format",
            "no rights",
        ];
        assert_eq!(choice.passed_over.len(), reasons.len());
        for ((path, why), (n, reason)) in choice.passed_over.iter().zip(reasons.iter().enumerate())
        {
            assert_eq!(path, &PathBuf::from(format!("/dev/video{n}")));
            assert!(why.contains(reason), "{n}: {why}");
        }
    }

    #[test]
    fn any_format_served_will_do() {
        let caps = Flags::VIDEO_CAPTURE | Flags::STREAMING;
        for format in Served::all() {
            assert!(
                choose(&[node(0, caps, &[b"H264", &format.fourcc()])])
                    .path
                    .is_some()
            );
        }
    }

    #[test]
    fn the_ends_of_a_libcamera_pipeline_are_not_taken_unasked() {
        let mut sensor = camera(0);
        if let Ok(said) = &mut sensor.said {
            said.device_caps |= IO_MC;
        }
        assert!(why(sensor).contains("rpicam-vid"));
        let mut isp = camera(14);
        if let Ok(said) = &mut isp.said {
            said.has_input = false;
            assert!(served(said).is_ok(), "but may be asked for by name");
        }
        assert!(why(isp).contains("image processor"));
    }

    #[test]
    fn no_node_no_camera() {
        assert_eq!(choose(&[]), Choice::default());
    }

    #[test]
    fn only_the_kernels_names_are_nodes() {
        for (name, number) in [
            ("video0", Some(0)),
            ("video31", Some(31)),
            ("video", None),
            ("video-cam", None),
            ("video0-index1", None),
            ("video+1", None),
            ("video01", None),
            ("video99999999999", None),
            ("v4l", None),
        ] {
            assert_eq!(node_number(OsStr::new(name)), number, "{name}");
        }
    }

    #[test]
    fn any_bytes_are_a_name() {
        assert_eq!(text(b"HD Webcam\0\0\xff"), "HD Webcam");
        assert_eq!(text(b"\xe6\x91\x84\xe5\x83"), "摄\u{fffd}");
        assert_eq!(text(b" full "), "full");
        assert_eq!(text(b"\x1b[2JCam\r\n\xc2\x9b1m\0"), "[2JCam1m");
        assert_eq!(name(b"Y16 "), "Y16");
        assert_eq!(name(b"A\x1b\x07B"), "AB");
    }

    #[test]
    fn a_survey_of_this_machine_does_not_panic() {
        let _ = choose(&survey());
    }
}

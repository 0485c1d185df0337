//! `seqcast devices`: what cameras there are, for people and scripts.
//!
//! Not here: what is asked of them (`capture::camera`).

use std::fmt::Write as _;

use anyhow::Result;
use capture::camera::devices::{Device, Format, Size};
use worker::control::{Control, Kind};
use worker::exit;

use crate::cli;
use crate::output::say;

/// Prints all video nodes of this machine.
///
/// # Errors
/// None but of the JSON.
pub fn run(asked: &cli::Devices) -> Result<i32> {
    let devices = capture::camera::devices();
    if asked.json {
        say!("{}", serde_json::to_string(&devices)?);
    } else if devices.is_empty() {
        say!(
            "no camera: there is no /dev/video*; plug one in (in a container: --device /dev/video0)"
        );
    } else {
        let each: Vec<_> = devices.iter().map(lines).collect();
        say!("{}", each.join("\n").trim_end());
    }
    Ok(exit::OK)
}

/// A device as a person reads it.
fn lines(device: &Device) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_lines(&mut out, device);
    out
}

fn write_lines(out: &mut String, device: &Device) -> std::fmt::Result {
    let path = device.path.display();
    match (device.may_open, device.card.as_str()) {
        (false, _) => writeln!(out, "{path}: may not be opened")?,
        (true, card) => writeln!(out, "{path}: {card} ({})", device.bus)?,
    }
    if let Some(by_id) = &device.by_id {
        writeln!(out, "  always      {}", by_id.display())?;
    }
    if let Some(problem) = &device.problem {
        writeln!(out, "  but         {problem}")?;
    }
    if let Some(pid) = device.held_by {
        writeln!(out, "  open        in process {pid}")?;
    }
    for format in &device.formats {
        write_format(out, format)?;
    }
    for control in &device.controls {
        write_control(out, control)?;
    }
    Ok(())
}

fn write_format(out: &mut String, format: &Format) -> std::fmt::Result {
    let not = if format.served { "" } else { ", not served" };
    writeln!(out, "  {:<11} {}{not}", format.format, format.description)?;
    for size in &format.sizes {
        writeln!(out, "    {}", shown(size))?;
    }
    Ok(())
}

fn write_control(out: &mut String, control: &Control) -> std::fmt::Result {
    write!(out, "  control     {} {}", control.name, control.kind)?;
    if control.kind != Kind::Button {
        write!(out, " {}..{} = {}", control.min, control.max, control.value)?;
    }
    if let Some(item) = control.items.iter().find(|i| i.value == control.value) {
        write!(out, " ({})", item.label)?;
    }
    let fixed = control.read_only || control.inactive || control.grabbed;
    writeln!(out, "{}", if fixed { ", fixed" } else { "" })
}

/// `1280x720 at 30, 15 fps`
fn shown(size: &Size) -> String {
    let mut text = format!("{}x{}", size.width, size.height);
    if let Some([width, height, ..]) = size.up_to {
        text += &format!(" to {width}x{height}");
    }
    let rates: Vec<_> = size
        .fps
        .iter()
        .map(|fps| format!("{}", (fps * 100.0).round() / 100.0))
        .collect();
    match rates.as_slice() {
        [] => text,
        rates if size.any => format!("{text} at {} fps", rates.join(" to ")),
        rates => format!("{text} at {} fps", rates.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use worker::control::Item;

    fn device() -> Device {
        Device {
            path: "/dev/video0".into(),
            by_id: Some("/dev/v4l/by-id/usb-046d_C920-video-index0".into()),
            card: "HD Pro Webcam C920".into(),
            bus: "usb-0000:00:14.0-1".into(),
            may_open: true,
            usable: true,
            problem: None,
            held_by: Some(71),
            formats: vec![Format {
                format: "yuyv".into(),
                description: "YUYV 4:2:2".into(),
                served: true,
                sizes: vec![
                    Size {
                        width: 640,
                        height: 480,
                        up_to: None,
                        fps: vec![30.0, 30000.0 / 1001.0],
                        any: false,
                    },
                    Size {
                        width: 16,
                        height: 16,
                        up_to: Some([1920, 1080, 2, 2]),
                        fps: vec![1.0, 60.0],
                        any: true,
                    },
                ],
            }],
            controls: vec![Control {
                name: "power_line_frequency".into(),
                label: "Power Line Frequency".into(),
                id: 0x0098_0918,
                kind: Kind::Menu,
                min: 0,
                max: 2,
                step: 1,
                default: 2,
                value: 1,
                items: vec![Item {
                    value: 1,
                    label: "50 Hz".into(),
                }],
                read_only: false,
                inactive: false,
                grabbed: false,
            }],
        }
    }

    #[test]
    fn a_camera_at_a_glance() {
        assert_eq!(
            lines(&device()),
            "/dev/video0: HD Pro Webcam C920 (usb-0000:00:14.0-1)\n\
             \x20 always      /dev/v4l/by-id/usb-046d_C920-video-index0\n\
             \x20 open        in process 71\n\
             \x20 yuyv        YUYV 4:2:2\n\
             \x20   640x480 at 30, 29.97 fps\n\
             \x20   16x16 to 1920x1080 at 1 to 60 fps\n\
             \x20 control     power_line_frequency menu 0..2 = 1 (50 Hz)\n"
        );
    }

    #[test]
    fn what_may_not_be_opened_says_what_to_do() {
        let shut = Device {
            card: String::new(),
            may_open: false,
            problem: Some("no rights to /dev/video0: add yourself to group video".into()),
            formats: Vec::new(),
            controls: Vec::new(),
            ..device()
        };
        let text = lines(&shut);
        assert!(
            text.starts_with("/dev/video0: may not be opened\n"),
            "{text}"
        );
        assert!(text.contains("add yourself to group video"), "{text}");
    }
}

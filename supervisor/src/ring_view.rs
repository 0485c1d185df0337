//! A ring as `seqcast ring` shows it: what is computed from what was read, the JSON and the text.
//!
//! Not here: reading it (`ring`).

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use shm_ring::FrameInfo;

use crate::units;

/// A ring at a glance. Field names are a contract with scripts: more may come, none is renamed.
#[derive(Debug, Serialize)]
pub struct View {
    pub name: String,
    /// The layout's version.
    pub version: u32,
    /// Bytes of the frame arena.
    pub bytes: u64,
    /// Frames that it can hold at most.
    pub descriptors: u64,
    pub epoch: u64,
    pub writer: Writer,
    pub signal: Signal,
    pub frames: Frames,
    pub newest: Option<Newest>,
    pub rate: Rate,
}

/// Who writes it.
#[derive(Debug, Serialize)]
pub struct Writer {
    /// In its own pid namespace; 0 before the first.
    pub pid: u32,
    /// Whether it holds the writer's lock.
    pub alive: bool,
    /// Seconds since it last showed life; null before the first.
    pub silent_s: Option<f64>,
}

/// What the header says of the picture.
#[derive(Debug, Serialize)]
pub struct Signal {
    /// `starting`, `live`, `no-signal`, `ended` or `resting`.
    pub state: &'static str,
    pub reason: String,
    /// Seconds since it changed to that, or its reason's title did; null where it never did.
    pub for_s: Option<f64>,
}

/// The frames that are readable.
#[derive(Debug, Default, Serialize)]
pub struct Frames {
    /// Empty: one above `head`.
    pub oldest: u64,
    pub head: u64,
    pub count: u64,
    /// Of all of them.
    pub bytes: u64,
    pub mean: u64,
    pub largest: u64,
    /// Between the publications of the first and the last.
    pub seconds_held: f64,
}

/// The newest frame.
#[derive(Debug, Serialize)]
pub struct Newest {
    pub id: u64,
    pub bytes: u64,
    pub width: u32,
    pub height: u32,
    /// Its fourcc.
    pub format: String,
    /// Seconds since its publication.
    pub age_s: f64,
}

/// What came while it was looked at.
#[derive(Debug, Serialize)]
pub struct Rate {
    /// How long that was.
    pub seconds: f64,
    pub frames: u64,
    pub fps: f64,
    /// Millions of bytes a second.
    pub mb_per_s: f64,
}

impl Frames {
    /// Of the frames `oldest..=head`, those that could still be read, in order.
    pub fn of(oldest: u64, head: u64, readable: &[FrameInfo]) -> Frames {
        let lens = || readable.iter().map(|frame| frame.len as u64);
        let count = readable.len() as u64;
        let bytes = lens().fold(0, u64::saturating_add);
        let published = |frame: &FrameInfo| frame.published_ns;
        let first = readable.first().map_or(0, published);
        let last = readable.last().map_or(0, published);
        Frames {
            oldest,
            head,
            count,
            bytes,
            mean: bytes / count.max(1),
            largest: lens().max().unwrap_or(0),
            seconds_held: rounded(seconds(last.saturating_sub(first))),
        }
    }
}

impl Newest {
    /// At the Unix time `now_ns`.
    pub fn of(frame: &FrameInfo, now_ns: u64) -> Newest {
        let meta = &frame.meta;
        let letter = |&byte: &u8| match byte.is_ascii_graphic() {
            true => char::from(byte),
            false => '?',
        };
        Newest {
            id: frame.id,
            bytes: frame.len as u64,
            width: meta.width,
            height: meta.height,
            format: meta.format.iter().map(letter).collect(),
            age_s: rounded(seconds(now_ns.saturating_sub(frame.published_ns))),
        }
    }
}

impl Rate {
    /// Of `frames` that came in `time`; `bytes` are those of the `seen` among them, the others
    /// were overwritten before they were looked at and are taken to be like them.
    pub fn of(frames: u64, seen: u64, bytes: u64, time: Duration) -> Rate {
        let seconds = time.as_secs_f64();
        let a_second = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        let all = frames as f64 * (bytes as f64 / seen.max(1) as f64);
        Rate {
            seconds: rounded(seconds),
            frames,
            fps: rounded(a_second(frames as f64)),
            mb_per_s: rounded(a_second(all) / 1e6),
        }
    }
}

/// Nanoseconds as seconds.
pub fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// To the thousandth.
pub fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The ring as a person reads it at a glance.
pub fn text(view: &View) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_text(&mut out, view);
    out
}

fn write_text(out: &mut String, view: &View) -> std::fmt::Result {
    let View { frames, rate, .. } = view;
    writeln!(
        out,
        "{:<8}{} for at most {} frames, layout {}, epoch {}",
        view.name,
        units::show_bytes(view.bytes),
        view.descriptors,
        view.version,
        view.epoch
    )?;
    let life = match (view.writer.alive, view.writer.silent_s) {
        (_, None) => "none yet".into(),
        (true, Some(silent)) => format!("pid {} lives, last sign {}", view.writer.pid, ago(silent)),
        (false, Some(silent)) => {
            format!("pid {} is gone, last sign {}", view.writer.pid, ago(silent))
        }
    };
    writeln!(out, "writer  {life}")?;
    let time = view.signal.for_s.map(units::show_seconds);
    let time = time.map_or(String::new(), |time| format!(" for {time}"));
    let reason = match view.signal.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    writeln!(out, "signal  {}{time}{reason}", view.signal.state)?;
    let Some(newest) = &view.newest else {
        return writeln!(out, "frames  none");
    };
    writeln!(
        out,
        "frames  {} to {}: {} in {}, {:.1} s; mean {}, largest {}",
        frames.oldest,
        frames.head,
        frames.count,
        units::show_bytes(frames.bytes),
        frames.seconds_held,
        units::show_bytes(frames.mean),
        units::show_bytes(frames.largest)
    )?;
    writeln!(
        out,
        "newest  {}: {}x{} {}, {}, {}",
        newest.id,
        newest.width,
        newest.height,
        newest.format,
        units::show_bytes(newest.bytes),
        ago(newest.age_s)
    )?;
    writeln!(
        out,
        "rate    {:.1} fps, {:.2} MB/s ({} frames in {:.2} s)",
        rate.fps, rate.mb_per_s, rate.frames, rate.seconds
    )
}

fn ago(seconds: f64) -> String {
    if seconds < 10.0 {
        format!("{seconds:.2} s ago")
    } else {
        format!("{} ago", units::show_seconds(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_ring::FrameMeta;

    fn frame(id: u64, len: usize, published_ns: u64) -> FrameInfo {
        let meta = FrameMeta {
            format: *b"MJPG",
            width: 640,
            height: 480,
            ..FrameMeta::default()
        };
        FrameInfo {
            id,
            len,
            epoch: 7,
            published_ns,
            meta,
        }
    }

    fn view(readable: &[FrameInfo]) -> View {
        View {
            name: "cam0".into(),
            version: 1,
            bytes: 16 << 20,
            descriptors: 4096,
            epoch: 7,
            writer: Writer {
                pid: 42,
                alive: true,
                silent_s: Some(0.04),
            },
            signal: Signal {
                state: "live",
                reason: String::new(),
                for_s: Some(61.0),
            },
            frames: Frames::of(5, 7, readable),
            newest: readable.last().map(|last| Newest::of(last, 8_500_000_000)),
            rate: Rate::of(30, 30, 600_000, Duration::from_secs(1)),
        }
    }

    #[test]
    fn on_one_screen() {
        let readable = [
            frame(5, 1000, 6_000_000_000),
            frame(6, 4000, 7_000_000_000),
            frame(7, 1000, 8_000_000_000),
        ];
        assert_eq!(
            text(&view(&readable)),
            "cam0    16 MiB for at most 4096 frames, layout 1, epoch 7\n\
             writer  pid 42 lives, last sign 0.04 s ago\n\
             signal  live for 1 min 1 s\n\
             frames  5 to 7: 3 in 5.9 KiB, 2.0 s; mean 2.0 KiB, largest 3.9 KiB\n\
             newest  7: 640x480 MJPG, 1.0 KiB, 0.50 s ago\n\
             rate    30.0 fps, 0.60 MB/s (30 frames in 1.00 s)\n"
        );
    }

    #[test]
    fn an_empty_ring_and_a_writer_that_is_gone() {
        let mut view = view(&[]);
        view.writer.alive = false;
        view.signal.reason = "the capture process exited with 1".into();
        view.signal.state = "no-signal";
        let text = text(&view);
        assert!(
            text.contains("writer  pid 42 is gone, last sign 0.04 s ago\n"),
            "{text}"
        );
        assert!(
            text.contains("no-signal for 1 min 1 s: the capture"),
            "{text}"
        );
        assert!(text.ends_with("frames  none\n"), "{text}");
    }

    #[test]
    fn rates_count_what_was_overwritten_meanwhile() {
        let rate = Rate::of(200, 50, 5_000_000, Duration::from_secs(2));
        assert_eq!((rate.fps, rate.mb_per_s), (100.0, 10.0));
        let none = Rate::of(0, 0, 0, Duration::ZERO);
        assert_eq!((none.fps, none.mb_per_s), (0.0, 0.0));
    }

    #[test]
    fn whatever_a_stranger_wrote() {
        let mut wild = frame(u64::MAX, usize::MAX, 0);
        wild.meta.format = *b"\x1b[2J";
        let frames = Frames::of(1, u64::MAX, &[frame(1, usize::MAX, u64::MAX), wild]);
        assert_eq!((frames.bytes, frames.seconds_held), (u64::MAX, 0.0));
        assert_eq!(Newest::of(&wild, u64::MAX).format, "?[2J");
        assert!(
            Rate::of(u64::MAX, 1, u64::MAX, Duration::from_nanos(1))
                .fps
                .is_finite()
        );
    }
}

//! What every source promises, checked on every source: a suite of checks that know only the
//! [`Source`] trait, and a line per source.
//!
//! A new source is a [`Subject`] and a line in `conformance!`. The camera's run where there is
//! one, with `SEQCAST_CAMERA=/dev/videoN cargo test -p capture camera -- --ignored
//! --test-threads=1`. Not here: what one source does and others do not.

use std::fs::{self, File};
use std::io::{PipeReader, Write, pipe};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use picture::jpeg;
use tempfile::TempDir;
use worker::unix_ns;

use crate::amqp::testing::Published;
use crate::choice::Choice;
use crate::config::{Asked, Config};
use crate::formats::Served;
use crate::http::testing::Server;
use crate::open::Opener;
use crate::source::{Event, Image, Source};
use crate::stdin::Pipe;

/// Slow enough that a loaded machine still finds time between two frames.
const FPS: u32 = 20;

/// What is a hang and no longer a slow machine.
const HANG: Duration = Duration::from_secs(60);

/// Sets up one kind of source, and opens it as often as is asked.
trait Subject {
    /// Whether it is paced here, by `--fps`.
    const PACED: bool;

    fn set_up() -> Self;

    fn open(&self) -> Box<dyn Source>;

    /// What /proc/self/fd shows for a descriptor that an open source may hold.
    fn held(&self) -> Option<PathBuf>;
}

macro_rules! conformance {
    ($($(#[$attribute:meta])* $name:ident: $subject:ty;)*) => {$(
        mod $name {
            use super::*;
            conformance!(@checks $subject, [$(#[$attribute])*],
                grants_what_it_delivers
                yields_whole_pictures
                tells_when_and_which
                is_idle_between_frames
                never_blocks_on_a_zero_timeout
                keeps_its_pace
                closes_what_it_opened
                opens_again
            );
        }
    )*};
    (@checks $subject:ty, $attributes:tt, $($check:ident)*) => {
        $(conformance!(@check $subject, $attributes, $check);)*
    };
    (@check $subject:ty, [$($attribute:tt)*], $check:ident) => {
        #[test]
        $($attribute)*
        fn $check() {
            super::$check(&<$subject>::set_up());
        }
    };
}

conformance! {
    test_picture: TestPicture;
    raw_test_picture: RawTestPicture;
    mjpeg_file: MjpegFile;
    jpg_file: JpgFile;
    directory: Directory;
    standard_input: StandardInput;
    http_stream: HttpStream;
    http_picture: HttpPicture;
    #[ignore = "needs RabbitMQ: tests/run"]
    exchange: Exchange;
    #[ignore = "needs a camera, named by SEQCAST_CAMERA"]
    camera: Camera;
}

fn grants_what_it_delivers<S: Subject>(subject: &S) {
    let mut source = subject.open();
    let before = source.granted().clone();
    let kinds = [
        "test",
        "file",
        "directory",
        "stdin",
        "http",
        "amqp",
        "camera",
    ];
    assert!(kinds.contains(&before.kind), "{before:?}");
    assert!(!before.detail.is_empty());
    assert_eq!(before.format.len(), 4, "{before:?}");
    assert!(before.fps.is_finite() && before.fps >= 0.0, "{before:?}");
    assert_eq!(before.width == 0, before.height == 0, "{before:?}");
    let delivered = frame(&mut *source, 1).size;
    let after = source.granted().clone();
    assert!(!S::PACED || after.fps == f64::from(FPS), "{after:?}");
    if before.width > 0 {
        assert_eq!(before, after);
    }
    if after.width > 0 {
        assert_eq!((after.width, after.height), delivered);
    }
}

fn yields_whole_pictures<S: Subject>(subject: &S) {
    let mut source = subject.open();
    for id in 1..=6 {
        let (width, height) = frame(&mut *source, id).size;
        assert!(width >= 64 && height >= 48);
    }
}

fn tells_when_and_which<S: Subject>(subject: &S) {
    const SECOND: u64 = 1_000_000_000;
    let mut source = subject.open();
    let mut last = unix_ns() - SECOND;
    let mut sequence = 0;
    for id in 1..=6 {
        let grabbed = frame(&mut *source, id);
        assert!(grabbed.captured_ns >= last, "{grabbed:?}");
        assert!(grabbed.captured_ns <= unix_ns(), "{grabbed:?}");
        assert!(grabbed.sequence > sequence || grabbed.sequence == 0);
        (last, sequence) = (grabbed.captured_ns, grabbed.sequence);
    }
}

fn is_idle_between_frames<S: Subject>(subject: &S) {
    let mut source = subject.open();
    frame(&mut *source, 1);
    let begin = Instant::now();
    let timeout = Duration::from_millis(2);
    while begin.elapsed() < HANG {
        let asked = Instant::now();
        if let Event::Idle = source.next(2, timeout).unwrap() {
            // A tick of the kernel's clock may end a wait early.
            assert!(asked.elapsed() + Duration::from_millis(1) >= timeout);
            return;
        }
    }
    panic!("never idle");
}

fn never_blocks_on_a_zero_timeout<S: Subject>(subject: &S) {
    let mut source = subject.open();
    let mut frames = 0;
    let begin = Instant::now();
    while frames < 4 {
        assert!(begin.elapsed() < HANG);
        match source.next(frames + 1, Duration::ZERO).unwrap() {
            Event::Frame(_) => frames += 1,
            Event::Dropped(..) | Event::NoSignal(_) => {}
            Event::Idle => thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn keeps_its_pace<S: Subject>(subject: &S) {
    if !S::PACED {
        return;
    }
    const FRAMES: u32 = 12;
    let mut source = subject.open();
    let begin = Instant::now();
    for id in 1..=FRAMES {
        frame(&mut *source, id.into());
    }
    // Between the beats of the first and the last, of which the first may have come late.
    let least = Duration::from_secs(1) * (FRAMES - 2) / FPS;
    let took = begin.elapsed();
    assert!(took >= least, "{FRAMES} frames in {took:?}");
}

fn closes_what_it_opened<S: Subject>(subject: &S) {
    let Some(held) = subject.held() else { return };
    let before = descriptors(&held);
    let mut source = subject.open();
    frame(&mut *source, 1);
    drop(source);
    assert_eq!(descriptors(&held), before);
}

fn opens_again<S: Subject>(subject: &S) {
    for id in 1..=3 {
        let mut source = subject.open();
        frame(&mut *source, id);
    }
}

/// What outlives the next call of a frame that was whole.
struct Grabbed {
    /// Pixels: width, height.
    size: (u32, u32),
    captured_ns: u64,
    sequence: u64,
}

impl std::fmt::Debug for Grabbed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "frame {} at {}", self.sequence, self.captured_ns)
    }
}

fn frame(source: &mut dyn Source, id: u64) -> Grabbed {
    let begin = Instant::now();
    while begin.elapsed() < HANG {
        if let Event::Frame(grab) = source.next(id, Duration::from_millis(100)).unwrap() {
            return Grabbed {
                size: size(grab.image),
                captured_ns: grab.captured_ns,
                sequence: grab.sequence,
            };
        }
    }
    panic!("no frame");
}

fn size(image: Image<'_>) -> (u32, u32) {
    match image {
        Image::Jpeg(jpeg) => {
            let (info, _) = jpeg::complete(jpeg).unwrap();
            (info.width.into(), info.height.into())
        }
        Image::Bgr {
            pixels,
            width,
            height,
        } => {
            assert_eq!(picture::bgr_len(width, height), Some(pixels.len()));
            (width, height)
        }
    }
}

/// How many descriptors of this process lead there.
fn descriptors(to: &Path) -> usize {
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter(|link| link == to)
        .count()
}

/// Small pictures, each another.
fn jpegs() -> impl Iterator<Item = Vec<u8>> {
    let mut picture = picture::TestPicture::new(64, 48, FPS, 80).unwrap();
    (1..).map(move |id| {
        let mut jpeg = Vec::new();
        picture.render(id, unix_ns(), &mut jpeg);
        jpeg
    })
}

fn open(choice: &str) -> Box<dyn Source> {
    open_as(choice, None)
}

fn open_as(choice: &str, format: Option<Served>) -> Box<dyn Source> {
    let asked = Asked {
        width: 64,
        height: 48,
        fps: FPS,
        quality: 80,
        format,
        allow_truncated: false,
    };
    let cfg = Config::new(choice, asked).unwrap();
    Opener::new(&cfg, false).open().unwrap()
}

struct TestPicture;

impl Subject for TestPicture {
    const PACED: bool = true;

    fn set_up() -> Self {
        TestPicture
    }

    fn open(&self) -> Box<dyn Source> {
        open("test")
    }

    fn held(&self) -> Option<PathBuf> {
        None
    }
}

struct RawTestPicture;

impl Subject for RawTestPicture {
    const PACED: bool = true;

    fn set_up() -> Self {
        RawTestPicture
    }

    fn open(&self) -> Box<dyn Source> {
        open_as("test", Some(Served::BGR24))
    }

    fn held(&self) -> Option<PathBuf> {
        None
    }
}

struct MjpegFile(TempDir);

impl Subject for MjpegFile {
    const PACED: bool = true;

    fn set_up() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut file = File::create(dir.path().join("a.mjpeg")).unwrap();
        for jpeg in jpegs().take(3) {
            file.write_all(&jpeg).unwrap();
        }
        MjpegFile(dir)
    }

    fn open(&self) -> Box<dyn Source> {
        open(self.held().unwrap().to_str().unwrap())
    }

    fn held(&self) -> Option<PathBuf> {
        Some(self.0.path().join("a.mjpeg"))
    }
}

struct JpgFile(TempDir);

impl Subject for JpgFile {
    const PACED: bool = true;

    fn set_up() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.jpg"), jpegs().next().unwrap()).unwrap();
        JpgFile(dir)
    }

    fn open(&self) -> Box<dyn Source> {
        open(self.held().unwrap().to_str().unwrap())
    }

    fn held(&self) -> Option<PathBuf> {
        Some(self.0.path().join("a.jpg"))
    }
}

struct Directory(TempDir);

impl Subject for Directory {
    const PACED: bool = true;

    fn set_up() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (n, jpeg) in jpegs().take(3).enumerate() {
            fs::write(dir.path().join(format!("{n}.jpg")), jpeg).unwrap();
        }
        Directory(dir)
    }

    fn open(&self) -> Box<dyn Source> {
        open(self.0.path().to_str().unwrap())
    }

    fn held(&self) -> Option<PathBuf> {
        Some(self.0.path().to_owned())
    }
}

/// A pipe that somebody writes to, at a pace, until nobody reads.
struct StandardInput {
    reader: Option<PipeReader>,
    feeder: Option<JoinHandle<()>>,
}

impl Subject for StandardInput {
    const PACED: bool = false;

    fn set_up() -> Self {
        let (reader, mut writer) = pipe().unwrap();
        let feeder = thread::spawn(move || {
            for jpeg in jpegs() {
                if writer.write_all(&jpeg).is_err() {
                    return;
                }
                thread::sleep(Duration::from_secs(1) / FPS);
            }
        });
        StandardInput {
            reader: Some(reader),
            feeder: Some(feeder),
        }
    }

    fn open(&self) -> Box<dyn Source> {
        let own = self.reader.as_ref().unwrap().try_clone().unwrap();
        Box::new(Pipe::new(OwnedFd::from(own), FPS))
    }

    fn held(&self) -> Option<PathBuf> {
        let fd = self.reader.as_ref().unwrap().as_raw_fd();
        Some(fs::read_link(format!("/proc/self/fd/{fd}")).unwrap())
    }
}

impl Drop for StandardInput {
    fn drop(&mut self) {
        drop(self.reader.take());
        self.feeder.take().unwrap().join().unwrap();
    }
}

/// A server that sends pictures at a pace for as long as somebody takes them.
struct HttpStream(Server);

impl Subject for HttpStream {
    const PACED: bool = false;

    fn set_up() -> Self {
        HttpStream(Server::start(|mut viewer| {
            viewer.request()?;
            viewer.stream()?;
            for jpeg in jpegs() {
                viewer.part("", &jpeg)?;
                thread::sleep(Duration::from_secs(1) / FPS);
            }
            Ok(())
        }))
    }

    fn open(&self) -> Box<dyn Source> {
        open(&self.0.url("/stream"))
    }

    fn held(&self) -> Option<PathBuf> {
        None
    }
}

/// A server that gives one picture for a request.
struct HttpPicture(Server);

impl Subject for HttpPicture {
    const PACED: bool = true;

    fn set_up() -> Self {
        HttpPicture(Server::start(|mut viewer| {
            for jpeg in jpegs() {
                viewer.request()?;
                viewer.picture(&jpeg)?;
            }
            Ok(())
        }))
    }

    fn open(&self) -> Box<dyn Source> {
        open(&self.0.url("/snapshot"))
    }

    fn held(&self) -> Option<PathBuf> {
        None
    }
}

/// An exchange to which somebody publishes at a pace.
struct Exchange(Published);

impl Subject for Exchange {
    const PACED: bool = false;

    fn set_up() -> Self {
        Exchange(Published::start(jpegs(), Duration::from_secs(1) / FPS))
    }

    fn open(&self) -> Box<dyn Source> {
        open(self.0.url())
    }

    fn held(&self) -> Option<PathBuf> {
        None
    }
}

struct Camera(PathBuf);

impl Subject for Camera {
    const PACED: bool = false;

    fn set_up() -> Self {
        Camera(std::env::var("SEQCAST_CAMERA").unwrap().into())
    }

    fn open(&self) -> Box<dyn Source> {
        let cfg = Config {
            choice: Choice::Camera(self.0.clone()),
            asked: Asked {
                width: 640,
                height: 480,
                fps: FPS,
                quality: 80,
                format: None,
                allow_truncated: false,
            },
            drop_same: 0,
            controls: Vec::new(),
            origin: Default::default(),
        };
        Opener::new(&cfg, false).open().unwrap()
    }

    fn held(&self) -> Option<PathBuf> {
        Some(self.0.clone())
    }
}

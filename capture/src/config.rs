//! What to capture: `--source`, `--size`, `--fps`, `--quality` and `--format`, checked before any
//! process is forked.
//!
//! Not here: opening the source for good, and everything that can change later (a camera that is
//! not there yet is no error).

use std::fmt;
use std::fs;
use std::io::{self, IsTerminal};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::{mjpeg, stills};

/// The smallest picture, pixels: width, height.
pub const MIN_SIZE: (u32, u32) = (64, 48);
/// The largest picture, pixels: width, height.
pub const MAX_SIZE: (u32, u32) = (8192, 8192);
/// Frames a second.
pub const FPS: RangeInclusive<u32> = 1..=240;
/// JPEG quality as the IJG counts it.
pub const QUALITY: RangeInclusive<u8> = 1..=100;

/// The longest JPEG that any source yields, bytes. Bounds the memory for a stream that never
/// ends its frame; a picture of [`MAX_SIZE`] fits.
pub const MAX_FRAME: usize = 64 << 20;

/// Which source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The first camera found, or else the test picture.
    Auto,
    /// The test picture.
    Test,
    /// A V4L2 node, there or not.
    Camera(PathBuf),
    /// A file of JPEGs one behind the other, looped.
    Mjpeg(PathBuf),
    /// One JPEG, repeated.
    Still(PathBuf),
    /// The JPEGs of a directory by name, looped.
    Directory(PathBuf),
    /// MJPEG on standard input.
    Stdin,
}

/// In what form frames go into the ring, whatever the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As JPEG (V4L2_PIX_FMT_MJPEG, `MJPG`).
    Jpeg,
    /// As packed BGR (V4L2_PIX_FMT_BGR24, `BGR3`): what comes as JPEG is decoded here, once.
    Bgr24,
}

/// What is asked of a source that can choose: a camera, the test picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Pixels, even, 64 to 8192.
    pub width: u32,
    /// Pixels, even, 48 to 8192.
    pub height: u32,
    /// Frames a second, 1 to 240; also the pace of files.
    pub fps: u32,
    /// JPEG quality where it is encoded here, 1 to 100.
    pub quality: u8,
    /// In what form frames go into the ring.
    pub form: Form,
}

/// A checked request for pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Which source.
    pub choice: Choice,
    /// What is asked of it.
    pub asked: Asked,
}

impl Config {
    /// Checks everything that can never become right later.
    ///
    /// # Errors
    /// [`Error`], one line that says what to do.
    pub fn new(source: &str, asked: Asked) -> Result<Config, Error> {
        let Asked {
            width,
            height,
            fps,
            quality,
            form: _, // every size above fits into a raw frame's 16 bits a side
        } = asked;
        let even = width.is_multiple_of(2) && height.is_multiple_of(2);
        let wide = (MIN_SIZE.0..=MAX_SIZE.0).contains(&width);
        let high = (MIN_SIZE.1..=MAX_SIZE.1).contains(&height);
        if !(even && wide && high) {
            return Err(Error::Size { width, height });
        }
        if !FPS.contains(&fps) {
            return Err(Error::Fps(fps));
        }
        if !QUALITY.contains(&quality) {
            return Err(Error::Quality(quality));
        }
        let choice = Choice::parse(source)?;
        choice.check()?;
        Ok(Config { choice, asked })
    }
}

impl Config {
    /// Whether the source is standard input, which a capture process then must keep.
    pub fn reads_stdin(&self) -> bool {
        self.choice == Choice::Stdin
    }
}

impl Choice {
    /// Reads `--source`. Looks at what kind of file a path is, not yet into it.
    fn parse(source: &str) -> Result<Choice, Error> {
        match source {
            "auto" => return Ok(Choice::Auto),
            "test" => return Ok(Choice::Test),
            "-" => return Ok(Choice::Stdin),
            _ => {}
        }
        let path = PathBuf::from(source);
        if ["/dev/video", "/dev/v4l/"]
            .iter()
            .any(|p| source.starts_with(p))
        {
            return Ok(Choice::Camera(path));
        }
        let kind = Kind::of(&path);
        if kind == Kind::Container {
            return Err(Error::Convert(path));
        }
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let is_path = kind != Kind::Other || source.contains('/');
                return Err(if is_path {
                    Error::Missing(path)
                } else {
                    Error::UnknownSource(source.to_owned())
                });
            }
            Err(cause) => return Err(Error::Unreadable { path, cause }),
        };
        if meta.is_dir() {
            return Ok(Choice::Directory(path));
        }
        if !meta.is_file() {
            return Err(Error::NotRegular(path));
        }
        match kind {
            Kind::Mjpeg => Ok(Choice::Mjpeg(path)),
            Kind::Still => Ok(Choice::Still(path)),
            Kind::Container | Kind::Other => Err(Error::Convert(path)),
        }
    }

    /// Looks into the file or directory for a first whole JPEG.
    fn check(&self) -> Result<(), Error> {
        match self {
            Choice::Auto | Choice::Test | Choice::Camera(_) => Ok(()),
            Choice::Stdin if io::stdin().is_terminal() => Err(Error::Terminal),
            Choice::Stdin => Ok(()),
            Choice::Mjpeg(path) => mjpeg::probe(path),
            Choice::Still(path) => stills::probe(path),
            Choice::Directory(path) => {
                let files = stills::list(path).map_err(|e| unreadable(path, e))?;
                // One good picture makes a source; the bad ones are counted when their turn comes.
                if files.iter().any(|file| stills::probe(file).is_ok()) {
                    Ok(())
                } else {
                    Err(Error::EmptyDirectory(path.clone()))
                }
            }
        }
    }
}

impl Choice {
    /// The kind of source, as [`crate::Granted`] names them; `auto` until it has decided.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Choice::Auto => "auto",
            Choice::Test => "test",
            Choice::Camera(_) => "camera",
            Choice::Mjpeg(_) | Choice::Still(_) => "file",
            Choice::Directory(_) => "directory",
            Choice::Stdin => "stdin",
        }
    }
}

/// For people: a path, or a few words.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Auto => f.write_str("auto"),
            Choice::Test => f.write_str("test picture"),
            Choice::Stdin => f.write_str("standard input"),
            Choice::Camera(path)
            | Choice::Mjpeg(path)
            | Choice::Still(path)
            | Choice::Directory(path) => path.display().fmt(f),
        }
    }
}

/// What the ending of a file's name promises.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Mjpeg,
    Still,
    /// A video that `ffmpeg` turns into MJPEG.
    Container,
    Other,
}

impl Kind {
    fn of(path: &Path) -> Kind {
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        match ending.to_ascii_lowercase().as_str() {
            "mjpeg" | "mjpg" => Kind::Mjpeg,
            "jpg" | "jpeg" => Kind::Still,
            "mp4" | "mkv" | "mov" | "avi" | "webm" => Kind::Container,
            _ => Kind::Other,
        }
    }
}

fn unreadable(path: &Path, cause: io::Error) -> Error {
    Error::Unreadable {
        path: path.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(source: &str) -> Result<Config, Error> {
        asked(source, (640, 480), 30, 80)
    }

    fn asked(source: &str, size: (u32, u32), fps: u32, quality: u8) -> Result<Config, Error> {
        let asked = Asked {
            width: size.0,
            height: size.1,
            fps,
            quality,
            form: Form::Jpeg,
        };
        Config::new(source, asked)
    }

    fn choice(source: &str) -> Choice {
        new(source).unwrap().choice
    }

    /// The error's text, which must be one line.
    fn said(result: Result<Config, Error>) -> String {
        let text = result.unwrap_err().to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    }

    fn jpeg() -> Vec<u8> {
        let mut jpeg = Vec::new();
        let mut picture = picture::TestPicture::new(64, 48, 30, 80).unwrap();
        picture.render(1, 0, &mut jpeg);
        jpeg
    }

    /// `name` with `bytes` in it, in a directory that goes with the first of the pair.
    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (dir, path)
    }

    #[test]
    fn words_and_cameras_that_may_come() {
        assert_eq!(choice("auto"), Choice::Auto);
        assert_eq!(choice("test"), Choice::Test);
        for node in ["/dev/video77", "/dev/v4l/by-id/usb-none"] {
            assert_eq!(choice(node), Choice::Camera(node.into()));
        }
    }

    #[test]
    fn files_by_their_endings() {
        for name in ["a.mjpeg", "a.mjpg", "a.MJPEG"] {
            let (_dir, path) = file(name, &jpeg());
            assert_eq!(choice(&path), Choice::Mjpeg(path.into()));
        }
        for name in ["a.jpg", "a.jpeg", "a.JPG"] {
            let (dir, path) = file(name, &jpeg());
            assert_eq!(choice(&path), Choice::Still(path.into()));
            let dir = dir.path();
            assert_eq!(choice(dir.to_str().unwrap()), Choice::Directory(dir.into()));
        }
    }

    #[test]
    fn a_word_that_is_no_source() {
        for source in ["tset", "", "video0"] {
            let said = said(new(source));
            assert!(said.contains("give auto, test, /dev/videoN"), "{said}");
        }
    }

    #[test]
    fn a_path_to_nothing() {
        for source in ["none.mjpeg", "none.jpg", "./none", "/none/none"] {
            let said = said(new(source));
            assert!(said.contains(source), "{said}");
            assert!(said.contains("no such file or directory: check the path"));
        }
    }

    #[test]
    fn a_video_gets_the_line_that_converts_it() {
        let (_dir, path) = file("a b.mp4", b"");
        let quoted = format!("'{path}'");
        for (source, quoted) in [("x.mkv", "x.mkv"), (&path, &quoted)] {
            let said = said(new(source));
            let line = format!(
                "ffmpeg -re -i {quoted} -an -c:v mjpeg -q:v 5 -f mjpeg - | seqcast --source -"
            );
            assert!(said.ends_with(&line), "{said}");
        }
        let (_dir, path) = file("notes.txt", b"");
        assert!(said(new(&path)).contains("ffmpeg"));
    }

    #[test]
    fn a_file_that_is_no_jpeg() {
        let whole = jpeg();
        for name in ["a.mjpeg", "a.jpg"] {
            for bytes in [&b""[..], b"GIF89a, or so", &whole[..whole.len() - 20]] {
                let (_dir, path) = file(name, bytes);
                let said = said(new(&path));
                assert!(
                    said.contains(&path) && said.contains("holds no JPEG"),
                    "{said}"
                );
                assert!(said.contains("give a file with"), "{said}");
            }
        }
    }

    #[test]
    fn a_directory_without_pictures() {
        let (dir, path) = file("a.jpg", b"GIF89a");
        let dir = dir.path().to_str().unwrap();
        assert!(said(new(dir)).contains("holds no readable .jpg"));
        fs::remove_file(path).unwrap();
        assert!(said(new(dir)).contains("give a directory that does"));
    }

    #[test]
    fn one_good_picture_makes_a_directory() {
        let (dir, _path) = file("b.jpg", &jpeg());
        fs::write(dir.path().join("a.jpg"), b"GIF89a").unwrap();
        assert!(new(dir.path().to_str().unwrap()).is_ok());
    }

    #[test]
    fn what_may_not_be_read() {
        // A name below a file: root may not read that either.
        let (_dir, path) = file("a.jpg", &jpeg());
        let below = format!("{path}/b.jpg");
        let said = said(new(&below));
        assert!(
            said.contains("cannot read") && said.contains("right to read"),
            "{said}"
        );
    }

    #[test]
    fn what_is_no_regular_file() {
        let said = said(new("/dev/null"));
        assert!(said.contains("--source - < /dev/null"), "{said}");
    }

    #[test]
    fn numbers_out_of_range() {
        for (width, height) in [
            (62, 480),
            (640, 46),
            (8194, 480),
            (640, 8194),
            (641, 480),
            (0, 0),
        ] {
            let said = said(asked("test", (width, height), 30, 80));
            assert!(said.contains(&format!("{width}x{height}")), "{said}");
            assert!(
                said.contains("even numbers from 64x48 to 8192x8192"),
                "{said}"
            );
        }
        for fps in [0, 241] {
            let said = said(asked("test", (640, 480), fps, 80));
            assert!(
                said.contains(&fps.to_string()) && said.contains("--fps 1 to 240"),
                "{said}"
            );
        }
        for quality in [0, 101] {
            let said = said(asked("test", (640, 480), 30, quality));
            assert!(said.contains("--quality 1 to 100"), "{said}");
        }
        assert!(asked("test", (64, 48), 1, 1).is_ok());
        assert!(asked("test", (8192, 8192), 240, 100).is_ok());
    }
}

//! `--source`, told apart: a word, a node, a file, a directory, an address.
//!
//! Not here: what is asked of the source (`config`), and opening it for good (`open`).

use std::env;
use std::fmt;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use broker::Address;

use crate::amqp::Past;
use crate::error::Error;
use crate::formats::Served;
use crate::http::Url;
use crate::http::url::redacted;
use crate::{mjpeg, stills};

/// The environment's word for a login, `USER:PASSWORD`: unlike an argument it is not for all to see.
const LOGIN: &str = "SEQCAST_SOURCE_AUTH";

/// Which source.
#[derive(Debug, Clone, PartialEq)]
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
    /// A camera over HTTP, there or not.
    Http(Url),
    /// An exchange of a broker, there or not.
    Amqp(Address),
    /// The history of an exchange, there or not.
    Replay(Past),
}

impl Choice {
    /// Reads `--source`, and looks into what is there already.
    ///
    /// # Errors
    /// [`Error`], where it can never become right later.
    pub(crate) fn new(source: &str) -> Result<Choice, Error> {
        let choice = Choice::parse(source)?;
        choice.check()?;
        Ok(choice)
    }

    /// Reads `--source`. Looks at what kind of file a path is, not yet into it.
    fn parse(source: &str) -> Result<Choice, Error> {
        match source {
            "auto" => return Ok(Choice::Auto),
            "test" => return Ok(Choice::Test),
            "-" => return Ok(Choice::Stdin),
            _ => {}
        }
        if Address::is_one(source) {
            return amqp(source);
        }
        if source.contains("://") {
            let login = env::var(LOGIN).ok();
            return match Url::parse(source, login.as_deref()) {
                Ok(url) => Ok(Choice::Http(url)),
                Err(reason) => Err(Error::Address {
                    address: redacted(source),
                    reason: reason.into(),
                }),
            };
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
            Choice::Auto
            | Choice::Test
            | Choice::Camera(_)
            | Choice::Http(_)
            | Choice::Amqp(_)
            | Choice::Replay(_) => Ok(()),
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
    /// Whether that format can be had of it: all else than a camera gives JPEGs, which can be made BGR.
    pub(crate) fn may_give(&self, format: Served) -> bool {
        match self {
            Choice::Auto | Choice::Camera(_) => true,
            _ => matches!(format, Served::Mjpg | Served::Jpeg | Served::BGR24),
        }
    }

    /// Whether its frames come from a broker.
    #[must_use]
    pub fn is_broker(&self) -> bool {
        matches!(self, Choice::Amqp(_) | Choice::Replay(_))
    }

    /// The kind of source, as [`crate::Granted`] names them; `auto` until it has decided.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Choice::Auto => "auto",
            Choice::Test => "test",
            Choice::Camera(_) => "camera",
            Choice::Mjpeg(_) | Choice::Still(_) => "file",
            Choice::Directory(_) => "directory",
            Choice::Stdin => "stdin",
            Choice::Http(_) => "http",
            Choice::Amqp(_) => "amqp",
            Choice::Replay(_) => "replay",
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
            Choice::Http(url) => url.fmt(f),
            Choice::Amqp(address) => address.fmt(f),
            Choice::Replay(past) => past.address.fmt(f),
            Choice::Camera(path)
            | Choice::Mjpeg(path)
            | Choice::Still(path)
            | Choice::Directory(path) => path.display().fmt(f),
        }
    }
}

/// Reads the address of an exchange.
fn amqp(source: &str) -> Result<Choice, Error> {
    exchange(source).map(Choice::Amqp)
}

/// The same, of one that frames come from.
pub(crate) fn exchange(source: &str) -> Result<Address, Error> {
    let wrong = |reason| Error::Address {
        address: broker::redacted(source),
        reason,
    };
    match Address::new(source).map_err(wrong)? {
        address if address.format().is_some() => Err(wrong(
            "format= goes with --publish: here frames are taken as they come".into(),
        )),
        address => Ok(address),
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

    fn choice(source: &str) -> Choice {
        Choice::new(source).unwrap()
    }

    /// The error's text, which must be one line.
    fn said(result: Result<Choice, Error>) -> String {
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
            let said = said(Choice::new(source));
            assert!(said.contains("give auto, test, /dev/videoN"), "{said}");
        }
    }

    #[test]
    fn a_path_to_nothing() {
        for source in ["none.mjpeg", "none.jpg", "./none", "/none/none"] {
            let said = said(Choice::new(source));
            assert!(said.contains(source), "{said}");
            assert!(said.contains("no such file or directory: check the path"));
        }
    }

    #[test]
    fn a_video_gets_the_line_that_converts_it() {
        let (_dir, path) = file("a b.mp4", b"");
        let quoted = format!("'{path}'");
        for (source, quoted) in [("x.mkv", "x.mkv"), (&path, &quoted)] {
            let said = said(Choice::new(source));
            let line = format!(
                "ffmpeg -re -i {quoted} -an -c:v mjpeg -q:v 5 -f mjpeg - | seqcast --source -"
            );
            assert!(said.ends_with(&line), "{said}");
        }
        let (_dir, path) = file("notes.txt", b"");
        assert!(said(Choice::new(&path)).contains("ffmpeg"));
    }

    #[test]
    fn a_file_that_is_no_jpeg() {
        let whole = jpeg();
        for name in ["a.mjpeg", "a.jpg"] {
            for bytes in [&b""[..], b"GIF89a, or so", &whole[..whole.len() - 20]] {
                let (_dir, path) = file(name, bytes);
                let said = said(Choice::new(&path));
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
        assert!(said(Choice::new(dir)).contains("holds no readable .jpg"));
        fs::remove_file(path).unwrap();
        assert!(said(Choice::new(dir)).contains("give a directory that does"));
    }

    #[test]
    fn one_good_picture_makes_a_directory() {
        let (dir, _path) = file("b.jpg", &jpeg());
        fs::write(dir.path().join("a.jpg"), b"GIF89a").unwrap();
        assert!(Choice::new(dir.path().to_str().unwrap()).is_ok());
    }

    #[test]
    fn what_may_not_be_read() {
        // A name below a file: root may not read that either.
        let (_dir, path) = file("a.jpg", &jpeg());
        let below = format!("{path}/b.jpg");
        let said = said(Choice::new(&below));
        assert!(
            said.contains("cannot read") && said.contains("right to read"),
            "{said}"
        );
    }

    #[test]
    fn what_is_no_regular_file() {
        let said = said(Choice::new("/dev/null"));
        assert!(said.contains("--source - < /dev/null"), "{said}");
    }
}

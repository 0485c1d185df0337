//! A viewer that takes nothing on trust: it reads the stream strictly, and draws every frame of
//! the test picture again from what its part's headers say. One byte of another frame is a fault.
//!
//! Not here: any test, and viewers that measure (`seqcast watch`).
#![allow(dead_code)] // each test binary uses a part

use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use picture::TestPicture;

use crate::common::Instance;

/// What the test picture is asked to be.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub size: (u32, u32),
    pub fps: u32,
    pub quality: u8,
}

/// Some 10 KB a frame: a viewer that is held up for a moment loses none.
pub const SMALL: Look = Look {
    size: (320, 240),
    fps: 30,
    quality: 80,
};

/// An instance that shows the test picture and has begun.
pub fn start(look: Look, more: &[&str]) -> Instance {
    let (width, height) = look.size;
    let size = format!("{width}x{height}");
    let (fps, quality) = (look.fps.to_string(), look.quality.to_string());
    let mut args = vec!["--source", "test", "--size", &size];
    args.extend(["--fps", &fps, "--quality", &quality]);
    args.extend(more);
    let instance = Instance::start(&args);
    instance.wait_live();
    instance
}

/// A part of a stream.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// None: a placeholder.
    pub id: Option<u64>,
    pub skipped: u64,
    pub captured_us: u64,
    pub jpeg: Vec<u8>,
}

/// The parts of a response, whose head must be a stream's.
pub struct Parts<R>(BufReader<R>);

impl<R: io::Read> Parts<R> {
    pub fn begin(response: R) -> io::Result<Parts<R>> {
        let mut parts = Parts(BufReader::with_capacity(256 << 10, response));
        let head = parts.headers()?;
        if !head[0].ends_with(" 200 OK") {
            return Err(bad(&head[0]));
        }
        parts.expect("--boundarydonotcross")?;
        Ok(parts)
    }

    /// The next part, once the boundary behind it has come.
    ///
    /// `UnexpectedEof`: the stream broke off or ended; `InvalidData`: it is none.
    pub fn next(&mut self) -> io::Result<Part> {
        let mut part = Part::default();
        let mut length = None;
        for header in self.headers()? {
            let (name, value) = header.split_once(": ").ok_or_else(|| bad(&header))?;
            let number = || value.parse::<u64>().map_err(|_| bad(&header));
            match name {
                "Content-Type" if value == "image/jpeg" => {}
                "Content-Length" => length = Some(number()?),
                "X-Timestamp" => {
                    let digits = value.replacen('.', "", 1);
                    part.captured_us = digits.parse().map_err(|_| bad(&header))?;
                }
                "X-Seqcast-Frame" => part.id = Some(number()?),
                "X-Seqcast-Skipped" => part.skipped = number()?,
                // A placeholder.
                "X-Seqcast-Signal" if value == "none" && part.id.is_none() => {}
                _ => return Err(bad(&header)),
            }
        }
        part.jpeg = vec![0; length.ok_or_else(|| bad("no length"))? as usize];
        io::Read::read_exact(&mut self.0, &mut part.jpeg)?;
        self.expect("")?;
        self.expect("--boundarydonotcross")?;
        Ok(part)
    }

    fn headers(&mut self) -> io::Result<Vec<String>> {
        let mut headers = Vec::new();
        loop {
            match self.line()? {
                line if line.is_empty() && !headers.is_empty() => return Ok(headers),
                // How a stream ends: an empty part behind its last boundary.
                line if line.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                line => headers.push(line),
            }
        }
    }

    fn expect(&mut self, wanted: &str) -> io::Result<()> {
        let line = self.line()?;
        (line == wanted).then_some(()).ok_or_else(|| bad(&line))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(text) => Ok(text.into()),
            None if line.ends_with('\n') => Err(bad(&line)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// What a viewer got.
#[derive(Debug, Clone, Default)]
pub struct Account {
    pub frames: u64,
    pub placeholders: u64,
    /// The last frame's id.
    pub last: u64,
    /// Ids missing between the first frame and the last.
    pub lost: u64,
    /// What was wrong, a sentence each.
    pub faults: Vec<String>,
    /// Why the stream ended by itself.
    pub ended: Option<String>,
}

/// Holds each part against what it should be.
pub struct Judge {
    picture: TestPicture,
    drawn: Vec<u8>,
    pub account: Account,
}

impl Judge {
    pub fn new(look: Look) -> Judge {
        let (width, height) = look.size;
        Judge {
            picture: TestPicture::new(width, height, look.fps, look.quality).unwrap(),
            drawn: Vec::new(),
            account: Account::default(),
        }
    }

    pub fn part(&mut self, part: &Part) {
        let Some(id) = part.id else {
            self.account.placeholders += 1;
            if let Err(e) = picture::jpeg::complete(&part.jpeg) {
                self.fault(format!("a placeholder is no JPEG: {e}"));
            }
            return;
        };
        let last = self.account.last;
        if id <= last {
            return self.fault(format!("frame {id} after {last}"));
        }
        let missing = if last == 0 { 0 } else { id - last - 1 };
        if missing != part.skipped {
            let said = part.skipped;
            self.fault(format!("{missing} missing before {id}, {said} said"));
        }
        self.picture
            .render(id, part.captured_us * 1000, &mut self.drawn);
        if self.drawn != part.jpeg {
            let both = self.drawn.iter().zip(&part.jpeg);
            let at = both.take_while(|(a, b)| a == b).count();
            let len = part.jpeg.len();
            self.fault(format!("frame {id} is another from byte {at} of {len} on"));
        }
        self.account.last = id;
        self.account.lost += missing;
        self.account.frames += 1;
    }

    fn fault(&mut self, what: String) {
        self.account.faults.push(what);
    }
}

/// A viewer of this kind, on a thread.
pub struct Exact {
    account: Arc<Mutex<Account>>,
    stopping: Arc<AtomicBool>,
    socket: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Exact {
    /// Views `http://ADDRESS/stream?key=KEY`, a test picture of this look.
    pub fn start(address: &str, key: &str, look: Look) -> Exact {
        let mut socket = TcpStream::connect(address).unwrap();
        write!(
            socket,
            "GET /stream?key={key} HTTP/1.1\r\nHost: {address}\r\n\r\n"
        )
        .unwrap();
        let account = Arc::new(Mutex::new(Account::default()));
        let stopping = Arc::new(AtomicBool::new(false));
        let (shown, stop) = (account.clone(), stopping.clone());
        let stream = socket.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            let mut judge = Judge::new(look);
            let ended = view(stream, |part| {
                judge.part(part);
                *shown.lock().unwrap() = judge.account.clone();
            });
            let mut account = shown.lock().unwrap();
            if !stop.load(Relaxed) {
                account.ended = Some(ended.to_string());
            }
            if ended.kind() == io::ErrorKind::InvalidData {
                account.faults.push(ended.to_string());
            }
        });
        Exact {
            account,
            stopping,
            socket,
            thread: Some(thread),
        }
    }

    /// What it got so far.
    pub fn account(&self) -> Account {
        self.account.lock().unwrap().clone()
    }

    /// Leaves; what it got in all.
    pub fn leave(mut self) -> Account {
        self.end();
        self.account()
    }

    fn end(&mut self) {
        self.stopping.store(true, Relaxed);
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Exact {
    fn drop(&mut self) {
        self.end();
    }
}

fn view(stream: TcpStream, mut each: impl FnMut(&Part)) -> io::Error {
    let mut parts = match Parts::begin(stream) {
        Ok(parts) => parts,
        Err(e) => return e,
    };
    loop {
        match parts.next() {
            Ok(part) => each(&part),
            Err(e) => return e,
        }
    }
}

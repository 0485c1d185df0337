//! HTTP as bytes on a socket: requests written by hand, replies read to their end, a stream taken
//! part by part and held to its exact form.
//!
//! Not here: a client that forgives anything, and what `seqcast watch` checks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use picture::jpeg;

use super::HANG;

/// A connection that gives up where a test would hang.
pub fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(HANG)).unwrap();
    socket.set_write_timeout(Some(HANG)).unwrap();
    socket
}

/// A request as browsers write it, but for what they say of themselves.
pub fn request(method: &str, address: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\n\r\n")
}

/// A reply that has come to its end, and the connection with it.
#[derive(Debug)]
pub struct Reply {
    pub code: u16,
    /// Status line and headers, up to the empty line.
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// Reads until the server closes.
    pub fn read(mut socket: TcpStream) -> Reply {
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        Self::parse(&bytes)
    }

    pub fn parse(bytes: &[u8]) -> Reply {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = bytes[end + 4..].to_vec();
        Reply { code, head, body }
    }

    /// A header's value, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Sends these bytes and reads what comes until the server closes.
pub fn exchange(address: &str, bytes: impl AsRef<[u8]>) -> Reply {
    let mut socket = connect(address);
    socket.write_all(bytes.as_ref()).unwrap();
    Reply::read(socket)
}

/// `GET target`.
pub fn get(address: &str, target: &str) -> Reply {
    exchange(address, request("GET", address, target))
}

/// A part of a stream.
#[derive(Debug)]
pub struct Part {
    /// Its header lines.
    pub headers: Vec<String>,
    pub jpeg: Vec<u8>,
}

impl Part {
    /// The value of header line `at`, which must have this name.
    pub fn value(&self, at: usize, name: &str) -> &str {
        let line = self.headers.get(at).map_or("", String::as_str);
        let value = line.strip_prefix(name).and_then(|v| v.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("line {at} is not {name}: {:?}", self.headers))
    }

    /// The frame's id; a placeholder has none.
    pub fn id(&self) -> Option<u64> {
        let placeholder = ["X-Seqcast-Signal: none".to_owned()];
        (self.headers[3..] != placeholder)
            .then(|| self.value(3, "X-Seqcast-Frame").parse().unwrap())
    }
}

/// A stream that is being read.
pub struct Stream {
    pub socket: BufReader<TcpStream>,
    /// Status line and headers, with the empty line.
    pub head: String,
}

impl Stream {
    /// Asks for it, reads its head and the boundary before the first part.
    pub fn open(address: &str, target: &str) -> Stream {
        let mut socket = connect(address);
        socket
            .write_all(request("GET", address, target).as_bytes())
            .unwrap();
        let mut stream = Stream {
            socket: BufReader::new(socket),
            head: String::new(),
        };
        while !stream.head.ends_with("\r\n\r\n") {
            let line = stream.line().expect("a stream's head");
            stream.head += &line;
        }
        if stream.head.contains(" 200 ") {
            assert_eq!(stream.line().as_deref(), Some("--boundarydonotcross\r\n"));
        }
        stream
    }

    /// The next part and the boundary behind it; none where the stream ended in good order.
    pub fn next_part(&mut self) -> Option<Part> {
        let part = self.part_without_boundary()?;
        self.boundary();
        Some(part)
    }

    /// The next part, up to the last byte of its picture.
    pub fn part_without_boundary(&mut self) -> Option<Part> {
        let mut headers = Vec::new();
        loop {
            let line = self.line().expect("a stream that is not cut off");
            let line = line.strip_suffix("\r\n").expect("CRLF").to_owned();
            if line.is_empty() {
                break;
            }
            headers.push(line);
        }
        if headers.is_empty() {
            // What the last boundary announced is empty, and the end.
            assert_eq!(self.line().as_deref(), Some("--boundarydonotcross--\r\n"));
            assert_eq!(self.line(), None);
            return None;
        }
        let mut part = Part {
            headers,
            jpeg: Vec::new(),
        };
        assert_eq!(part.value(0, "Content-Type"), "image/jpeg");
        let length = part.value(1, "Content-Length").parse().unwrap();
        part.jpeg.resize(length, 0);
        self.socket.read_exact(&mut part.jpeg).unwrap();
        jpeg::check(&part.jpeg).unwrap();
        Some(part)
    }

    /// What follows each picture.
    pub fn boundary(&mut self) {
        let mut after = [0; 24];
        self.socket.read_exact(&mut after).unwrap();
        assert_eq!(&after, b"\r\n--boundarydonotcross\r\n");
    }

    /// A line with its end; none at the end of the connection.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.socket.read_line(&mut line);
        (read.unwrap() > 0).then_some(line)
    }
}

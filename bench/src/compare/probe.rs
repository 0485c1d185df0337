//! How long it takes until a new viewer has a picture.
//!
//! Not here: what happened before (`case`).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bench::drain;
use watch::multipart::{self, Event};
use watch::{Stream, raw};

use crate::stop;

/// Between the begins of two attempts.
const EVERY: Duration = Duration::from_millis(50);
/// An attempt is given up, and after [`PATIENCE`] all of it.
const ATTEMPT: Duration = Duration::from_secs(1);
pub const PATIENCE: Duration = Duration::from_secs(10);

/// From `began` until a new connection got a whole frame; none if none did in time.
///
/// # Errors
/// Where the stream has no address, or when a person asked for the end.
pub fn back(stream: &str, began: Instant) -> Result<Option<Duration>> {
    let stream = drain::stream(stream);
    let address = address(&stream)?;
    while began.elapsed() < PATIENCE {
        stop::check()?;
        let attempt = Instant::now();
        if has_frame(&stream, address).is_ok() {
            return Ok(Some(began.elapsed()));
        }
        sleep(EVERY.saturating_sub(attempt.elapsed()));
    }
    Ok(None)
}

fn address(stream: &Stream) -> Result<SocketAddr> {
    let text = match stream {
        Stream::Http(url) => {
            let rest = url.strip_prefix("http://").context("an http URL")?;
            rest.split('/').next().unwrap_or_default()
        }
        Stream::Raw(address) | Stream::Multipart(address) => address,
    };
    text.parse()
        .with_context(|| format!("{text} is no address"))
}

/// Connects and reads up to the end of a frame.
fn has_frame(stream: &Stream, address: SocketAddr) -> Result<()> {
    let began = Instant::now();
    let mut socket = TcpStream::connect_timeout(&address, ATTEMPT)?;
    let mut parts = match stream {
        Stream::Multipart(_) => multipart::Parser::headless(),
        Stream::Http(_) | Stream::Raw(_) => multipart::Parser::new(),
    };
    let mut frames = raw::Parser::new();
    if let Stream::Http(url) = stream {
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        write!(socket, "GET /{path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    }
    let mut buffer = vec![0; 1 << 16];
    let mut found = false;
    while !found {
        let left = ATTEMPT.checked_sub(began.elapsed()).context("too late")?;
        socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let len = socket.read(&mut buffer)?;
        anyhow::ensure!(len > 0, "closed");
        match stream {
            Stream::Raw(_) => {
                let mut sink = |event| found |= matches!(event, raw::Event::Frame(_));
                frames.push(&buffer[..len], &mut sink)?;
            }
            Stream::Http(_) | Stream::Multipart(_) => {
                let mut sink = |event: Event<'_>| found |= matches!(event, Event::PartEnd);
                parts.push(&buffer[..len], &mut sink)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_frame_is_awaited() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            // The first viewer gets nothing.
            drop(listener.accept().unwrap());
            let (mut socket, _) = listener.accept().unwrap();
            let frame = (1u64 << 32 | 1 << 16 | 1).to_le_bytes();
            socket.write_all(&[&frame[..], b"x"].concat()).unwrap();
            listener.accept().map(drop).unwrap();
        });
        let began = Instant::now();
        assert!(back(&format!("raw:{address}"), began).unwrap().is_some());
        let url = Stream::Http(format!("http://{address}/stream"));
        assert_eq!(super::address(&url).unwrap(), address);
        assert!(has_frame(&url, address).is_err());
        server.join().unwrap();
    }
}

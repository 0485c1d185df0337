//! A camera for tests: a server on a port of its own that does with each connection what it is told.
//!
//! Not here: any test.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

/// Listens until it is dropped; connections live on until their viewers leave.
pub(crate) struct Server {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    acceptor: Option<JoinHandle<()>>,
}

/// A connection, as the server has it.
pub(crate) struct Viewer {
    reader: BufReader<TcpStream>,
    /// Which connection this is, from 0.
    pub(crate) number: usize,
}

impl Server {
    /// Does `serve` with each connection, on a thread of its own.
    pub(crate) fn start(
        serve: impl Fn(Viewer) -> io::Result<()> + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stopping, accepted) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let (stop, count, serve) = (stopping.clone(), accepted.clone(), Arc::new(serve));
        let acceptor = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(SeqCst) {
                    return;
                }
                let number = count.fetch_add(1, SeqCst);
                let reader = BufReader::new(stream.unwrap());
                let serve = serve.clone();
                thread::spawn(move || serve(Viewer { reader, number }));
            }
        });
        Server {
            address,
            stopping,
            accepted,
            acceptor: Some(acceptor),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
        self.acceptor.take().unwrap().join().unwrap();
    }
}

impl Viewer {
    /// Reads a request; its text.
    pub(crate) fn request(&mut self) -> io::Result<String> {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            if self.reader.read_line(&mut text)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(text)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// The head of a stream.
    pub(crate) fn stream(&mut self) -> io::Result<()> {
        self.send(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=b\r\n\r\n")
    }

    /// A part of it; `headers` end with CRLF or are none.
    pub(crate) fn part(&mut self, headers: &str, jpeg: &[u8]) -> io::Result<()> {
        let len = jpeg.len();
        let head = format!("--b\r\nContent-Length: {len}\r\n{headers}\r\n");
        self.send(&[head.as_bytes(), jpeg, b"\r\n"].concat())
    }

    /// An answer that is one picture.
    pub(crate) fn picture(&mut self, jpeg: &[u8]) -> io::Result<()> {
        let len = jpeg.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n");
        self.send(&[head.as_bytes(), jpeg].concat())
    }

    /// Keeps the connection open and silent until the viewer leaves.
    pub(crate) fn keep(mut self) -> io::Result<()> {
        let mut rest = String::new();
        while self.reader.read_line(&mut rest)? > 0 {}
        Ok(())
    }
}

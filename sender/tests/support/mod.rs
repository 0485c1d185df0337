//! A sender on real parts within the test process: ring, board, loopback socket; and a client.

#![allow(dead_code, missing_docs)] // each test binary uses some of it

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sender::tls::Identity;
use sender::{Listener, Model, Protocol, Socket};
use shm_ring::{FrameMeta, Ring, Writer};
use worker::{Board, Instance, Role};

/// Where a test would otherwise hang.
pub const HANG: Duration = Duration::from_secs(60);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// How HTTP comes to a house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Tcp,
    Unix,
    Tls,
}

/// A certificate for `localhost` that its own client trusts.
pub struct Trust {
    pub identity: Identity,
    pub certificate: CertificateDer<'static>,
}

pub static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|file| dir.path().join(file));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    Trust {
        identity: Identity::load(&cert, &key).unwrap(),
        certificate: made.cert.der().clone(),
    }
});

/// What a client of [`TRUST`] works with; sessions are resumed where it is used again.
pub fn tls_client() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(TRUST.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// TLS over a connection.
pub fn encrypted(
    socket: TcpStream,
    config: &Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(config.clone(), name).unwrap();
    StreamOwned::new(session, socket)
}

pub trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

pub struct House {
    /// Of HTTP, but over a UNIX socket.
    pub address: SocketAddr,
    pub way: Way,
    /// Where the UNIX socket is.
    dir: tempfile::TempDir,
    /// Of raw frames.
    pub raw: SocketAddr,
    /// Sender processes; here they are threads.
    pub senders: usize,
    board: &'static Board,
    /// In a lock of its own: whoever publishes keeps the ids in order.
    writer: Mutex<Writer>,
}

#[derive(Clone, Copy)]
pub struct Options {
    pub model: Model,
    pub way: Way,
    /// Connections that a sender takes at once.
    pub slots: usize,
    /// Connections that all of them take at once: a multiple of `slots`.
    pub connections: usize,
    pub seats: usize,
    pub arena: u64,
    pub lag: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            model: Model::OneByOne,
            way: Way::Tcp,
            slots: 1,
            connections: 4,
            seats: 2,
            arena: 16 << 20,
            lag: 10,
        }
    }
}

impl House {
    /// A house of each model after the other, with as many connections, an even number.
    pub fn each(options: Options) -> impl Iterator<Item = Arc<House>> {
        let all = options.connections;
        [
            (Model::OneByOne, 1),
            (Model::Threads, all),
            (Model::Multiplex, all),
            (Model::Multiplex, 2),
        ]
        .into_iter()
        .map(move |(model, slots)| {
            println!("{model:?}, {slots} connections each");
            House::start(Options {
                model,
                slots,
                ..options
            })
        })
    }

    /// The same for every way to it.
    pub fn each_way(options: Options) -> impl Iterator<Item = Arc<House>> {
        let ways = [Way::Tcp, Way::Unix, Way::Tls];
        ways.into_iter().flat_map(move |way| {
            println!("{way:?}");
            House::each(Options { way, ..options })
        })
    }

    /// Starts senders as threads. They, and what they look at, live until the process ends; the
    /// names in /dev/shm are gone before this returns.
    pub fn start(options: Options) -> Arc<House> {
        let senders = options.connections / options.slots;
        let count = COUNT.fetch_add(1, Relaxed);
        let name = format!("test-sender-{}-{count}", std::process::id());
        let instance = Instance::new(&name).unwrap();
        let ring = Ring::create(&instance.ring(), options.arena).unwrap();
        let mut board = Board::create(&instance, senders, options.slots, options.seats).unwrap();
        nix::sys::mman::shm_unlink(format!("/{}", instance.board()).as_str()).unwrap();
        board.disown();
        let board: &'static Board = Box::leak(Box::new(board));
        let listeners = [Protocol::Http, Protocol::Raw].map(|protocol| Listener {
            socket: Socket::Tcp(TcpListener::bind("127.0.0.1:0").unwrap()),
            protocol,
        });
        let [address, raw] = listeners.each_ref().map(|l| match &l.socket {
            Socket::Tcp(socket) => socket.local_addr().unwrap(),
            Socket::Unix(_) => unreachable!(),
        });
        let dir = tempfile::tempdir().unwrap();
        let unix = Listener {
            socket: Socket::Unix(UnixListener::bind(dir.path().join("http")).unwrap()),
            protocol: Protocol::Http,
        };
        let listeners: Vec<_> = listeners.into_iter().chain([unix]).collect();
        let listeners: &'static [Listener] = Vec::leak(listeners);
        let config: &'static sender::Config = Box::leak(Box::new(sender::Config {
            instance,
            model: options.model,
            tls: (options.way == Way::Tls).then(|| TRUST.identity.clone()),
            loopback_only: true,
            on_demand: false,
            read_only: false,
            auth: None,
            allow_hosts: Vec::new(),
            allow_origin: None,
            per_address: None,
            lag: options.lag,
            size: (320, 240),
            quality: 80,
        }));
        for index in 1..=senders {
            let reader = ring.reader().unwrap();
            std::thread::spawn(move || {
                let cell = board.cell(index);
                cell.begin(Role::Sender);
                // Nobody answers.
                let (_supervisor, channel) = worker::channel::pair().unwrap();
                sender::run(config, listeners, &reader, board, cell, &channel)
            });
        }
        let writer = Mutex::new(ring.writer().unwrap());
        let house = House {
            address,
            way: options.way,
            dir,
            raw,
            senders,
            board,
            writer,
        };
        wait_until(|| house.board().free_slots() == options.connections);
        Arc::new(house)
    }

    pub fn board(&self) -> &Board {
        self.board
    }

    pub fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap()
    }

    /// Publishes a frame of `len` bytes that all tell its id.
    pub fn publish(&self, len: usize) -> u64 {
        self.publish_of(worker::unix_ns(), len)
    }

    /// The same, captured at that Unix time, nanoseconds.
    pub fn publish_of(&self, captured_ns: u64, len: usize) -> u64 {
        let mut writer = self.writer();
        let id = writer.next_id();
        let meta = FrameMeta {
            format: *b"MJPG",
            width: 320,
            height: 240,
            captured_ns,
            ..FrameMeta::default()
        };
        writer.publish(&vec![mark(id); len], &meta).unwrap()
    }

    /// Sends a request as it is.
    pub fn ask(&self, request: &str) -> Client {
        if self.way == Way::Unix {
            let socket = UnixStream::connect(self.dir.path().join("http")).unwrap();
            socket.set_read_timeout(Some(HANG)).unwrap();
            return Client::over(Box::new(socket), request);
        }
        self.ask_over(TcpStream::connect(self.address).unwrap(), request)
    }

    /// The same, over a connection to the house.
    pub fn ask_over(&self, socket: TcpStream, request: &str) -> Client {
        if self.way == Way::Tls {
            socket.set_read_timeout(Some(HANG)).unwrap();
            return Client::over(Box::new(encrypted(socket, &tls_client())), request);
        }
        Client::new(socket, request)
    }

    pub fn get(&self, target: &str) -> Client {
        self.ask(&format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.address
        ))
    }

    pub fn status(&self) -> serde_json::Value {
        let json = self.get("/status").body();
        serde_json::from_slice(&json).unwrap()
    }

    /// Of all senders: frames sent, frames skipped.
    pub fn counts(&self) -> (u64, u64) {
        let status = self.status();
        let total = |name| status["totals"][name].as_u64().unwrap();
        (total("frames_sent"), total("frames_skipped"))
    }
}

/// What all bytes of frame `id` are.
pub fn mark(id: u64) -> u8 {
    (id % 251) as u8 + 1
}

pub fn wait_until(mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < HANG, "it never came to be");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub struct Client {
    pub code: u16,
    pub head: String,
    /// The stream has come to its end in good order.
    pub ended: bool,
    reader: BufReader<Box<dyn Wire>>,
}

#[derive(Debug)]
pub struct Part {
    pub id: Option<u64>,
    pub skipped: u64,
    /// Left out since the viewer asked for fewer.
    pub asked: Option<u64>,
    /// Sent before.
    pub again: bool,
    /// What µStreamer would say, names without their beginning.
    pub extra: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    /// Sends `request` and reads the reply's head. Code 0: closed without one.
    pub fn new(socket: TcpStream, request: &str) -> Client {
        socket.set_read_timeout(Some(HANG)).unwrap();
        Client::over(Box::new(socket), request)
    }

    /// The same, whatever it goes over.
    pub fn over(mut wire: Box<dyn Wire>, request: &str) -> Client {
        wire.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(wire);
        let mut head = String::new();
        while reader.read_line(&mut head).unwrap() > 2 {}
        let code = head.get(9..12).map_or(0, |code| code.parse().unwrap());
        Client {
            code,
            head,
            ended: false,
            reader,
        }
    }

    /// The next bytes of a body, as they are.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }

    pub fn body(mut self) -> Vec<u8> {
        let mut body = Vec::new();
        self.reader.read_to_end(&mut body).unwrap();
        body
    }

    /// Reads so many bytes of the body.
    pub fn read_exact(&mut self, bytes: &mut [u8]) {
        self.reader.read_exact(bytes).unwrap();
    }

    /// How much of a body there is that need not be whole.
    pub fn body_until_cut(mut self) -> usize {
        let mut body = Vec::new();
        let _ = self.reader.read_to_end(&mut body); // a reset, too
        body.len()
    }

    pub fn text(self) -> String {
        String::from_utf8(self.body()).unwrap()
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok()?;
        line.ends_with("\r\n").then(|| line.trim_end().to_owned())
    }

    /// The next part, whole and with the delimiter behind it still to come; `None` at the end or
    /// where the connection breaks. A frame is to be one of [`House::publish`].
    pub fn part(&mut self) -> Option<Part> {
        let part = self.shown()?;
        if let Some(id) = part.id {
            assert!(
                part.body.iter().all(|&byte| byte == mark(id)),
                "frame {id} is torn"
            );
        }
        Some(part)
    }

    /// The same, whatever is in it.
    pub fn shown(&mut self) -> Option<Part> {
        let mut delimiter = self.line()?;
        if delimiter.is_empty() {
            delimiter = self.line()?;
        }
        assert_eq!(delimiter, "--boundarydonotcross");
        let (mut id, mut skipped, mut len, mut stamped) = (None, 0, None, false);
        let (mut asked, mut again, mut extra) = (None, false, Vec::new());
        let mut filler = false;
        loop {
            let line = self.line()?;
            if line.is_empty() && len.is_none() {
                assert_eq!(self.line()?, "--boundarydonotcross--");
                self.ended = true;
                return None;
            }
            let Some((name, value)) = line.split_once(": ") else {
                assert_eq!(line, "");
                break;
            };
            match name {
                "Content-Type" => assert_eq!(value, "image/jpeg"),
                "Content-Length" => len = Some(value.parse().unwrap()),
                "X-Timestamp" => stamped = value.parse::<f64>().unwrap() > 1e9,
                "X-Seqcast-Frame" => id = Some(value.parse().unwrap()),
                "X-Seqcast-Skipped" => skipped = value.parse().unwrap(),
                "X-Seqcast-Asked" => asked = Some(value.parse().unwrap()),
                "X-Seqcast-Again" => again = value == "1",
                "X-Seqcast-Signal" => filler = value == "none",
                _ => {
                    let name = name.strip_prefix("X-UStreamer-").expect(&line);
                    extra.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        assert!(stamped && filler == id.is_none());
        let mut body = vec![0; len.expect("a length")];
        self.reader.read_exact(&mut body).ok()?;
        Some(Part {
            id,
            skipped,
            asked,
            again,
            extra,
            body,
        })
    }

    /// The next part that is a frame.
    pub fn frame(&mut self) -> Option<Part> {
        loop {
            let part = self.part()?;
            if part.id.is_some() {
                return Some(part);
            }
        }
    }
}

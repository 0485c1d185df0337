//! Clients that are broken, slow, or mean harm: whatever they do on the HTTP port, those who watch
//! lose no frame, who comes gets in, and no sender keeps a descriptor of it or dies.
//!
//! Not here: requests that people mistype (`http`), places (`seats`), and the parser by itself (its
//! own tests, `fuzz`).

mod common;
#[path = "exact/mod.rs"]
mod exact;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use common::http::{Reply, Stream, connect, get, request};
use common::{Instance, MODELS, pid, wait_for};
use exact::{Exact, Judge, Parts, SMALL};
use serde_json::Value;

/// An instance with viewers who look at every byte.
struct Stage {
    instance: Instance,
    viewers: Vec<Exact>,
    /// Open descriptors of each sender before anything happened.
    descriptors: BTreeMap<u32, usize>,
}

impl Stage {
    fn new(model: &[&str]) -> Stage {
        // A lag that only starvation reaches; places for those who watch, who comes, and some more.
        let args = [&["--lag", "300", "--clients", "8"], model].concat();
        let instance = exact::start(SMALL, &args);
        let names = ["first", "second", "third"];
        let viewers = names.map(|name| Exact::start(instance.address(), name, SMALL));
        for name in names {
            instance.viewer(name);
        }
        let descriptors = descriptors(&instance.status());
        Stage {
            instance,
            viewers: viewers.into(),
            descriptors,
        }
    }

    fn at(&self) -> &str {
        self.instance.address()
    }

    /// Somebody comes, and is shown frames.
    fn assert_open(&self) {
        wait_for("a place for who comes", || {
            let began = watch(connect(self.at()), self.at(), 5);
            began.is_ok_and(|account| account.frames == 5).then_some(())
        });
        assert_eq!(get(self.at(), "/status").code, 200);
    }

    /// Nothing of it is left: the senders are those from before, with what they had open then, and
    /// the viewers saw every frame.
    fn assert_unharmed(self) {
        self.assert_open();
        wait_for("all descriptors to be closed", || {
            let now = descriptors(&self.instance.status());
            assert!(now.keys().eq(self.descriptors.keys()), "{now:?}");
            (now == self.descriptors).then_some(())
        });
        let status = self.instance.status();
        assert_eq!(status["totals"]["restarts"], 0, "{status}");
        assert_eq!(status["totals"]["viewers"], self.viewers.len());
        for viewer in self.viewers {
            let account = viewer.leave();
            assert_eq!(account.faults, [""; 0]);
            assert_eq!((account.lost, &account.ended), (0, &None), "{account:?}");
        }
        let log = self.instance.log();
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
    }
}

/// Each sender's number of open descriptors.
fn descriptors(status: &Value) -> BTreeMap<u32, usize> {
    let workers = status["workers"].as_array().unwrap().iter();
    let senders = workers.filter(|worker| worker["role"] == "sender").map(pid);
    let open = |pid| {
        std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .count()
    };
    senders.map(|pid| (pid, open(pid))).collect()
}

/// Asks for the stream and takes so many frames of it, every byte in order.
fn watch(mut socket: TcpStream, at: &str, frames: u64) -> std::io::Result<exact::Account> {
    socket.write_all(request("GET", at, "/stream").as_bytes())?;
    judge(socket, frames)
}

fn judge(stream: impl Read, frames: u64) -> std::io::Result<exact::Account> {
    let mut parts = Parts::begin(stream)?;
    let mut judge = Judge::new(SMALL);
    while judge.account.frames < frames {
        judge.part(&parts.next()?);
    }
    assert_eq!(judge.account.faults, [""; 0]);
    Ok(judge.account)
}

/// Sends these bytes. What comes back: nothing, or one reply of the length that it says, and the
/// end of the connection.
fn answer(at: &str, bytes: &[u8]) -> Option<Reply> {
    let mut socket = connect(at);
    // It may be closed before it was all sent.
    let _ = socket.write_all(bytes);
    end_of(socket, bytes)
}

fn end_of(mut socket: TcpStream, asked: &[u8]) -> Option<Reply> {
    let mut said = Vec::new();
    match socket.read_to_end(&mut said) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
        Err(e) => panic!("{e} after {:?}", String::from_utf8_lossy(asked)),
    }
    let shown = String::from_utf8_lossy(&asked[..asked.len().min(80)]).into_owned();
    (!said.is_empty()).then(|| {
        let reply = Reply::parse(&said);
        assert!(reply.head.starts_with("HTTP/1.1 "), "{shown:?}");
        assert_eq!(reply.header("connection"), Some("close"), "{shown:?}");
        let length: Option<usize> = reply.header("content-length").map(|l| l.parse().unwrap());
        assert_eq!(length.unwrap_or(0), reply.body.len(), "{shown:?}");
        reply
    })
}

/// Every model goes through it, at the same time.
fn in_every_model(scene: impl Fn(&Stage) + Sync) {
    std::thread::scope(|scope| {
        for model in MODELS {
            let scene = &scene;
            scope.spawn(move || {
                let stage = Stage::new(model);
                scene(&stage);
                stage.assert_unharmed();
            });
        }
    });
}

/// Heads that are never finished, a byte at a time, on many more connections than there are slots.
#[test]
fn slow_heads() {
    in_every_model(|stage| {
        let mut heads: Vec<_> = (0..60).map(|_| connect(stage.at())).collect();
        let endless = b"GET /stream HTTP/1.1\r\nX-Slow: "
            .iter()
            .chain(&[b'a'; 10]);
        for (n, &byte) in endless.enumerate() {
            for head in &mut heads {
                let _ = head.write_all(&[byte]); // told so and closed, some time
            }
            if n % 10 == 9 {
                stage.assert_open();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        for mut head in heads {
            let _ = head.shutdown(Shutdown::Write);
            let mut said = Vec::new();
            let _ = head.read_to_end(&mut said);
            let is_408 = said.starts_with(b"HTTP/1.1 408 ");
            assert!(
                said.is_empty() || is_408,
                "{}",
                String::from_utf8_lossy(&said)
            );
        }
    });
}

#[test]
fn bytes_one_by_one() {
    /// Reads a byte at a time.
    struct Sip(TcpStream);
    impl Read for Sip {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(&mut into[..1])
        }
    }
    in_every_model(|stage| {
        let mut socket = connect(stage.at());
        socket.set_nodelay(true).unwrap();
        for byte in request("GET", stage.at(), "/stream").bytes() {
            socket.write_all(&[byte]).unwrap();
        }
        assert_eq!(judge(Sip(socket), 15).unwrap().frames, 15);
    });
}

/// "I have nothing more to ask" is not "I am gone": `nc` and some proxies say so at once.
#[test]
fn half_closed_after_the_request() {
    in_every_model(|stage| {
        for target in ["/status", "/snapshot"] {
            let mut socket = connect(stage.at());
            let asked = request("GET", stage.at(), target);
            socket.write_all(asked.as_bytes()).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            let reply = end_of(socket, asked.as_bytes()).expect("a reply");
            assert_eq!(reply.code, 200, "{target}");
        }
        let mut socket = connect(stage.at());
        let asked = request("GET", stage.at(), "/stream");
        socket.write_all(asked.as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(judge(socket, 40).unwrap().frames, 40);
        // Nothing asked is nothing answered.
        for begun in ["", "GET /status HTTP/1.1\r\nHost: loc"] {
            let mut socket = connect(stage.at());
            socket.write_all(begun.as_bytes()).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            assert!(end_of(socket, begun.as_bytes()).is_none(), "{begun:?}");
        }
    });
}

/// One connection, one request: what follows it is neither answered nor mixed into anything.
#[test]
fn pipelined_requests() {
    in_every_model(|stage| {
        let ask = |target| request("GET", stage.at(), target);
        let three = [ask("/status"), ask("/snapshot"), ask("/nothing")].concat();
        let reply = answer(stage.at(), three.as_bytes()).expect("one reply");
        assert_eq!(reply.code, 200);
        assert!(reply.text().starts_with('{'), "the status alone");

        let mut socket = connect(stage.at());
        let asked = ask("/stream") + &ask("/status").repeat(100);
        socket.write_all(asked.as_bytes()).unwrap();
        let mut parts = Parts::begin(socket.try_clone().unwrap()).unwrap();
        let mut judge = Judge::new(SMALL);
        for _ in 0..20 {
            judge.part(&parts.next().unwrap());
            socket.write_all(ask("/snapshot").as_bytes()).unwrap();
        }
        assert_eq!(judge.account.faults, [""; 0]);
    });
}

/// What RFC 9112 and its neighbours leave room for, and what they forbid.
#[test]
fn odd_requests() {
    in_every_model(|stage| {
        let at = stage.at();
        let host = format!("Host: {at}\r\n");
        let with = |lines: &str| format!("GET /status HTTP/1.1\r\n{host}{lines}\r\n");
        let post = |lines: &str, body: &str| {
            let line = "POST /controls HTTP/1.1\r\n";
            format!("{line}{host}Content-Type: application/json\r\n{lines}\r\n{body}")
        };
        let is_long = "x".repeat(100_000);
        let many = "X-Bomb: y\r\n".repeat(20_000);
        let unheard = &[400, 404, 405, 501, 505][..];
        #[rustfmt::skip]
        let cases: &[(&str, Vec<u8>, &[u16])] = &[
            ("absolute form", format!("GET http://{at}/status HTTP/1.1\r\n{host}\r\n").into(), &[200]),
            ("absolute form without a path", format!("GET http://{at} HTTP/1.1\r\n{host}\r\n").into(), &[200]),
            ("authority form", format!("CONNECT {at} HTTP/1.1\r\n{host}\r\n").into(), unheard),
            ("asterisk form", format!("OPTIONS * HTTP/1.1\r\n{host}\r\n").into(), &[200, 204, 400, 405]),
            ("TRACE", format!("TRACE / HTTP/1.1\r\n{host}\r\n").into(), unheard),
            ("a method in lower case", format!("get /status HTTP/1.1\r\n{host}\r\n").into(), unheard),
            ("an endless method", is_long.clone().into(), &[400, 431]),
            ("an endless target", format!("GET /{is_long} HTTP/1.1\r\n{host}\r\n").into(), &[414, 431]),
            ("an endless header", with(&format!("X: {is_long}\r\n")).into(), &[431]),
            ("a bomb of headers", with(&many).into(), &[431]),
            ("a folded header", with("X-Folded: a\r\n b\r\n").into(), &[400]),
            ("a space before the colon", with("X-Space : a\r\n").into(), &[400]),
            ("a header without a name", with(": a\r\n").into(), &[400]),
            ("a header without a colon", with("nothing\r\n").into(), &[400]),
            ("a NUL in a header", with("X: a\0b\r\n").into(), &[400]),
            ("a NUL in the target", b"GET /st\0atus HTTP/1.1\r\nHost: localhost\r\n\r\n".into(), &[400]),
            ("not UTF-8", b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n".into(), &[400, 404]),
            ("an escaped NUL", request("GET", at, "/status%00").into(), &[404]),
            ("a way up", request("GET", at, "/stream/../../etc/passwd").into(), &[404]),
            ("bare line feeds", format!("GET /status HTTP/1.1\nHost: {at}\n\n").into(), &[200, 400]),
            ("a bare carriage return", format!("GET /status HTTP/1.1\rHost: {at}\r\r").into(), &[400]),
            ("empty lines before", format!("\r\n\r\n{}", with("")).into(), &[200]),
            ("HTTP/0.9", b"GET /status\r\n\r\n".into(), &[400]),
            ("HTTP/1.9", format!("GET /status HTTP/1.9\r\n{host}\r\n").into(), &[200, 400, 505]),
            ("HTTP/2.0", format!("GET /status HTTP/2.0\r\n{host}\r\n").into(), &[400, 505]),
            ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".into(), &[400, 405, 505]),
            ("an upgrade to HTTP/2", with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n").into(), &[200]),
            ("an upgrade to WebSocket", with("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n").into(), &[200]),
            ("a ClientHello of TLS", CLIENT_HELLO.into(), &[400]),
            ("SSH", b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n".into(), &[400]),
            ("RTSP", b"OPTIONS rtsp://127.0.0.1/ RTSP/1.0\r\nCSeq: 1\r\n\r\n".into(), &[400]),
            ("a GET with a body", with("Content-Length: 5\r\n") .into_bytes().into_iter().chain(*b"12345").collect(), &[200, 400]),
            ("a GET with chunks", (with("Transfer-Encoding: chunked\r\n") + "5\r\n12345\r\n0\r\n\r\n").into(), &[200, 400]),
            ("a GET of two lengths", with("Content-Length: 1\r\nContent-Length: 2\r\n").into(), &[200, 400]),
            ("a GET that expects to be asked on", with("Expect: 100-continue\r\n").into(), &[200, 417]),
            ("a POST in chunks", post("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n").into(), &[400, 411]),
            ("a POST both ways", post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "{}").into(), &[400]),
            ("a POST of two lengths", post("Content-Length: 2\r\nContent-Length: 2\r\n", "{}").into(), &[400]),
            ("a POST of a list", post("Content-Length: 2, 2\r\n", "{}").into(), &[400]),
            ("a POST of less than nothing", post("Content-Length: -1\r\n", "{}").into(), &[400]),
            ("a POST with a sign", post("Content-Length: +2\r\n", "{}").into(), &[400]),
            ("a POST of more than fits a number", post("Content-Length: 99999999999999999999999\r\n", "{}").into(), &[413]),
            ("a POST of what fits exactly", post("Content-Length: 18446744073709551615\r\n", "{}").into(), &[413]),
            ("a POST without a length", post("", "").into(), &[411]),
        ];
        for (what, bytes, codes) in cases {
            let reply = answer(at, bytes);
            let code = reply.unwrap_or_else(|| panic!("{what}: no reply")).code;
            assert!(codes.contains(&code), "{what}: {code}, not of {codes:?}");
        }
        // Nobody is asked on, and the body is taken all the same.
        let body = r#"{"compression_quality": 80}"#;
        let lines = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", body.len());
        let head = post(&lines, "");
        let mut socket = connect(at);
        socket.write_all(head.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        socket.write_all(body.as_bytes()).unwrap();
        let code = end_of(socket, head.as_bytes()).expect("a reply").code;
        assert!(matches!(code, 200 | 417), "{code}");
    });
}

/// A viewer's name, with which it would like to write headers, log lines and JSON.
#[test]
fn names_that_would_be_more() {
    in_every_model(|stage| {
        for key in [
            "a%0d%0aX-Evil:%201",
            "a%0aevil",
            "a%00b",
            "%22,%22evil%22:%22",
            "a;%20evil=1",
            "%e2%80%ae%1b%5b2Jevil",
            "%ff%fe",
        ] {
            let target = format!("/stream?key={key}");
            // Those before are still on their way out.
            let mut stream = wait_for("a place", || {
                let stream = Stream::open(stage.at(), &target);
                stream.head.contains(" 200 ").then_some(stream)
            });
            stream.next_part().unwrap();
            let head = stream.head.to_lowercase();
            assert!(
                !head.contains("\nx-evil") && !head.contains("\nevil"),
                "{head}"
            );
            assert!(
                head.chars()
                    .all(|c| c.is_ascii() && c != '\0' && c != '\x1b')
            );
            let reply = get(stage.at(), "/status");
            let status: Value = serde_json::from_slice(&reply.body).unwrap();
            assert!(status.get("evil").is_none());
        }
        let log = stage.instance.log();
        assert!(!log.contains('\x1b') && !log.contains('\0'));
        assert!(!log.lines().any(|line| line.starts_with("evil")), "{log}");
    });
}

/// Whatever the bytes are: nothing, or an error of ours.
#[test]
fn noise() {
    in_every_model(|stage| {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let seed = request("GET", stage.at(), "/status?a=b").into_bytes();
        for n in 0..150 {
            let mut bytes = match n % 2 {
                0 => (0..random() % 3000).map(|_| random() as u8).collect(),
                // A request with a few bytes changed.
                _ => seed.clone(),
            };
            for _ in 0..1 + random() % 4 {
                if !bytes.is_empty() {
                    let at = (random() % bytes.len() as u64) as usize;
                    bytes[at] = random() as u8;
                }
            }
            let mut socket = connect(stage.at());
            let _ = socket.write_all(&bytes);
            let _ = socket.shutdown(Shutdown::Write);
            if let Some(reply) = end_of(socket, &bytes) {
                let code = reply.code;
                assert!(code == 200 || (400..500).contains(&code), "{code}");
            }
        }
    });
}

/// Two hundred connections that say nothing, two hundred that say half, two hundred that hang up.
#[test]
fn a_flood_of_connections() {
    in_every_model(|stage| {
        let silent: Vec<_> = (0..200).map(|_| connect(stage.at())).collect();
        stage.assert_open();
        drop(silent);
        let halves: Vec<_> = (0..200)
            .map(|_| {
                let mut half = connect(stage.at());
                half.write_all(b"GET /stream HTTP/1.1\r\n").unwrap();
                half
            })
            .collect();
        stage.assert_open();
        drop(halves);
        for _ in 0..200 {
            let mut gone = connect(stage.at());
            let _ = gone.write_all(request("GET", stage.at(), "/stream").as_bytes());
        }
    });
}

/// The connection is torn down in the middle of a picture, again and again.
#[test]
fn resets_in_mid_stream() {
    in_every_model(|stage| {
        let ask = request("GET", stage.at(), "/stream");
        for n in 0..40 {
            let mut socket = connect(stage.at());
            socket.write_all(ask.as_bytes()).unwrap();
            let mut some = vec![0; 100 + n * 731];
            // Fewer where there was no place, for those before are still on their way out.
            let _ = socket.read_exact(&mut some);
            reset(socket);
        }
    });
}

/// Closes with unread bytes and no farewell: the peer gets an RST.
fn reset(socket: TcpStream) {
    use nix::sys::socket::{setsockopt, sockopt};
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&socket, sockopt::Linger, &at_once).unwrap();
}

/// Five viewers that have stopped reading, and one that asks for a page and takes none of it.
#[test]
fn viewers_that_never_read() {
    in_every_model(|stage| {
        let never: Vec<_> = (0..5)
            .map(|_| {
                let mut socket = connect(stage.at());
                let ask = request("GET", stage.at(), "/stream?key=never");
                socket.write_all(ask.as_bytes()).unwrap();
                socket
            })
            .collect();
        let mut idle = connect(stage.at());
        idle.write_all(request("GET", stage.at(), "/").as_bytes())
            .unwrap();
        let seen = || stage.viewers[0].account().frames;
        let before = seen();
        wait_for("150 frames for those who read", || {
            (seen() > before + 150).then_some(())
        });
        // A full house: those eight have the places.
        let began = Instant::now();
        assert_eq!(get(stage.at(), "/status").code, 200);
        assert_eq!(get(stage.at(), "/stream").code, 503);
        assert!(began.elapsed() < Duration::from_secs(20));
        drop((never, idle));
    });
}

/// As OpenSSL begins: a record of type handshake, a ClientHello of 196 bytes.
const CLIENT_HELLO: &[u8] = &{
    let mut hello = [0x2a; 205];
    let head = [
        0x16, 0x03, 0x01, 0x00, 0xc8, 0x01, 0x00, 0x00, 0xc4, 0x03, 0x03,
    ];
    let mut at = 0;
    while at < head.len() {
        hello[at] = head[at];
        at += 1;
    }
    hello
};

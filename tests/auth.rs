//! Who may look and who may control: `--auth-file`, `--allow-origin` and `--clients-per-address`,
//! by hand-written requests, by curl and in Chromium.
//!
//! Not here: `seqcast password` on a terminal (`password`).

mod common;

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::http::{Reply, Stream, connect, exchange, get, request};
use common::webdriver::Browser;
use common::{Guard, Instance, MODELS, SEQCAST, drain, left_in_shm, run, tool, unique, wait_for};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrIn};
use serde_json::Value;

const PASSWORD: &str = "Hello world!";
/// `openssl passwd -6 -salt saltstring 'Hello world!'`
const HASH: &str = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";

/// A test picture for those whom the file names: ann looks, bob controls.
struct House {
    instance: Instance,
    _dir: tempfile::TempDir,
}

impl House {
    fn start(more: &[&str]) -> House {
        Self::with(&format!("# who\nann:{HASH}\nbob:{HASH}:control\n"), more)
    }

    fn with(users: &str, more: &[&str]) -> House {
        let dir = tempfile::tempdir().unwrap();
        let file = write(dir.path(), users, 0o600);
        let args = ["--source", "test", "--size", "320x240", "--lag", "100"];
        let auth = ["--auth-file", file.to_str().unwrap()];
        let instance = Instance::start(&[&args[..], &auth, more].concat());
        instance.wait_live();
        House {
            instance,
            _dir: dir,
        }
    }

    /// `method target` with these header lines, as that user.
    fn ask(&self, user: &str, method: &str, target: &str, headers: &str, body: &str) -> Reply {
        let address = self.instance.address();
        let login = login(user, PASSWORD);
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\n{login}{headers}\r\n{body}");
        exchange(address, request)
    }

    fn get(&self, user: &str, target: &str) -> Reply {
        self.ask(user, "GET", target, "", "")
    }

    /// Sets the test picture's one control.
    fn set(&self, user: &str, headers: &str) -> Reply {
        let body = "compression_quality=70";
        let len = body.len();
        let form = "Content-Type: application/x-www-form-urlencoded";
        let headers = format!("{form}\r\nContent-Length: {len}\r\n{headers}");
        self.ask(user, "POST", "/controls", &headers, body)
    }

    fn writable(&self, user: &str, headers: &str) -> Value {
        let reply = wait_for("the controls", || {
            let reply = self.ask(user, "GET", "/controls", headers, "");
            (reply.code != 503).then_some(reply)
        });
        let json: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(
            json["writable"].as_bool().unwrap(),
            json["reason"].is_null()
        );
        json["writable"].clone()
    }
}

fn write(dir: &Path, text: &str, mode: u32) -> PathBuf {
    let file = dir.join("users");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    file
}

/// The header line; without a name none.
fn login(user: &str, password: &str) -> String {
    if user.is_empty() {
        return String::new();
    }
    let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {encoded}\r\n")
}

fn open_stream(socket: &mut TcpStream, address: &str, headers: &str) -> String {
    write!(
        socket,
        "GET /stream HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn nobody_looks_without_a_password() {
    for model in MODELS {
        let house = House::start(model);
        let address = house.instance.address();
        for target in [
            "/",
            "/stream",
            "/snapshot",
            "/status",
            "/controls",
            "/nowhere",
        ] {
            let reply = get(address, target);
            assert_eq!(reply.code, 401, "{target}");
            assert_eq!(
                reply.header("WWW-Authenticate"),
                Some("Basic realm=\"Restricted area\", charset=\"UTF-8\""),
            );
            assert!(!reply.text().contains("seqcast"), "{}", reply.text());
        }
        assert_eq!(
            exchange(address, request("HEAD", address, "/stream")).body,
            b""
        );
        assert_eq!(house.set("", "").code, 401);
        let other = "Authorization: Bearer abc\r\n";
        assert_eq!(house.ask("", "GET", "/status", other, "").code, 401);
        for user in ["ann", "bob"] {
            for (target, code) in [
                ("/", 200),
                ("/snapshot", 200),
                ("/status", 200),
                ("/nowhere", 404),
            ] {
                assert_eq!(house.get(user, target).code, code, "{user} {target}");
            }
        }
        let mut socket = connect(address);
        let head = open_stream(&mut socket, address, &login("ann", PASSWORD));
        assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
        let status: Value = serde_json::from_slice(&house.get("ann", "/status").body).unwrap();
        let workers = status["workers"].as_array().unwrap();
        assert!(workers.iter().any(|w| w["user"] == "ann"), "{status}");
        drop(socket);
        // A name of another host is no danger where a password is asked for.
        let request = format!(
            "GET /status HTTP/1.1\r\nHost: cam.example\r\n{}\r\n",
            login("ann", PASSWORD)
        );
        assert_eq!(exchange(address, request).code, 200);
    }
}

#[test]
fn who_may_control() {
    let house = House::start(&["--http", "0.0.0.0:0"]);
    let here = format!("Origin: http://{}\r\n", house.instance.address());
    for (user, headers, code) in [
        ("ann", "", 403),
        ("bob", "", 200),
        ("bob", &here, 200),
        ("bob", "X-Forwarded-For: 192.0.2.1\r\n", 200),
        ("bob", "Origin: http://evil.example\r\n", 403),
        ("bob", "Sec-Fetch-Site: cross-site\r\n", 403),
    ] {
        assert_eq!(
            house.writable(user, headers),
            code == 200,
            "{user} {headers}"
        );
        let reply = house.set(user, headers);
        assert_eq!(reply.code, code, "{user} {headers}: {}", reply.text());
    }
    let output = house.instance.output();
    assert!(
        output.contains("\npassword  2 users may look, 1 of them may set controls\n"),
        "{output}"
    );
    assert!(
        output.contains("plain HTTP") && !output.contains("there is no password"),
        "{output}"
    );
}

#[test]
fn what_is_writable_is_said_as_it_is_without_a_password_too() {
    let instance = Instance::start(&["--source", "test"]);
    let writable = |headers: &str| {
        let address = instance.address();
        let request = format!("GET /controls HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        wait_for("the controls", || {
            let reply = exchange(address, &request);
            let json: Value = serde_json::from_slice(&reply.body).ok()?;
            json["writable"].as_bool()
        })
    };
    assert!(writable(""));
    assert!(!writable("X-Forwarded-For: 192.0.2.1\r\n"));
    assert!(!writable("Origin: http://evil.example\r\n"));
}

#[test]
fn a_wrong_password_waits_and_nobody_else() {
    for model in MODELS {
        let house = House::start(model);
        let address = house.instance.address();
        let mut viewer = connect(address);
        open_stream(&mut viewer, address, &login("ann", PASSWORD));
        let wrong = |user: &str, password: &str| {
            let mut socket = connect(address);
            let login = login(user, password);
            write!(
                socket,
                "GET /status HTTP/1.1\r\nHost: {address}\r\n{login}\r\n"
            )
            .unwrap();
            socket
        };
        let began = Instant::now();
        let waiting = [
            wrong("ann", "Hello world"),
            wrong("eve", PASSWORD),
            wrong("bob", ""),
        ];
        assert_eq!(house.get("bob", "/status").code, 200);
        let mut one = [0; 1];
        waiting[0].set_nonblocking(true).unwrap();
        if began.elapsed() < Duration::from_millis(900) {
            let early = (&waiting[0]).read(&mut one).unwrap_err();
            assert_eq!(early.kind(), ErrorKind::WouldBlock);
        }
        waiting[0].set_nonblocking(false).unwrap();
        for socket in waiting {
            assert_eq!(Reply::read(socket).code, 401);
            assert!(began.elapsed() >= Duration::from_millis(900));
        }
        house.instance.wait_log("127.0.0.1: wrong name or password");
        let log = house.instance.log();
        for secret in [
            "Hello",
            "eve",
            "saltstring",
            "Basic",
            &login("ann", "Hello world")[22..],
        ] {
            assert!(!log.contains(secret.trim()), "{secret}: {log}");
        }
        // The viewer saw none of it.
        let status: Value = serde_json::from_slice(&house.get("ann", "/status").body).unwrap();
        assert_eq!(status["totals"]["viewers"], 1, "{status}");
    }
}

#[test]
fn pages_of_other_origins() {
    let allowed = "Access-Control-Allow-Origin";
    let house = House::start(&["--allow-origin", "http://Mainsail.local"]);
    let address = house.instance.address();
    let own = Some("http://mainsail.local");
    for reply in [
        get(address, "/status"),
        house.get("ann", "/snapshot"),
        house.get("ann", "/nowhere"),
        exchange(address, "nonsense\r\n\r\n"),
        exchange(address, request("HEAD", address, "/stream")),
        exchange(address, request("DELETE", address, "/")),
    ] {
        assert_eq!(reply.header(allowed), own, "{}", reply.head);
        assert_eq!(
            reply.header("Access-Control-Allow-Credentials"),
            Some("true")
        );
    }
    let mut socket = connect(address);
    let head = open_stream(&mut socket, address, &login("ann", PASSWORD));
    assert!(
        head.contains("\r\nAccess-Control-Allow-Origin: http://mainsail.local\r\n"),
        "{head}"
    );
    // The question before a request is answered without a password, which browsers leave out there.
    let asked = "Origin: http://mainsail.local\r\nAccess-Control-Request-Method: POST\r\n";
    let reply = house.ask("", "OPTIONS", "/controls", asked, "");
    assert_eq!((reply.code, reply.header(allowed)), (204, own));
    assert_eq!(reply.header("Allow"), Some("GET, HEAD, OPTIONS, POST"));
    assert_eq!(
        reply.header("Access-Control-Allow-Methods"),
        Some("GET, HEAD, OPTIONS, POST")
    );
    assert_eq!(
        reply.header("Access-Control-Allow-Headers"),
        Some("Authorization, Content-Type")
    );
    assert_eq!(
        (reply.header("Content-Length"), reply.body.len()),
        (None, 0)
    );
    wait_for("the controls", || {
        (house.get("bob", "/controls").code == 200).then_some(())
    });
    let from = |origin: &str| format!("Origin: {origin}\r\nSec-Fetch-Site: cross-site\r\n");
    assert_eq!(house.set("bob", &from("http://mainsail.local")).code, 200);
    assert_eq!(house.set("ann", &from("http://mainsail.local")).code, 403);
    assert_eq!(
        house
            .set("bob", &from("http://mainsail.local.evil.example"))
            .code,
        403
    );
    drop(house);

    let open = Instance::start(&["--source", "test", "--allow-origin", "*"]);
    let reply = get(open.address(), "/status");
    assert_eq!(reply.header(allowed), Some("*"));
    assert_eq!(reply.header("Access-Control-Allow-Credentials"), None);
    drop(open);

    let closed = Instance::start(&["--source", "test"]);
    let address = closed.address();
    let reply = exchange(address, request("OPTIONS", address, "*"));
    assert_eq!(reply.code, 204);
    assert_eq!(reply.header("Allow"), Some("GET, HEAD, OPTIONS"));
    assert!(!reply.head.contains("Access-Control"), "{}", reply.head);
}

/// A connection that comes from that address of this machine.
fn connect_from(ip: [u8; 4], to: &str) -> TcpStream {
    let fd = socket::socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    );
    let fd = fd.unwrap();
    let [a, b, c, d] = ip;
    socket::bind(fd.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 0)).unwrap();
    let to: std::net::SocketAddrV4 = to.parse().unwrap();
    socket::connect(fd.as_raw_fd(), &SockaddrIn::from(to)).unwrap();
    let socket = TcpStream::from(fd);
    socket.set_read_timeout(Some(common::HANG)).unwrap();
    socket
}

#[test]
fn one_address_cannot_take_all_places() {
    for model in MODELS {
        let args = [
            "--source",
            "test",
            "--clients",
            "4",
            "--clients-per-address",
            "2",
        ];
        let instance = Instance::start(&[&args[..], model].concat());
        instance.wait_live();
        let address = instance.address();
        let stream = || {
            let mut stream = Stream::open(address, "/stream");
            stream.next_part().unwrap();
            stream
        };
        let seated = [stream(), stream()];
        let reply = get(address, "/stream");
        assert_eq!(reply.code, 503);
        assert!(
            reply.text().starts_with("Your address may have 2 streams"),
            "{}",
            reply.text()
        );
        assert_eq!(get(address, "/status").code, 200);
        // Another address has its own.
        let mut other = connect_from([127, 0, 0, 2], address);
        let head = open_stream(&mut other, address, "");
        assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
        let status = instance.status();
        assert_eq!(status["totals"]["viewers"], 3, "{status}");
        assert_eq!(status["totals"]["refused"], 1, "{status}");
        // A place that was given back is there again.
        drop(seated);
        wait_for("a free place", || {
            let stream = Stream::open(address, "/stream");
            stream.head.contains(" 200 ").then_some(())
        });
    }
}

#[test]
fn a_bad_file_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let name = unique("auth");
    let start = |file: &Path| {
        let file = file.to_str().unwrap();
        run(&[
            "--http",
            "127.0.0.1:0",
            "--name",
            &name,
            "--auth-file",
            file,
        ])
    };
    let bad = format!("ann:{HASH}\nbob:hunter2\n\ncarl:{HASH}:root\n");
    let (code, out, err) = start(&write(dir.path(), &bad, 0o600));
    assert_eq!(
        (code, out.as_str(), err.lines().count()),
        (2, "", 1),
        "{err}"
    );
    assert!(
        err.contains("line 2: ") && err.contains("line 4: "),
        "{err}"
    );
    assert!(!err.contains("hunter2") && !err.contains("line 1"), "{err}");
    for (text, said) in [("", "names nobody"), (&*"#".repeat(1 << 21), "over 1 MiB")] {
        let (code, _, err) = start(&write(dir.path(), text, 0o600));
        assert_eq!((code, err.lines().count()), (2, 1), "{err}");
        assert!(err.contains(said), "{err}");
    }
    let (code, _, err) = start(&dir.path().join("missing"));
    assert_eq!((code, err.lines().count()), (2, 1), "{err}");
    assert!(
        err.contains("--auth-file") && err.contains("No such file"),
        "{err}"
    );
    let (code, _, err) = run(&["--allow-origin", "mainsail.local"]);
    assert_eq!((code, err.lines().count()), (2, 1), "{err}");
    assert_eq!(left_in_shm(&name), [""; 0]);

    let file = write(dir.path(), &format!("ann:{HASH}\n"), 0o644);
    let args = ["--source", "test", "--raw", "0.0.0.0:0", "--auth-file"];
    let instance = Instance::start(&[&args[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(
        instance.log().matches("can read").count(),
        1,
        "{}",
        instance.log()
    );
    let output = instance.output();
    assert!(output.contains("raw frames know no password"), "{output}");
    assert!(
        output.contains("1 user may look, none may set controls"),
        "{output}"
    );
}

#[test]
fn a_line_of_seqcast_password_lets_in() {
    let mut lines = String::new();
    for (user, more) in [("jörg", &[][..]), ("root", &["--control"])] {
        let mut password = Guard::spawn(
            Command::new(SEQCAST)
                .args(["password", user])
                .args(more)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        );
        let mut stdin = password.0.stdin.take().unwrap();
        writeln!(stdin, "{PASSWORD}\nwhat follows is left").unwrap();
        drop(stdin);
        lines += &drain(&mut password.0.stdout);
        assert!(password.wait("its end").success());
    }
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(!lines.contains(PASSWORD), "{lines}");
    let house = House::with(&lines, &[]);
    assert_eq!(house.get("jörg", "/status").code, 200);
    assert_eq!(house.get("root", "/status").code, 200);
    wait_for("the controls", || {
        (house.get("root", "/controls").code == 200).then_some(())
    });
    assert_eq!(house.set("jörg", "").code, 403);
    assert_eq!(house.set("root", "").code, 200);
}

#[test]
#[ignore = "needs curl and openssl: tests/run"]
fn curl_with_a_hash_of_openssl() {
    for kind in ["-6", "-5"] {
        let hash = Command::new(tool("openssl"))
            .args(["passwd", kind, "geheim: ß"])
            .output()
            .unwrap();
        let hash = String::from_utf8(hash.stdout).unwrap();
        let house = House::with(&format!("ann:{hash}"), &["--clients", "3"]);
        let curl = |args: &[&str], target: &str| {
            let out = Command::new(tool("curl"))
                .args(["--silent", "--max-time", "20", "--output", "/dev/null"])
                .args(["--write-out", "%{http_code}"])
                .args(args)
                .arg(house.instance.url(target))
                .output()
                .unwrap();
            String::from_utf8(out.stdout).unwrap()
        };
        assert_eq!(curl(&[], "/snapshot"), "401");
        assert_eq!(curl(&["--user", "ann:geheim: ß"], "/snapshot"), "200");
        assert_eq!(
            curl(&["--anyauth", "--user", "ann:geheim: ß"], "/snapshot"),
            "200"
        );
        assert_eq!(curl(&["--user", "ann:geheim"], "/snapshot"), "401");
        assert_eq!(curl(&["--request", "OPTIONS"], "/snapshot"), "204");
    }
}

#[test]
#[ignore = "needs Chromium: tests/run"]
fn the_page_with_a_password() {
    let house = House::start(&[]);
    let browser = Browser::start(800, 600);
    browser.go(&format!(
        "http://bob:Hello%20world!@{}/",
        house.instance.address()
    ));
    browser.wait("a picture", "document.querySelector('#picture').width > 1");
    // A script cannot ask for a URL with a password in it, but for one without: the browser sends it along.
    browser.wait("its row", "document.querySelector('tr.you mark').innerText");
    let log = house.instance.log();
    assert!(!log.contains("wrong name"), "{log}");
}

//! The real program over TLS, UNIX sockets and sockets that a service manager passed: every byte of
//! every frame, stalls, kills, what is left behind, and what is refused.
//!
//! Not here: handshakes and who does not speak TLS (`sender/tests/tls.rs`).

mod common;
mod exact;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::{Guard, HANG, MODELS, SEQCAST, left_in_shm, pid, signal, status, unique, wait_for};
use exact::{Judge, Parts, SMALL};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal::{SIGINT, SIGKILL};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// seqcast on other than plain TCP.
struct Server {
    name: String,
    guard: Guard,
    dir: tempfile::TempDir,
}

impl Server {
    /// Starts it showing the small test picture; `prepare` may add to the command.
    fn start(args: &[&str], prepare: impl FnOnce(&mut Command, &Path)) -> Server {
        let name = unique("transport");
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]);
        let made = made.unwrap();
        std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
        let key = made.signing_key.serialize_pem();
        std::fs::write(dir.path().join("key.pem"), key).unwrap();
        let mut command = Command::new(SEQCAST);
        prepare(&mut command, dir.path());
        command
            .current_dir(dir.path())
            .args(["--source", "test", "--name", &name])
            .args(["--size", "320x240"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(File::create(dir.path().join("out")).unwrap())
            .stderr(File::create(dir.path().join("err")).unwrap());
        let guard = Guard::spawn(&mut command);
        let mut server = Server { name, guard, dir };
        wait_for("a live picture", || {
            assert!(server.guard.is_running(), "{}", server.log());
            let out = server.output();
            (out.contains("source  ")).then_some(())
        });
        server
    }

    fn tls(args: &[&str]) -> Server {
        let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
        let http = ["--http", "127.0.0.1:0"];
        Server::start(&[&http, &tls[..], args].concat(), |_, _| {})
    }

    fn unix(args: &[&str]) -> Server {
        Server::start(&[&["--http", "unix:http.sock"], args].concat(), |_, _| {})
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("out")).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("err")).unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("http.sock")
    }

    /// `HOST:PORT` of what is announced as `scheme`.
    fn address(&self, scheme: &str) -> String {
        let out = self.output();
        let page = format!("page      {scheme}://");
        let at = out.split_once(&page).expect("a page").1;
        at.split_once('/').unwrap().0.to_owned()
    }

    /// Connects as its `--http` has it.
    fn connect(&self) -> Box<dyn Wire> {
        if self.socket().exists() {
            let socket = UnixStream::connect(self.socket()).unwrap();
            socket.set_read_timeout(Some(HANG)).unwrap();
            return Box::new(socket);
        }
        let socket = TcpStream::connect(self.address("https")).unwrap();
        socket.set_read_timeout(Some(HANG)).unwrap();
        let mut roots = RootCertStore::empty();
        let cert = CertificateDer::from_pem_file(self.dir.path().join("cert.pem")).unwrap();
        roots.add(cert).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        Box::new(StreamOwned::new(session, socket))
    }

    fn ask(&self, request: &str) -> String {
        let mut wire = self.connect();
        wire.write_all(request.as_bytes()).unwrap();
        let mut reply = Vec::new();
        wire.read_to_end(&mut reply).unwrap();
        String::from_utf8_lossy(&reply).into_owned()
    }

    fn view(&self, key: &str) -> Viewer {
        let mut wire = self.connect();
        write!(wire, "GET /stream?key={key} HTTP/1.0\r\n\r\n").unwrap();
        Viewer {
            parts: Parts::begin(wire).unwrap(),
            judge: Judge::new(SMALL),
        }
    }

    fn status(&self) -> serde_json::Value {
        status(&self.name).0
    }

    /// The worker whose viewer has this key.
    fn worker(&self, key: &str) -> serde_json::Value {
        wait_for("the viewer", || {
            let status = self.status();
            let mut workers = status["workers"].as_array()?.iter();
            workers.find(|worker| worker["key"] == key).cloned()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.guard.0.kill();
        let _ = self.guard.0.wait();
        // What a killed supervisor leaves.
        for left in left_in_shm(&self.name) {
            let _ = std::fs::remove_file(Path::new("/dev/shm").join(left));
        }
    }
}

/// A viewer that draws every frame again.
struct Viewer {
    parts: Parts<Box<dyn Wire>>,
    judge: Judge,
}

impl Viewer {
    /// Takes a part; where the stream is over, an error.
    fn next(&mut self) -> std::io::Result<()> {
        let part = self.parts.next()?;
        self.judge.part(&part);
        Ok(())
    }

    fn watch(&mut self, frames: u64) {
        let until = self.judge.account.frames + frames;
        while self.judge.account.frames < until {
            self.next().unwrap();
        }
        assert!(
            self.judge.account.faults.is_empty(),
            "{:?}",
            self.judge.account
        );
    }
}

#[test]
fn every_byte_of_every_frame_and_a_clean_end() {
    for model in MODELS {
        for mut server in [Server::tls(model), Server::unix(model)] {
            let mut viewers = [server.view("a"), server.view("b")];
            for _ in 0..120 {
                viewers.iter_mut().for_each(|viewer| viewer.watch(1));
            }
            let addr = server.worker("a")["viewer"].as_str().unwrap().to_owned();
            assert_eq!(addr == "unix", server.socket().exists(), "{addr}");
            signal(server.guard.pid(), SIGINT);
            for mut viewer in viewers {
                while viewer.next().is_ok() {}
                assert!(viewer.judge.account.faults.is_empty());
            }
            assert_eq!(server.guard.wait("a clean stop").code(), Some(0));
            assert!(left_in_shm(&server.name).is_empty());
            assert!(!server.socket().exists());
        }
    }
}

#[test]
fn a_stalled_viewer_disturbs_nobody_and_resumes_fresh() {
    for server in [Server::tls(&[]), Server::unix(&[])] {
        let mut stalled = server.view("stalled");
        let mut healthy = server.view("healthy");
        stalled.watch(5);
        // Longer than what the connection takes in, and then some.
        while server.worker("stalled")["lag"].as_u64().unwrap() < 60 {
            healthy.watch(10);
        }
        assert_eq!(server.worker("healthy")["skipped"], 0);
        let newest = healthy.judge.account.last;
        let mut stale = 0;
        while stalled.judge.account.last < newest {
            stalled.next().unwrap();
            stale += 1;
        }
        println!("{stale} frames from before");
        stalled.watch(60);
        assert!(server.worker("stalled")["skipped"].as_u64() > Some(30));
        assert_eq!(server.status()["totals"]["torn"], 0);
    }
}

#[test]
fn a_killed_sender_takes_its_own_viewer_alone() {
    for server in [Server::tls(&[]), Server::unix(&[])] {
        let mut victim = server.view("victim");
        let mut other = server.view("other");
        victim.watch(10);
        other.watch(10);
        signal(pid(&server.worker("victim")), SIGKILL);
        while victim.next().is_ok() {}
        other.watch(60);
        assert_eq!(server.worker("other")["skipped"], 0);
        server.view("again").watch(10);
        assert_eq!(server.status()["totals"]["restarts"], 1);
    }
}

#[test]
fn a_unix_socket_is_this_users_and_has_no_host_rule() {
    let mut server = Server::unix(&[]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&server.socket()), 0o600);
    let reply = server.ask("GET /status HTTP/1.1\r\nHost: cam.example\r\n\r\n");
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert!(reply.contains("unix:/"), "{reply}");
    // A second one is refused, and leaves the first its socket.
    let path = server.socket();
    let http = format!("unix:{}", path.display());
    let second = Command::new(SEQCAST)
        .args([
            "--source",
            "test",
            "--http",
            &http,
            "--name",
            &unique("second"),
        ])
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(5));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(
        said.contains("in use") && said.lines().count() == 1,
        "{said}"
    );
    server.view("x").watch(3);
    // One that was killed leaves its socket to its successor.
    signal(server.guard.pid(), SIGKILL);
    server.guard.wait("its end");
    assert!(path.exists());
    let http = format!("unix:{},mode=0660", path.display());
    let _successor = Server::start(&["--http", &http], |_, _| {});
    assert_eq!(mode(&path), 0o660);
    assert!(UnixStream::connect(&path).is_ok());
}

/// As systemd starts a service: the sockets from descriptor 3 on, and three variables.
fn pass(command: &mut Command, sockets: Vec<OwnedFd>, names: &str) {
    // The shell moves them to where they are expected, by numbers that are free, and becomes the
    // service.
    let mut script = String::new();
    for (index, fd) in sockets.iter().enumerate() {
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        script += &format!("exec {{s{index}}}<&{}; ", fd.as_raw_fd());
    }
    for index in 0..sockets.len() {
        script += &format!("exec {}<&$s{index} {{s{index}}}<&-; ", index + 3);
    }
    script += "LISTEN_PID=$$ exec \"$0\" \"$@\"";
    let mut shell = Command::new("bash");
    shell
        .args(["-c", &script, SEQCAST])
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDNAMES", names);
    *command = shell;
    // They stay open until the test ends.
    std::mem::forget(sockets);
}

#[test]
fn sockets_that_were_passed() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let raw = TcpListener::bind("127.0.0.1:0").unwrap();
    let [http_at, raw_at] = [&tcp, &raw].map(|socket| socket.local_addr().unwrap().to_string());
    // Who comes before the service is there waits for it.
    let mut early = common::http::connect(&http_at);
    early.write_all(b"GET /status HTTP/1.0\r\n\r\n").unwrap();
    let mut server = Server::start(&["--http", "systemd"], |command, dir| {
        let unix = UnixListener::bind(dir.join("http.sock")).unwrap();
        let sockets = vec![tcp.into(), unix.into(), raw.into()];
        pass(command, sockets, "seqcast@x.socket:http:raw");
    });
    let reply = common::http::Reply::read(early);
    assert_eq!(reply.code, 200);
    let status: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let shown = status["http"].as_str().unwrap();
    assert!(
        shown.contains(&http_at) && shown.contains(",unix:/"),
        "{shown}"
    );
    server.view("over-unix").watch(5);
    let mut header = [0; 8];
    common::http::connect(&raw_at)
        .read_exact(&mut header)
        .unwrap();
    assert_eq!(header, [3, 0, 64, 1, 240, 0, 0, 0]);
    // None of it goes on to a worker's environment or is left open in capture.
    let capture = wait_for("capture", || {
        let status = server.status();
        let workers = status["workers"].as_array()?;
        let capture = workers.iter().find(|w| w["role"] == "capture")?;
        capture["pid"].as_u64()
    });
    let open = std::fs::read_dir(format!("/proc/{capture}/fd")).unwrap();
    let sockets = open.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
    let sockets = sockets.filter(|to| to.to_string_lossy().starts_with("socket:"));
    assert_eq!(sockets.count(), 1, "its channel to the supervisor");
    signal(server.guard.pid(), SIGINT);
    assert_eq!(server.guard.wait("a clean stop").code(), Some(0));
    assert!(server.socket().exists(), "it is not ours to remove");
}

#[test]
#[ignore = "needs curl and systemd-socket-activate: tests/run"]
fn other_peoples_programs() {
    let server = Server::tls(&[]);
    let at = server.address("https");
    let curl = |args: &[&str]| {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "30"])
            .args(args)
            .current_dir(server.dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.stdout, said)
    };
    let (body, said) = curl(&["--cacert", "cert.pem", &format!("https://{at}/snapshot")]);
    assert!(picture::jpeg::check(&body).is_ok(), "{said}");
    let (_, said) = curl(&[&format!("https://{at}/")]);
    assert!(said.contains("certificate"), "{said}");
    let (body, _) = curl(&[&format!("http://{at}/")]);
    assert!(String::from_utf8_lossy(&body).contains("https://"));
    let server = Server::unix(&[]);
    let body = Command::new("curl")
        .args(["--silent", "--max-time", "30", "--unix-socket"])
        .arg(server.socket())
        .arg("http://cam/snapshot")
        .output()
        .unwrap();
    assert!(picture::jpeg::check(&body.stdout).is_ok());

    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = port.local_addr().unwrap().to_string();
    drop(port);
    let name = unique("activated");
    let mut guard = Guard::spawn(
        Command::new("systemd-socket-activate")
            .args(["--listen", &at, "--fdname", "http", SEQCAST])
            .args(["--source", "test", "--http", "systemd", "--name", &name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    wait_for("the socket", || TcpStream::connect(&at).ok());
    assert_eq!(common::http::get(&at, "/snapshot").code, 200);
    signal(guard.pid(), SIGINT);
    assert_eq!(guard.wait("a clean stop").code(), Some(0));
    assert!(left_in_shm(&name).is_empty());
}

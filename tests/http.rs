//! What is on the wire: the stream byte by byte, each reply's form, the status field by field, and
//! what becomes of requests that are none.
//!
//! Not here: who gets a place (`seats`), what a browser makes of it (`browser`).

mod common;

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use common::http::{Reply, Stream, connect, exchange, get, request};
use common::{Instance, MODELS, wait_for};
use serde_json::Value;

fn start(more: &[&str]) -> Instance {
    let args = ["--source", "test", "--size", "320x240"];
    let instance = Instance::start(&[&args, more].concat());
    instance.wait_live();
    instance
}

#[test]
fn a_stream_byte_by_byte() {
    let instance = start(&[]);
    let mut stream = Stream::open(instance.address(), "/stream?key=a+b");
    let (_, id) = stream.head.split_once("stream_client=a%20b/").unwrap();
    let (id, _) = id.split_once(';').unwrap();
    assert_eq!(id.len(), 16);
    assert_eq!(
        stream.head,
        format!(
            "HTTP/1.0 200 OK\r\n\
         Cache-Control: no-store, no-cache, must-revalidate, proxy-revalidate, pre-check=0, \
         post-check=0, max-age=0\r\n\
         Pragma: no-cache\r\n\
         Expires: Mon, 3 Jan 2000 12:34:56 GMT\r\n\
         X-Content-Type-Options: nosniff\r\n\
         X-Accel-Buffering: no\r\n\
         Set-Cookie: stream_client=a%20b/{id}; path=/; max-age=30\r\n\
         Content-Type: multipart/x-mixed-replace;boundary=boundarydonotcross\r\n\r\n"
        )
    );
    let mut last = 0;
    for _ in 0..20 {
        let part = stream.next_part().unwrap();
        assert_eq!(part.headers.len(), 5, "{:?}", part.headers);
        let (seconds, micros) = part.value(2, "X-Timestamp").split_once('.').unwrap();
        assert_eq!(micros.len(), 6);
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let captured: u64 = seconds.parse().unwrap();
        assert!((now - 3600..=now + 1).contains(&captured), "{captured}");
        let id = part.id().unwrap();
        let skipped: u64 = part.value(4, "X-Seqcast-Skipped").parse().unwrap();
        if last > 0 {
            assert_eq!(id, last + skipped + 1);
        }
        last = id;
    }
}

/// Browsers show a part when they see what ends it: it must not wait for the next one.
#[test]
fn the_boundary_comes_with_its_picture() {
    let instance = start(&["--fps", "1"]);
    let mut stream = Stream::open(instance.address(), "/stream");
    stream.part_without_boundary().unwrap();
    // A machine that is held up may spoil one measurement, but not all.
    let at_once = (0..5).any(|_| {
        let picture = Instant::now();
        stream.boundary();
        let boundary = Instant::now();
        stream.part_without_boundary().unwrap();
        boundary - picture < boundary.elapsed()
    });
    assert!(at_once);
}

#[test]
fn a_snapshot_is_newer_than_its_request() {
    for model in MODELS {
        let instance = start(model);
        for target in [
            "/snapshot",
            "/?action=snapshot",
            "/?action=snapshot&1700000000",
        ] {
            let head = instance.status()["ring"]["head"].as_u64().unwrap();
            let reply = get(instance.address(), target);
            assert_eq!(
                (reply.code, reply.header("content-type")),
                (200, Some("image/jpeg"))
            );
            let id: u64 = reply.header("x-seqcast-frame").unwrap().parse().unwrap();
            assert!(id > head, "{id} after {head}");
            assert!(reply.header("x-timestamp").unwrap().contains('.'));
            let info = picture::jpeg::check(&reply.body).unwrap();
            assert_eq!((info.width, info.height), (320, 240));
        }
    }
}

#[test]
fn the_aliases_that_printers_use() {
    let instance = start(&[]);
    for target in [
        "/?action=stream",
        "/?action=stream&1700000000",
        "/?1&action=stream_0",
    ] {
        let mut stream = Stream::open(instance.address(), target);
        assert!(stream.next_part().unwrap().id().is_some(), "{target}");
    }
    assert_eq!(get(instance.address(), "/?action=take").code, 404);
}

#[test]
fn a_head_is_the_reply_without_its_body() {
    let instance = start(&["--clients", "1"]);
    let at = instance.address();
    for target in ["/", "/status", "/snapshot", "/nothing"] {
        let head = exchange(at, request("HEAD", at, target));
        let code = if target == "/nothing" { 404 } else { 200 };
        assert_eq!((head.code, head.body.len()), (code, 0), "{target}");
        let length: usize = head.header("content-length").unwrap().parse().unwrap();
        assert!(length > 0);
        assert_eq!(head.header("connection"), Some("close"));
    }
    let mut stream = Stream::open(at, "/stream");
    assert_eq!(exchange(at, request("HEAD", at, "/stream")).code, 503);
    stream.next_part().unwrap();
    drop(stream);
    wait_for("the place to be free", || {
        let reply = exchange(at, request("HEAD", at, "/stream"));
        (reply.code == 200 && reply.body.is_empty()).then_some(())
    });
    let refused = &instance.status()["totals"]["refused"];
    assert_eq!(*refused, 0, "nobody was turned away");
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let instance = start(&[]);
    let page = get(instance.address(), "/");
    assert_eq!(page.code, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'")
    );
    let html = page.text();
    for elsewhere in ["http:", "https:", "@import", "url(", "ws:", "wss:"] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
    // A path from the root would break behind a proxy's prefix, two slashes lead away.
    for name in ["src=\"", "href=\"", "src = \"", "fetch(\"", "import(\""] {
        for (at, _) in html.match_indices(name) {
            let target = &html[at + name.len()..];
            assert!(!target.starts_with('/'), "{}", &target[..20]);
        }
    }
}

#[test]
fn what_is_no_request_is_told_so() {
    for model in MODELS {
        let instance = start(model);
        let at = instance.address();
        let filler = "x".repeat(9000);
        let lines = "A: b\r\n".repeat(65);
        let port = at.split_once(':').unwrap().1;
        let cases = [
            (400, "\u{16}\u{3}\u{1} TLS?\r\n\r\n".to_owned()),
            (400, "GET\r\n\r\n".to_owned()),
            (400, "GET /status HTTP/1.1\r\n\r\n".to_owned()),
            (
                400,
                format!("GET /status HTTP/1.1\r\nHost: {at}\r\nHost: {at}\r\n\r\n"),
            ),
            (400, format!("GET status HTTP/1.1\r\nHost: {at}\r\n\r\n")),
            (400, request("GET", at, "/stream?fps=0")),
            (400, request("GET", at, "/?action=stream&from=yesterday")),
            (404, request("GET", at, "/secret")),
            (404, request("GET", at, "/../etc/passwd")),
            (405, request("POST", at, "/status")),
            (405, request("DELETE", at, "/status")),
            (421, request("GET", "evil.example", "/snapshot")),
            (421, request("GET", &format!("evil.example:{port}"), "/")),
            (421, request("GET", "127.0.0.1.evil.example", "/stream")),
            (421, request("GET", at, "http://evil.example/status")),
            (431, format!("GET /{filler}")),
            (
                431,
                format!("GET / HTTP/1.1\r\nHost: {at}\r\nX: {filler}\r\n\r\n"),
            ),
            (431, format!("GET / HTTP/1.1\r\nHost: {at}\r\n{lines}\r\n")),
        ];
        for (code, bytes) in cases {
            let reply = exchange(at, &bytes);
            let shown = &bytes[..bytes.len().min(60)];
            assert_eq!(reply.code, code, "{shown:?}");
            assert_eq!(reply.header("connection"), Some("close"), "{shown:?}");
            assert_eq!(
                reply.header("content-length").unwrap(),
                reply.body.len().to_string()
            );
            assert!(
                reply.text().trim_end().ends_with('.'),
                "a sentence: {}",
                reply.text()
            );
            let allow = (code == 405).then_some("GET, HEAD, OPTIONS");
            assert_eq!(reply.header("allow"), allow, "{shown:?}");
        }
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1",
            "[::1]:1",
            "camera.localhost",
        ] {
            assert_eq!(
                exchange(at, request("GET", host, "/status")).code,
                200,
                "{host}"
            );
        }
        assert_eq!(exchange(at, "GET /status HTTP/1.0\r\n\r\n").code, 200);
    }
}

#[test]
fn half_a_request_is_waited_for_and_then_told_so() {
    let instance = start(&[]);
    let began = Instant::now();
    let late = exchange(instance.address(), "GET /status HTTP/1.1\r\nHo");
    assert_eq!((late.code, late.header("connection")), (408, Some("close")));
    assert!(
        began.elapsed() >= Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );

    // In pieces, but in time, is a request.
    let mut slow = connect(instance.address());
    for byte in request("GET", instance.address(), "/status").bytes() {
        slow.write_all(&[byte]).unwrap();
    }
    assert_eq!(Reply::read(slow).code, 200);

    // Who says nothing is told nothing.
    let mut silent = connect(instance.address());
    let mut said = Vec::new();
    let _ = silent.read_to_end(&mut said); // closed or reset, either is an end
    assert_eq!(said, b"");
}

#[test]
fn every_reply_but_a_stream_closes() {
    let instance = start(&["--clients", "1"]);
    let at = instance.address();
    let stream = Stream::open(at, "/stream");
    assert!(!stream.head.to_lowercase().contains("connection:"));
    for target in ["/", "/status", "/snapshot", "/stream", "/nothing"] {
        let reply = get(at, target);
        assert_eq!(reply.header("connection"), Some("close"), "{target}");
        assert_eq!(
            reply.header("content-length").unwrap(),
            reply.body.len().to_string()
        );
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{target}");
    }
}

/// A status's form: what kind of value each field is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    TextOrNull,
    Count,
    Seconds,
    NumberOrNull,
    OneOf(&'static [&'static str]),
    Counts,
    CountOrNull,
    Address,
    AddressOrNull,
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        let is_address = |v: &Value| {
            v.as_str()
                .is_some_and(|s| s.parse::<std::net::SocketAddr>().is_ok())
        };
        match self {
            Kind::Text => value.is_string(),
            Kind::TextOrNull => value.is_string() || value.is_null(),
            Kind::Count => value.is_u64(),
            Kind::CountOrNull => value.is_u64() || value.is_null(),
            Kind::Seconds => value.as_f64().is_some_and(|s| s >= 0.0),
            Kind::NumberOrNull => value.is_number() || value.is_null(),
            Kind::OneOf(names) => value.as_str().is_some_and(|s| names.contains(&s)),
            Kind::Counts => value
                .as_object()
                .is_some_and(|o| o.values().all(Value::is_u64)),
            Kind::Address => is_address(value),
            Kind::AddressOrNull => is_address(value) || value.is_null(),
        }
    }
}

fn assert_form(value: &Value, fields: &[(&str, Kind)]) {
    for &(name, kind) in fields {
        let found = value.get(name);
        assert!(
            found.is_some_and(|found| kind.fits(found)),
            "{name} is to be {kind:?}, is {found:?} in {value}"
        );
    }
}

/// Names and types are a contract with scripts; more fields may come.
fn assert_status(status: &Value) {
    use Kind::*;
    let models = OneOf(&["process", "thread", "multiplex"]);
    assert_form(status, &[("name", Text), ("http", Address)]);
    assert_form(status, &[("raw", AddressOrNull)]);
    assert_form(status, &[("model", models), ("viewers_per_sender", Count)]);
    let states = OneOf(&["starting", "live", "no-signal", "ended", "resting"]);
    assert_form(
        &status["source"],
        &[
            ("kind", Text),
            ("detail", Text),
            ("width", Count),
            ("height", Count),
            ("format", Text),
            ("fps_set", Seconds),
            ("fps_measured", Seconds),
            ("state", states),
            ("fault", TextOrNull),
            ("reason", Text),
            ("since_s", Seconds),
            ("dropped", Counts),
        ],
    );
    let counts =
        |names: &[&'static str]| -> Vec<_> { names.iter().map(|&name| (name, Count)).collect() };
    assert_form(
        &status["ring"],
        &counts(&["bytes", "oldest", "head", "epoch"]),
    );
    assert_form(&status["ring"], &[("seconds_held", Seconds)]);
    assert_form(&status["ring"], &[("format", TextOrNull)]);
    assert_form(
        &status["supervisor"],
        &[("pid", Count), ("uptime_s", Seconds)],
    );
    let since = status["source"]["since_s"].as_f64();
    let up = status["supervisor"]["uptime_s"].as_f64();
    assert!(since <= up.map(|up| up + 1.0), "{status}");
    let workers = status["workers"].as_array().unwrap();
    assert!(!workers.is_empty());
    for worker in workers {
        let states = OneOf(&["starting", "idle", "serving", "draining", "hung"]);
        assert_form(
            worker,
            &[
                ("role", OneOf(&["capture", "sender"])),
                ("state", states),
                ("viewer", AddressOrNull),
                ("key", TextOrNull),
                ("protocol", TextOrNull),
                ("skip_causes", Counts),
                ("shift_s", Seconds),
                ("uptime_s", Seconds),
                ("stalled_s", Seconds),
                ("latency_ms", NumberOrNull),
                ("cpu_s", Seconds),
                ("pss_bytes", CountOrNull),
            ],
        );
        assert_form(
            worker,
            &counts(&[
                "pid", "restarts", "frames", "bytes", "skipped", "lag", "torn",
            ]),
        );
    }
    let totals = counts(&[
        "viewers",
        "frames_captured",
        "frames_sent",
        "frames_skipped",
        "torn",
        "restarts",
        "refused",
    ]);
    assert_form(&status["totals"], &totals);
}

#[test]
fn the_status_is_what_scripts_rely_on() {
    let instance = start(&["--clients", "2", "--fps", "20"]);
    let mut stream = Stream::open(instance.address(), "/stream?key=it%27s+me&1700000000");
    stream.next_part().unwrap();
    let local = stream.socket.get_ref().local_addr().unwrap().to_string();
    let status = wait_for("a viewer with frames", || {
        let reply = get(instance.address(), "/status");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let status: Value = serde_json::from_slice(&reply.body).unwrap();
        (status["totals"]["frames_sent"].as_u64()? > 0).then_some(status)
    });
    assert_status(&status);
    assert_eq!(status["name"], instance.name.as_str());
    assert_eq!(status["http"], instance.address());
    let source = &status["source"];
    assert_eq!(
        (&source["kind"], &source["state"]),
        (&"test".into(), &"live".into())
    );
    assert_eq!(
        (source["width"].as_u64(), source["height"].as_u64()),
        (Some(320), Some(240))
    );
    assert_eq!(
        (&source["format"], source["fps_set"].as_f64()),
        (&"MJPG".into(), Some(20.0))
    );
    assert_eq!(status["ring"]["bytes"], 16 << 20);
    assert_eq!(status["supervisor"]["pid"], instance.guard.pid());
    assert_eq!(status["totals"]["viewers"], 1);
    let workers = status["workers"].as_array().unwrap();
    let served: Vec<_> = workers.iter().filter(|w| !w["viewer"].is_null()).collect();
    assert_eq!(served.len(), 1);
    assert_eq!(served[0]["viewer"], local);
    assert_eq!(served[0]["key"], "it's me");
    let (_, id) = stream
        .head
        .split_once("stream_client=it%27s%20me/")
        .unwrap();
    assert!(
        id.starts_with(served[0]["id"].as_str().unwrap()),
        "{status}"
    );
    assert_eq!(served[0]["protocol"], "http-stream");
    assert_eq!(served[0]["state"], "serving");
    assert!(served[0]["latency_ms"].as_f64() > Some(0.0), "{status}");
    assert!(source["fault"].is_null(), "{status}");
    assert!(
        workers.iter().all(|w| w["pss_bytes"].is_null()),
        "dear: only where asked"
    );

    // The command line says the same, and what is dear.
    let status = instance.status();
    assert_status(&status);
    let workers = status["workers"].as_array().unwrap();
    assert!(
        workers.iter().all(|w| w["pss_bytes"].as_u64() > Some(0)),
        "{status}"
    );
}

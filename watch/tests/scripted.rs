//! `watch::run` against servers that follow a script: what it reports, and its exit code.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket;
use watch::{Options, Report, Stall};

const HEAD: &str = "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=boundarydonotcross\r\n\r\n--boundarydonotcross\r\n";

/// Serves each connection, after its request, with `script`.
fn serve(
    script: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> SocketAddr {
    support::serve(move |stream| {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            request.push(byte[0]);
        }
        assert!(request.starts_with(b"GET /stream HTTP/1.0\r\nHost: "));
        script(stream)
    })
}

fn options(address: SocketAddr) -> Options {
    Options::new(format!("http://{address}"))
}

/// Until the server ends it.
fn watch(address: SocketAddr) -> Report {
    watch::run(&options(address), || false).unwrap()
}

fn jpeg(len: usize) -> Vec<u8> {
    let mut jpeg = vec![0x5a; len];
    jpeg[..2].copy_from_slice(b"\xff\xd8");
    jpeg[len - 2..].copy_from_slice(b"\xff\xd9");
    jpeg
}

/// A part of a frame that was captured so long ago.
fn part_captured(id: u64, skipped: u64, body: &[u8], ago: Duration) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let captured = now - ago;
    let headers = format!(
        "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}.{:06}\r\n\
         X-Seqcast-Frame: {id}\r\nX-Seqcast-Skipped: {skipped}\r\n\r\n",
        body.len(),
        captured.as_secs(),
        captured.subsec_micros(),
    );
    [headers.as_bytes(), body, b"\r\n--boundarydonotcross\r\n"].concat()
}

fn part(id: u64, skipped: u64, body: &[u8]) -> Vec<u8> {
    part_captured(id, skipped, body, Duration::ZERO)
}

#[test]
fn a_clean_stream_is_clean() {
    let served = Arc::new(AtomicUsize::new(0));
    let counter = served.clone();
    let address = serve(move |stream| {
        stream.write_all(HEAD.as_bytes())?;
        // More than any buffer on the way holds.
        let jpeg = jpeg(200_000);
        for id in 1.. {
            stream.write_all(&part(id, 0, &jpeg))?;
            if id == 100 {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    });
    let options = Options {
        viewers: 5,
        ..options(address)
    };
    let report = watch::run(&options, || served.load(Ordering::Relaxed) == 5).unwrap();
    assert_eq!(report.exit_code(), 0, "{report}");
    assert_eq!(report.viewers.len(), 5);
    for viewer in &report.viewers {
        assert!(viewer.frames >= 2 && viewer.fps > 0.0, "{report}");
        assert!(viewer.bytes >= viewer.frames * 200_000, "{report}");
        assert_eq!((viewer.lost, viewer.cut, &viewer.end), (0, false, &None));
    }
    let json = serde_json::to_value(&report).unwrap();
    let viewer = &json["viewers"][0];
    for number in [
        &viewer["fps"],
        &viewer["latency_ms"]["p50"],
        &viewer["latency_ms"]["p99"],
        &viewer["gap_ms"],
    ] {
        assert!(number.as_f64().is_some_and(|ms| ms >= 0.0), "{json}");
    }
    assert!(
        json["skew_ms"]["p99"].is_f64() && json["skew_ms"]["p50"].is_f64(),
        "{json}"
    );
    assert!(
        json["rcvbuf"]
            .as_u64()
            .is_some_and(|bytes| bytes >= 128 * 1024),
        "{json}"
    );
    assert_eq!(viewer["invalid"], serde_json::json!([]));
}

#[test]
fn a_stop_is_no_cut() {
    let address = serve(|stream| {
        stream.write_all(HEAD.as_bytes())?;
        stream.write_all(&part(1, 0, &jpeg(1000)))?;
        stream.read_exact(&mut [0])
    });
    let start = std::time::Instant::now();
    let report = watch::run(&options(address), || {
        start.elapsed() > Duration::from_millis(500)
    });
    let report = report.unwrap();
    assert_eq!(report.exit_code(), 0, "{report}");
    assert_eq!(report.viewers[0].frames, 1);
    // From the only frame to the end of the watch.
    assert!(report.viewers[0].gap_ms > 100.0, "{report}");
}

#[test]
fn a_stream_that_ends_in_a_jpeg_is_cut() {
    let address = serve(|stream| {
        stream.write_all(HEAD.as_bytes())?;
        stream.write_all(&part(7, 0, &jpeg(1000)))?;
        let half = part(8, 0, &jpeg(10_000));
        stream.write_all(&half[..5000])
    });
    let report = watch(address);
    assert_eq!(report.exit_code(), 4, "{report}");
    let viewer = &report.viewers[0];
    assert!(viewer.cut);
    assert_eq!((viewer.frames, viewer.invalid_count), (1, 0));
    let end = viewer.end.as_deref().unwrap();
    assert!(
        end.contains("in part 2, after 4") && end.contains("of 10000 bytes"),
        "{end}"
    );
}

#[test]
fn a_stream_that_ends_in_style_is_cut_too() {
    let address = serve(|stream| {
        stream.write_all(HEAD.as_bytes())?;
        let last = part(7, 0, &jpeg(1000));
        stream.write_all(&last[..last.len() - 2])?;
        stream.write_all(b"--\r\n")?;
        // It does not wait for the connection's end.
        stream.read_exact(&mut [0])
    });
    assert_eq!(watch(address).exit_code(), 4);
}

#[test]
fn no_200_is_no_stream() {
    let address = serve(|stream| {
        stream.write_all(b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 2\r\n\r\nfull\n")
    });
    let report = watch(address);
    assert_eq!(report.exit_code(), 5, "{report}");
    let viewer = &report.viewers[0];
    assert_eq!((viewer.connected, viewer.cut), (false, false));
    assert_eq!(
        viewer.end.as_deref(),
        Some("the server answered 503 Service Unavailable")
    );
}

#[test]
fn no_answer_is_no_stream() {
    assert_eq!(watch(serve(|_| Ok(()))).exit_code(), 5);
    let silent = serve(|stream| stream.read_exact(&mut [0]));
    let options = Options {
        duration: Some(Duration::from_millis(300)),
        stall: Some(Stall {
            at: Duration::MAX,
            duration: Duration::MAX,
        }),
        ..options(silent)
    };
    assert_eq!(watch::run(&options, || false).unwrap().exit_code(), 5);
}

#[test]
fn nobody_there_is_no_stream() {
    // Bound and not listening: refused, and nobody else can take the port meanwhile.
    let family = socket::AddressFamily::Inet;
    let flags = socket::SockFlag::empty();
    let taken = socket::socket(family, socket::SockType::Stream, flags, None).unwrap();
    let any = socket::SockaddrIn::new(127, 0, 0, 1, 0);
    socket::bind(taken.as_raw_fd(), &any).unwrap();
    let bound: socket::SockaddrIn = socket::getsockname(taken.as_raw_fd()).unwrap();
    let address = SocketAddr::from((bound.ip(), bound.port()));
    let report = watch(address);
    assert_eq!(report.exit_code(), 5, "{report}");
    let end = report.viewers[0].end.as_deref().unwrap();
    assert!(
        end.starts_with(&format!("could not connect to {address}: ")),
        "{end}"
    );
}

#[test]
fn a_name_is_tried_at_all_its_addresses() {
    // Most often ::1 comes first, where nobody listens.
    let address = serve(|stream| {
        stream.write_all(HEAD.as_bytes())?;
        stream.write_all(&part(1, 0, &jpeg(1000)))
    });
    let options = Options::new(format!("http://localhost:{}", address.port()));
    let report = watch::run(&options, || false).unwrap();
    assert_eq!(report.viewers[0].frames, 1, "{report}");
}

#[test]
fn a_page_is_no_stream() {
    let address = serve(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>")
    });
    assert_eq!(watch(address).exit_code(), 3);
}

#[test]
fn a_repeated_id_is_invalid() {
    let address = serve(|stream| {
        stream.write_all(HEAD.as_bytes())?;
        for id in [4, 5, 5, 6] {
            stream.write_all(&part(id, 0, &jpeg(1000)))?;
        }
        Ok(())
    });
    let report = watch(address);
    assert_eq!(report.exit_code(), 3, "{report}");
    let viewer = &report.viewers[0];
    assert_eq!(
        (viewer.frames, viewer.lost, viewer.invalid_count),
        (3, 0, 1)
    );
    assert!(
        viewer.invalid[0].starts_with("part 3 (frame 5, from byte "),
        "{report}"
    );
}

#[test]
fn a_gap_that_the_server_does_not_own_up_to_is_invalid() {
    let address = serve(|stream| {
        stream.write_all(HEAD.as_bytes())?;
        for (id, skipped) in [(4, 3), (9, 4), (12, 1)] {
            stream.write_all(&part(id, skipped, &jpeg(1000)))?;
        }
        Ok(())
    });
    let report = watch(address);
    assert_eq!(report.exit_code(), 3, "{report}");
    let viewer = &report.viewers[0];
    assert_eq!(
        (viewer.frames, viewer.lost, viewer.invalid_count),
        (2, 6, 1)
    );
}

#[test]
fn a_wrong_length_ends_the_viewer_as_invalid() {
    let address = serve(|stream| {
        stream.write_all(HEAD.as_bytes())?;
        stream.write_all(&part(1, 0, &jpeg(1000)))?;
        let mut short = part(2, 0, &jpeg(1000));
        let delimiter = short.len() - 23;
        short.remove(delimiter - 10);
        stream.write_all(&short)?;
        stream.write_all(&part(3, 0, &jpeg(1000)))
    });
    let report = watch(address);
    assert_eq!(report.exit_code(), 3, "{report}");
    let viewer = &report.viewers[0];
    assert_eq!(viewer.frames, 1);
    let last = viewer.invalid.last().unwrap();
    assert!(
        last.contains("no CRLF and delimiter behind the 1000 bytes"),
        "{last}"
    );
}

#[test]
fn a_stalled_viewer_counts_what_was_stale() {
    let address = serve(|stream| {
        // Small enough for all of it to fit the connection's buffers, and captured long ago: all
        // that comes after the stall is stale.
        let old = |id| part_captured(id, 0, &jpeg(500), Duration::from_secs(3600));
        stream.write_all(&[HEAD.as_bytes(), &old(1)].concat())?;
        for id in 2..=50 {
            stream.write_all(&old(id))?;
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    });
    let options = Options {
        viewers: 2,
        stall: Some(Stall {
            at: Duration::ZERO,
            duration: Duration::from_secs(1),
        }),
        ..options(address)
    };
    let report = watch::run(&options, || false).unwrap();
    assert_eq!(report.exit_code(), 4, "{report}");
    let [stalled, other] = &report.viewers[..] else {
        panic!("{report}");
    };
    assert!(stalled.gap_ms >= 900.0, "{report}");
    let stale = stalled.stale_after_stall.unwrap();
    assert!((1..50).contains(&stale), "{report}");
    assert_eq!((stalled.frames, other.frames), (50, 50));
    assert_eq!(other.stale_after_stall, None);
}

#[test]
fn mistakes_are_told_before_anything_is_tried() {
    let code = |options: Options| watch::run(&options, || false).unwrap_err().exit_code();
    assert_eq!(code(Options::new("ftp://cam/")), 2);
    assert_eq!(code(Options::new("http://host.invalid/")), 5);
    assert_eq!(
        code(Options {
            viewers: 0,
            ..Options::new("http://127.0.0.1/")
        }),
        2
    );
}

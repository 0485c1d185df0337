//! `watch::run` against raw servers that follow a script: what it reports, and its exit code.

mod support;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::serve;
use watch::{Options, Report};

const WIDTH: usize = 160;
const HEIGHT: usize = 120;

fn options(address: SocketAddr) -> Options {
    Options::raw(address.to_string())
}

/// Until the server ends it.
fn watch(address: SocketAddr) -> Report {
    watch::run(&options(address), || false).unwrap()
}

/// A frame of one gray.
fn gray() -> Vec<u8> {
    let header = (HEIGHT as u64) << 32 | (WIDTH as u64) << 16 | 3;
    let mut frame = vec![0x80; 8 + WIDTH * HEIGHT * 3];
    frame[..8].copy_from_slice(&header.to_le_bytes());
    frame
}

/// A frame that says its id and that it was captured just now.
fn coded(id: u64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut frame = gray();
    frame[8..16].copy_from_slice(b"seqcast1");
    frame[16..24].copy_from_slice(&id.to_le_bytes());
    frame[24..32].copy_from_slice(&(now.as_nanos() as u64).to_le_bytes());
    frame
}

#[test]
fn coded_frames_are_measured_as_those_of_http_are() {
    let served = Arc::new(AtomicUsize::new(0));
    let counter = served.clone();
    let address = serve(move |stream| {
        for id in 1.. {
            stream.write_all(&coded(id))?;
            if id == 50 {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    });
    let options = Options {
        viewers: 3,
        ..options(address)
    };
    let report = watch::run(&options, || served.load(Ordering::Relaxed) == 3).unwrap();
    assert_eq!(report.exit_code(), 0, "{report}");
    for viewer in &report.viewers {
        assert!(viewer.frames >= 2 && viewer.fps > 0.0, "{report}");
        assert!(viewer.bytes >= viewer.frames * 57_608, "{report}");
        assert_eq!((viewer.lost, viewer.unnumbered), (0, 0), "{report}");
        assert!(viewer.latency_ms.p99.is_some(), "{report}");
    }
    assert!(report.skew_ms.p50.is_some(), "{report}");
}

#[test]
fn frames_without_the_coding_are_unnumbered() {
    let address = serve(|stream| {
        for _ in 0..3 {
            stream.write_all(&gray())?;
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    });
    let report = watch(address);
    let viewer = &report.viewers[0];
    assert_eq!((viewer.frames, viewer.unnumbered), (0, 3), "{report}");
    assert!(viewer.fps > 0.0, "{report}");
    assert_eq!(viewer.latency_ms.p50, None);
    // The server ended it, between two frames.
    assert_eq!(report.exit_code(), 4, "{report}");
    let end = viewer.end.as_deref().unwrap();
    assert_eq!(end, "the server closed the connection after frame 3");
}

#[test]
fn missing_ids_are_lost_and_repeated_ones_invalid() {
    let address = serve(|stream| {
        for id in [4, 9, 9, 3, 10] {
            stream.write_all(&coded(id))?;
        }
        Ok(())
    });
    let report = watch(address);
    assert_eq!(report.exit_code(), 3, "{report}");
    let viewer = &report.viewers[0];
    assert_eq!(
        (viewer.frames, viewer.lost, viewer.invalid_count),
        (3, 4, 2),
        "{report}"
    );
    assert_eq!(
        viewer.invalid[0],
        "frame 3 (coded 9, from byte 115216): its id does not rise, the last one was 9"
    );
}

#[test]
fn a_stream_that_ends_in_a_frame_is_cut() {
    let address = serve(|stream| {
        stream.write_all(&coded(1))?;
        stream.write_all(&coded(2)[..1008])
    });
    let report = watch(address);
    assert_eq!(report.exit_code(), 4, "{report}");
    let viewer = &report.viewers[0];
    assert_eq!((viewer.frames, viewer.cut), (1, true));
    let end = viewer.end.as_deref().unwrap();
    assert!(
        end.ends_with("in frame 2, after 1000 of 57600 bytes"),
        "{end}"
    );
}

#[test]
fn a_hostile_size_is_refused_before_any_pixel() {
    for header in [u64::MAX, 0, 0xffff_ffff_ffff, 0xffff_ffff_0001] {
        let address = serve(move |stream| {
            stream.write_all(&header.to_le_bytes())?;
            // It does not wait for the connection's end.
            stream.read_exact(&mut [0])
        });
        let report = watch(address);
        assert_eq!(report.exit_code(), 3, "{report}");
        let viewer = &report.viewers[0];
        assert_eq!((viewer.invalid_count, viewer.connected), (1, false));
        assert!(viewer.invalid[0].starts_with("at byte 0: "), "{report}");
    }
}

#[test]
fn a_server_that_sends_nothing_is_no_stream() {
    let silent = serve(|stream| stream.read_exact(&mut [0]));
    let options = Options {
        duration: Some(Duration::from_millis(300)),
        ..options(silent)
    };
    assert_eq!(watch::run(&options, || false).unwrap().exit_code(), 5);
}

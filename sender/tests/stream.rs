//! Streams over loopback from a real ring: order, completeness, slowness, placeholders.

#![allow(missing_docs)]

mod support;

use std::net::TcpStream;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, connect, setsockopt, socket, sockopt,
};
use support::{Client, House, Options, Way, wait_until};

#[test]
fn every_frame_in_order() {
    for house in House::each_way(Options::default()) {
        house.publish(1000);
        let mut viewer = house.get("/stream?key=tab");
        assert_eq!(viewer.code, 200);
        assert!(
            viewer
                .head
                .contains("multipart/x-mixed-replace;boundary=boundarydonotcross")
        );
        let first = viewer.frame().unwrap();
        assert_eq!(
            (first.id, first.skipped),
            (Some(1), 0),
            "begins with what is there"
        );
        for expected in 2..200 {
            let len = 1 + (expected as usize * 7919) % 200_000;
            assert_eq!(house.publish(len), expected);
            let got = viewer.frame().unwrap();
            assert_eq!(
                (got.id, got.skipped, got.body.len()),
                (Some(expected), 0, len)
            );
        }
        wait_until(|| house.counts() == (199, 0));
    }
}

#[test]
fn a_burst_within_lag_is_sent_in_order() {
    for house in House::each_way(Options::default()) {
        house.publish(100);
        let mut viewer = house.get("/?action=stream");
        viewer.frame().unwrap();
        for _ in 0..10 {
            house.publish(100);
        }
        for expected in 2..=11 {
            assert_eq!(viewer.frame().unwrap().id, Some(expected));
        }
    }
}

/// A client with the receive buffer that the issue names; it must be set before it connects.
fn narrow(house: &House) -> Client {
    if house.way == Way::Unix {
        return house.get("/stream"); // it has none
    }
    let fd = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    setsockopt(&fd, sockopt::RcvBuf, &(128 << 10)).unwrap();
    let std::net::SocketAddr::V4(address) = house.address else {
        unreachable!()
    };
    connect(
        std::os::fd::AsRawFd::as_raw_fd(&fd),
        &SockaddrIn::from(address),
    )
    .unwrap();
    house.ask_over(TcpStream::from(fd), "GET /stream HTTP/1.0\r\n\r\n")
}

#[test]
fn a_stalled_viewer_resumes_fresh_and_disturbs_nobody() {
    const FRAMES: u64 = 300;
    for house in House::each_way(Options::default()) {
        house.publish(100_000);
        let mut stalled = narrow(&house);
        let mut healthy = house.get("/stream");
        assert_eq!(stalled.frame().unwrap().id, Some(1));
        assert_eq!(healthy.frame().unwrap().id, Some(1));
        for expected in 2..=FRAMES {
            house.publish(100_000);
            let got = healthy.frame().unwrap();
            assert_eq!((got.id, got.skipped), (Some(expected), 0));
        }
        // What was on its way when the viewer stopped, then the newest.
        let (mut last, mut stale, mut skipped) = (1, 0, 0);
        loop {
            let got = stalled.frame().unwrap();
            let id = got.id.unwrap();
            assert_eq!(id - last - 1, got.skipped, "every id is sent or counted");
            skipped += got.skipped;
            last = id;
            if id == FRAMES {
                break;
            }
            stale += 1;
        }
        assert!(stale <= 5, "{stale} stale frames");
        assert!(skipped >= FRAMES - 7);
        house.publish(100_000);
        assert_eq!(stalled.frame().unwrap().id, Some(FRAMES + 1));
        wait_until(|| house.counts() == (FRAMES + 1 + stale + 3, skipped));
    }
}

#[test]
fn a_frame_larger_than_any_buffer_arrives_whole() {
    for house in House::each_way(Options {
        arena: 128 << 20,
        ..Options::default()
    }) {
        house.publish(30 << 20);
        let mut viewer = narrow(&house);
        assert_eq!(viewer.frame().unwrap().body.len(), 30 << 20);
        house.publish(10);
        assert_eq!(viewer.frame().unwrap().id, Some(2));
    }
}

#[test]
fn no_torn_frame_however_fast_the_writer() {
    for house in House::each_way(Options {
        arena: 64 << 10,
        lag: 3,
        ..Options::default()
    }) {
        house.publish(16 << 10);
        let mut viewers = [house.get("/stream"), narrow(&house)];
        let writer = std::thread::spawn({
            let house = house.clone();
            move || {
                for _ in 0..200_000 {
                    house.publish(16 << 10);
                }
            }
        });
        let mut frames = 0;
        while !writer.is_finished() {
            for viewer in &mut viewers {
                match viewer.frame() {
                    Some(_) => frames += 1,
                    None => *viewer = house.get("/stream"),
                }
            }
            house.publish(16 << 10);
        }
        writer.join().unwrap();
        let status: serde_json::Value =
            serde_json::from_slice(&house.get("/status").body()).unwrap();
        println!("{frames} frames, torn {}", status["totals"]["torn"]);
        assert!(frames > 0);
    }
}

#[test]
fn placeholders_while_there_is_no_picture() {
    for house in House::each_way(Options::default()) {
        let mut viewer = house.get("/stream");
        let first = viewer.part().unwrap();
        assert_eq!(first.id, None);
        let info = picture::jpeg::check(&first.body).unwrap();
        assert_eq!((info.width, info.height), (320, 240));
        assert_eq!(viewer.part().unwrap().id, None, "again and again");
        house.publish(100);
        assert_eq!(viewer.frame().unwrap().id, Some(1));
        house
            .writer()
            .set_signal(shm_ring::Signal::NoSignal, "unplugged");
        assert_eq!(viewer.part().unwrap().id, None);
        house.writer().set_signal(shm_ring::Signal::Live, "");
        house.publish(100);
        assert_eq!(viewer.frame().unwrap().id, Some(2));
    }
}

#[test]
fn a_viewer_that_ends_its_own_sending_still_watches() {
    for house in House::each(Options::default()) {
        house.publish(100);
        let socket = TcpStream::connect(house.address).unwrap();
        let mut viewer = Client::new(socket.try_clone().unwrap(), "GET /stream HTTP/1.0\r\n\r\n");
        viewer.frame().unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        for expected in 2..50 {
            house.publish(100);
            assert_eq!(viewer.frame().unwrap().id, Some(expected));
        }
    }
}

#[test]
fn a_viewer_that_leaves_gives_its_seat_back() {
    for house in House::each_way(Options {
        seats: 1,
        ..Options::default()
    }) {
        let viewer = house.get("/stream");
        assert_eq!(house.board().taken_seats(), 1);
        let refused = house.get("/stream");
        assert_eq!(refused.code, 503);
        assert!(refused.head.contains("Retry-After: 5\r\n"));
        assert!(refused.text().contains("--clients"));
        assert_eq!(house.ask("HEAD /stream HTTP/1.0\r\n\r\n").code, 503);
        assert_eq!(house.board().refused(), 1, "HEAD only asks");
        assert_eq!(house.get("/").code, 200, "a full house still answers");
        drop(viewer);
        wait_until(|| {
            house.publish(100); // a write is what shows that nobody is there
            std::thread::sleep(Duration::from_millis(20));
            house.board().taken_seats() == 0
        });
        assert_eq!(house.ask("HEAD /stream HTTP/1.0\r\n\r\n").code, 200);
        assert_eq!(house.get("/stream").code, 200);
    }
}

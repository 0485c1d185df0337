//! Raw frames as in 2017, from rings of either form, beside HTTP; and HTTP from a raw ring.

#![allow(missing_docs)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use shm_ring::{FrameMeta, Signal};
use support::{HANG, House, Options, wait_until};

const SIZE: (u32, u32) = (64, 48);

/// Puts bytes into the ring that are said to be a picture of 64x48.
fn publish(house: &House, format: &[u8; 4], bytes: &[u8]) -> u64 {
    let meta = FrameMeta {
        format: *format,
        width: SIZE.0,
        height: SIZE.1,
        captured_ns: worker::unix_ns(),
        ..FrameMeta::default()
    };
    house.writer().publish(bytes, &meta).unwrap()
}

/// A picture of one shade, which tells the frame.
fn shade(id: u64) -> u8 {
    20 + (id % 200) as u8
}

fn pixels(id: u64) -> Vec<u8> {
    vec![shade(id); 64 * 48 * 3]
}

fn jpeg(id: u64) -> Vec<u8> {
    let mut jpeg = Vec::new();
    picture::encode_bgr(&pixels(id), SIZE.0, SIZE.1, 90, &mut jpeg).unwrap();
    jpeg
}

fn publish_next(house: &House, format: &[u8; 4]) -> u64 {
    let id = house.writer().next_id();
    match format {
        b"MJPG" => publish(house, format, &jpeg(id)),
        _ => publish(house, format, &pixels(id)),
    }
}

struct RawClient(TcpStream);

impl RawClient {
    fn new(house: &House) -> RawClient {
        let socket = TcpStream::connect(house.raw).unwrap();
        socket.set_read_timeout(Some(HANG)).unwrap();
        RawClient(socket)
    }

    /// The next frame: width, height, pixels; none at the end.
    fn frame(&mut self) -> Option<(u64, u64, Vec<u8>)> {
        let mut header = [0; 8];
        self.0.read_exact(&mut header).ok()?;
        let packed = u64::from_le_bytes(header);
        let (height, width) = (packed >> 32, packed >> 16 & 0xffff);
        assert_eq!(packed & 0xffff, 3, "{packed:#x}");
        let mut pixels = vec![0; (width * height * 3) as usize];
        self.0.read_exact(&mut pixels).ok()?;
        Some((width, height, pixels))
    }

    /// The next frame, which is to be all of that shade.
    fn expect(&mut self, id: u64) {
        let (width, height, pixels) = self.frame().unwrap();
        assert_eq!((width, height), (64, 48));
        let far = |sample: &&u8| sample.abs_diff(shade(id)) > 2;
        assert_eq!(
            pixels.iter().find(far),
            None,
            "is {}, frame {id}",
            shade(id)
        );
    }
}

#[test]
fn every_frame_from_a_ring_of_either_form() {
    for format in [b"MJPG", b"BGR3"] {
        for house in House::each(Options::default()) {
            let first = publish_next(&house, format);
            let mut viewers = [RawClient::new(&house), RawClient::new(&house)];
            for viewer in &mut viewers {
                viewer.expect(first);
            }
            for _ in 0..50 {
                let id = publish_next(&house, format);
                for viewer in &mut viewers {
                    viewer.expect(id);
                }
            }
            let status = house.status();
            let senders = status["workers"].as_array().unwrap().iter();
            let raw = senders.filter(|worker| worker["protocol"] == "raw");
            assert_eq!(raw.count(), 2, "{status}");
            wait_until(|| house.counts() == (102, 0));
        }
    }
}

#[test]
fn pixels_from_a_raw_ring_are_those_of_the_ring() {
    for house in House::each(Options::default()) {
        let mixed: Vec<u8> = (0..64 * 48 * 3).map(|i| (i * 7 % 253) as u8).collect();
        publish(&house, b"BGR3", &mixed);
        let (_, _, got) = RawClient::new(&house).frame().unwrap();
        assert!(got == mixed);
    }
}

#[test]
fn nothing_is_asked_and_whatever_is_said_is_ignored() {
    for house in House::each(Options::default()) {
        publish_next(&house, b"BGR3");
        let mut chatty = RawClient::new(&house);
        let request = b"GET / HTTP/1.1\r\n\r\n";
        chatty.0.write_all(&request.repeat(500)).unwrap();
        chatty.expect(1);
        chatty.0.shutdown(Shutdown::Write).unwrap();
        for _ in 0..20 {
            let id = publish_next(&house, b"BGR3");
            chatty.expect(id);
        }
    }
}

#[test]
fn a_raw_ring_is_seen_over_http() {
    for house in House::each(Options::default()) {
        publish_next(&house, b"BGR3");
        let mut viewer = house.get("/stream");
        let mut raw = RawClient::new(&house);
        raw.expect(1);
        for id in 1..20 {
            let part = viewer.shown().unwrap();
            assert_eq!((part.id, part.skipped), (Some(id), 0));
            let mut seen = Vec::new();
            assert_eq!(picture::decode_bgr(&part.body, &mut seen).unwrap(), SIZE);
            assert!(seen.iter().all(|sample| sample.abs_diff(shade(id)) <= 2));
            publish_next(&house, b"BGR3");
            raw.expect(id + 1);
        }
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    publish_next(&house, b"BGR3");
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
            });
            let reply = house.get("/snapshot");
            assert_eq!(reply.code, 200, "{}", reply.head);
            let info = picture::jpeg::check(&reply.body()).unwrap();
            assert_eq!((u32::from(info.width), u32::from(info.height)), SIZE);
            done.store(true, Relaxed);
        });
    }
}

#[test]
fn what_is_no_picture_is_skipped_and_counted() {
    for house in House::each(Options::default()) {
        publish_next(&house, b"MJPG");
        let mut raw = RawClient::new(&house);
        raw.expect(1);
        let mut viewer = house.get("/stream");
        viewer.shown().unwrap();
        publish(&house, b"MJPG", b"no JPEG");
        publish(&house, b"BGR3", b"too short");
        publish(&house, b"YUYV", &[0; 64 * 48 * 2]);
        let id = publish_next(&house, b"MJPG");
        raw.expect(id);
        // Nobody looks into a JPEG that goes out as it is.
        assert_eq!(viewer.shown().unwrap().id, Some(2));
        let part = viewer.shown().unwrap();
        assert_eq!((part.id, part.skipped), (Some(id), 2));
        wait_until(|| {
            let status = house.status();
            let workers = status["workers"].as_array().unwrap().iter();
            let unusable = workers.filter_map(|w| w["skip_causes"]["unusable"].as_u64());
            let mut unusable: Vec<u64> = unusable.collect();
            unusable.sort();
            unusable == [2, 3]
        });
    }
}

#[test]
fn a_full_house_closes_the_connection() {
    for house in House::each(Options {
        seats: 1,
        ..Options::default()
    }) {
        publish_next(&house, b"BGR3");
        let mut seated = RawClient::new(&house);
        seated.expect(1);
        let mut refused = RawClient::new(&house);
        assert_eq!(refused.0.read(&mut [0; 1]).unwrap(), 0);
        assert_eq!(house.board().refused(), 1);
        assert_eq!(house.get("/stream").code, 503);
        drop(seated);
        wait_until(|| {
            publish_next(&house, b"BGR3");
            std::thread::sleep(std::time::Duration::from_millis(20));
            house.board().taken_seats() == 0
        });
        assert!(RawClient::new(&house).frame().is_some());
    }
}

#[test]
fn placeholders_are_pixels_too() {
    for house in House::each(Options::default()) {
        let mut viewer = RawClient::new(&house);
        let (width, height, starting) = viewer.frame().unwrap();
        assert_eq!((width, height), (320, 240), "what was asked for");
        assert!(starting.iter().any(|&sample| sample > 200), "there is text");
        publish_next(&house, b"BGR3");
        viewer.expect(1);
        house.writer().set_signal(Signal::NoSignal, "unplugged");
        let (width, height, _) = viewer.frame().unwrap();
        assert_eq!((width, height), (64, 48), "as the last frame");
        house.writer().set_signal(Signal::Live, "");
        let id = publish_next(&house, b"BGR3");
        viewer.expect(id);
    }
}

#[test]
fn a_stalled_viewer_resumes_fresh_and_disturbs_nobody() {
    const FRAMES: u64 = 100;
    // Two apart, and none twice: a neighbour is not taken for the newest.
    let shade = |id: u64| 20 + 2 * id as u8;
    for format in [b"MJPG", b"BGR3"] {
        for house in House::each(Options::default()) {
            let meta = FrameMeta {
                format: *format,
                width: 640,
                height: 480,
                ..FrameMeta::default()
            };
            let mut encoded = Vec::new();
            let publish = |encoded: &mut Vec<u8>| {
                let mut writer = house.writer();
                let mut pixels = vec![shade(writer.next_id()); 640 * 480 * 3];
                if format == b"MJPG" {
                    picture::encode_bgr(&pixels, 640, 480, 95, encoded).unwrap();
                    std::mem::swap(&mut pixels, encoded);
                }
                writer.publish(&pixels, &meta).unwrap()
            };
            publish(&mut encoded);
            let mut stalled = RawClient::new(&house);
            let mut healthy = RawClient::new(&house);
            for viewer in [&mut stalled, &mut healthy] {
                assert!(viewer.frame().is_some());
            }
            for _ in 0..FRAMES {
                let id = publish(&mut encoded);
                let (_, _, pixels) = healthy.frame().unwrap();
                assert_eq!(pixels[0], shade(id));
                assert!(pixels.iter().all(|&sample| sample == pixels[0]), "torn");
            }
            let mut stale = 0;
            loop {
                let (width, height, pixels) = stalled.frame().unwrap();
                assert_eq!((width, height), (640, 480));
                assert!(pixels.iter().all(|&sample| sample == pixels[0]), "torn");
                if pixels[0] == shade(FRAMES + 1) {
                    break;
                }
                stale += 1;
            }
            // As many as the socket's buffers hold, which the kernel sizes.
            assert!(stale < 30, "{stale} stale frames");
            wait_until(|| house.counts() == (2 + FRAMES + stale + 1, FRAMES - stale - 1));
        }
    }
}

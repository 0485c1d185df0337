//! Everything but streams: page, status, snapshot, refusals, and connections that say nothing.

#![allow(missing_docs)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use support::{HANG, House, Options, wait_until};

#[test]
fn page_status_and_refusals() {
    for house in House::each(Options::default()) {
        let page = house.get("/");
        assert!(
            page.head
                .contains("Content-Security-Policy: default-src 'none'")
        );
        assert!(page.head.contains("Connection: close\r\n"));
        assert!(page.text().starts_with("<!doctype html>"));

        let status = house.get("/status");
        assert!(status.head.contains("Content-Type: application/json\r\n"));
        let status: serde_json::Value = serde_json::from_slice(&status.body()).unwrap();
        assert_eq!(status["workers"].as_array().unwrap().len(), house.senders);

        let head = house.ask("HEAD / HTTP/1.0\r\n\r\n");
        assert!(head.code == 200 && head.head.contains("Content-Length: "));
        assert_eq!(head.body(), b"");

        for (request, code) in [
            ("GET /nowhere HTTP/1.0\r\n\r\n", 404),
            ("GET /stream HTTP/1.1\r\n\r\n", 400),
            ("\x16\x03\x01\x02\r\n\r\n", 400),
            (
                "POST /status HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
                405,
            ),
            ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        ] {
            let reply = house.ask(request);
            assert_eq!(reply.code, code, "{request:?}");
            assert_eq!(reply.head.contains("Allow: GET, HEAD"), code == 405);
            assert!(reply.text().ends_with(".\n"));
        }
        let endless = format!("GET / HTTP/1.0\r\nX: {}", "x".repeat(100_000));
        assert_eq!(house.ask(&endless).code, 431);
        wait_until(|| house.board().free_slots() == 4);
    }
}

#[test]
fn a_snapshot_is_fresh_or_an_error() {
    for house in House::each(Options::default()) {
        let none = house.get("/snapshot");
        assert_eq!(none.code, 503);
        assert_eq!(none.text(), "The source is still starting.\n");

        let old = house.publish(1000);
        let publisher = std::thread::spawn({
            let house = house.clone();
            move || {
                wait_until(|| house.board().free_slots() == 3);
                std::thread::sleep(Duration::from_millis(50));
                house.publish(2000)
            }
        });
        let reply = house.get("/?action=snapshot&1732270000");
        let fresh = publisher.join().unwrap();
        assert!(fresh > old);
        assert!(
            reply
                .head
                .contains(&format!("X-Seqcast-Frame: {fresh}\r\n")),
            "{}",
            reply.head
        );
        assert!(reply.head.contains("Content-Length: 2000\r\n"));
        assert_eq!(reply.body().len(), 2000);
    }
}

#[test]
fn silent_connections_go_when_places_are_short() {
    for house in House::each(Options {
        connections: 2,
        ..Options::default()
    }) {
        let mut silent = TcpStream::connect(house.address).unwrap();
        silent.set_read_timeout(Some(HANG)).unwrap();
        wait_until(|| house.board().free_slots() == 1);
        let mut halfway = TcpStream::connect(house.address).unwrap();
        halfway.set_read_timeout(Some(HANG)).unwrap();
        halfway.write_all(b"GET / HT").unwrap();
        let began = Instant::now();
        assert_eq!(house.get("/status").code, 200);
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "not only after the 5 s of a quiet house"
        );
        assert_eq!(
            silent.read(&mut [0; 16]).unwrap(),
            0,
            "nothing was asked, nothing is answered"
        );
        let mut answer = String::new();
        halfway.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert_eq!(house.board().taken_seats(), 0);
    }
}

#[test]
fn a_request_that_does_not_end_is_given_up() {
    let houses: Vec<_> = House::each(Options::default()).collect();
    let slow = houses.iter().map(|house| {
        let mut slow = TcpStream::connect(house.address).unwrap();
        slow.set_read_timeout(Some(HANG)).unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        slow
    });
    for mut slow in slow.collect::<Vec<_>>() {
        let mut answer = String::new();
        slow.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}

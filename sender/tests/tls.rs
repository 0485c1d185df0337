//! TLS over loopback: the handshake, who does not speak it, resumption, sizes, the end.

#![allow(missing_docs)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;
use sender::tls::Identity;
use support::{HANG, House, Options, TRUST, Way, encrypted, tls_client, wait_until};

fn houses() -> impl Iterator<Item = std::sync::Arc<House>> {
    let way = Way::Tls;
    House::each(Options {
        way,
        ..Options::default()
    })
}

fn connect(house: &House) -> TcpStream {
    let socket = TcpStream::connect(house.address).unwrap();
    socket.set_read_timeout(Some(HANG)).unwrap();
    socket
}

#[test]
fn short_replies_end_in_order() {
    for house in houses() {
        house.publish(1000);
        let mut wire = encrypted(connect(&house), &tls_client());
        wire.write_all(b"GET /status HTTP/1.0\r\n\r\n").unwrap();
        let mut reply = String::new();
        // An error where the end is not said by TLS itself.
        wire.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 OK"), "{reply}");
        assert_eq!(house.get("/nothing").code, 404);
        assert_eq!(house.get("/").code, 200);
    }
}

#[test]
fn who_does_not_encrypt_is_told() {
    for house in houses() {
        let mut plain = connect(&house);
        plain
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut reply = String::new();
        plain.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
        assert!(reply.contains("https://"), "{reply}");
        for bytes in [&b"\x16\x03\x01\x00\x05hello"[..], b"\x80\x2e\x01", b"\x16"] {
            let mut other = connect(&house);
            other.write_all(bytes).unwrap();
            let _ = other.shutdown(std::net::Shutdown::Write); // it may be closed by then
            let mut rest = Vec::new();
            let _ = other.read_to_end(&mut rest); // an alert, or nothing
            assert!(rest.len() < 100);
        }
        // Half a handshake, and nothing: nobody waits for that.
        let halves: Vec<_> = (0..3)
            .map(|_| {
                let mut half = connect(&house);
                half.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
                    .unwrap();
                half
            })
            .collect();
        assert_eq!(house.get("/status").code, 200);
        drop(halves);
        wait_until(|| house.board().free_slots() == 4);
    }
}

#[test]
fn a_session_is_resumed_by_whichever_sender() {
    for house in houses() {
        let config = tls_client();
        let kinds = [(); 6].map(|()| {
            let mut wire = encrypted(connect(&house), &config);
            wire.write_all(b"GET /status HTTP/1.0\r\n\r\n").unwrap();
            wire.read_to_end(&mut Vec::new()).unwrap();
            assert_eq!(wire.conn.alpn_protocol(), None, "it asked for none");
            wire.conn.handshake_kind()
        });
        assert_eq!(kinds[0], Some(HandshakeKind::Full));
        assert!(
            kinds[1..]
                .iter()
                .all(|&kind| kind == Some(HandshakeKind::Resumed)),
            "{kinds:?}"
        );
    }
}

#[test]
fn byte_by_byte() {
    for house in houses() {
        house.publish(1000);
        let mut config = (*tls_client()).clone();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut wire = encrypted(connect(&house), &config.into());
        wire.conn.set_buffer_limit(None);
        wire.conn
            .writer()
            .write_all(b"GET /stream HTTP/1.0\r\n\r\n")
            .unwrap();
        let began = Instant::now();
        while wire.conn.is_handshaking() || wire.conn.wants_write() {
            let mut out = Vec::new();
            while wire.conn.wants_write() {
                wire.conn.write_tls(&mut out).unwrap();
            }
            for byte in out {
                wire.sock.write_all(&[byte]).unwrap();
                std::thread::sleep(Duration::from_micros(50));
            }
            if wire.conn.is_handshaking() {
                wire.conn.read_tls(&mut wire.sock).unwrap();
                wire.conn.process_new_packets().unwrap();
            }
            assert!(began.elapsed() < HANG);
        }
        let mut start = [0; 15];
        wire.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.0 200 OK");
        assert_eq!(wire.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
}

#[test]
fn old_tls_is_spoken_too() {
    for house in houses() {
        house.publish(100_000);
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(TRUST.certificate.clone()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let wire = encrypted(connect(&house), &config.into());
        let mut viewer = support::Client::over(Box::new(wire), "GET /stream HTTP/1.0\r\n\r\n");
        for id in 1..50 {
            assert_eq!(viewer.frame().unwrap().id, Some(id));
            house.publish(100_000);
        }
    }
}

#[test]
fn what_is_wrong_with_an_identity_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for pair in ["a", "b"] {
        let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
        std::fs::write(path(&format!("{pair}.crt")), made.cert.pem()).unwrap();
        std::fs::write(
            path(&format!("{pair}.key")),
            made.signing_key.serialize_pem(),
        )
        .unwrap();
    }
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n";
    std::fs::write(path("broken.crt"), broken).unwrap();
    for (cert, key, wanted) in [
        ("a.crt", "b.key", "is not the key of"),
        ("a.crt", "a.crt", "no private key"),
        ("a.key", "a.key", "no certificate"),
        ("none", "a.key", "--tls-cert"),
        ("a.crt", "none", "--tls-key"),
        ("broken.crt", "a.key", "PEM"),
    ] {
        let said = Identity::load(&path(cert), &path(key)).unwrap_err();
        let said = said.to_string();
        assert!(said.contains(wanted) && !said.contains('\n'), "{said}");
    }
    assert!(Identity::load(&path("a.crt"), &path("a.key")).is_ok());
}

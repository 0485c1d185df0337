//! Bodies as real servers send them, and as none should.

use super::*;

const MAX: usize = 1000;

/// What is found in a body that comes in pieces of these sizes, round and round: a line each.
fn found(body: &[u8], pieces: &[usize]) -> Vec<String> {
    let mut parts = Parts::new(MAX);
    let mut lines = Vec::new();
    let mut rest = body;
    for &piece in pieces.iter().cycle() {
        let (now, later) = rest.split_at(piece.min(rest.len()));
        let put = |room: &mut [u8]| {
            room[..now.len()].copy_from_slice(now);
            Ok::<_, NoParts>(now.len())
        };
        parts.fill(piece, put).unwrap();
        loop {
            match parts.next_part() {
                Ok(Some(found)) => lines.push(line(&parts, &found)),
                Ok(None) => break,
                Err(e) => {
                    lines.push(e.to_string());
                    return lines;
                }
            }
        }
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    lines.extend(parts.finish().map(|found| line(&parts, &found)));
    lines
}

fn line(parts: &Parts, found: &Found) -> String {
    match found {
        Found::Part(tags) => {
            let mut line = String::from_utf8_lossy(parts.part()).into_owned();
            if let Some(stamp) = tags.stamp {
                line += &format!(" at {stamp}");
            }
            if let Some(number) = tags.number {
                line += &format!(" no. {number}");
            }
            if tags.is_placeholder {
                line += " placeholder";
            }
            line
        }
        other => format!("{other:?}"),
    }
}

/// Asserts what is found, however the body is cut.
fn assert_found(body: &[u8], wanted: &[&str]) {
    assert_eq!(found(body, &[body.len().max(1)]), wanted, "whole");
    for piece in [1, 2, 3, 7, 64] {
        assert_eq!(found(body, &[piece]), wanted, "in pieces of {piece}");
    }
    for cut in 1..body.len().min(2000) {
        let pieces = [cut, body.len() - cut];
        assert_eq!(found(body, &pieces), wanted, "cut at {cut}");
    }
}

#[test]
fn real_servers() {
    let table: &[(&str, &[u8], &[&str])] = &[
        (
            "uStreamer: the delimiter right behind each picture",
            b"--boundarydonotcross\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\
              X-Timestamp: 1732270000.001002\r\n\r\nabc\r\n--boundarydonotcross\r\n\
              Content-Type: image/jpeg\r\nContent-Length: 2\r\nX-Timestamp: 1732270000.5\r\n\r\nde\r\n\
              --boundarydonotcross\r\n",
            &["abc at 1732270000001002000", "de at 1732270000500000000"],
        ),
        (
            "uStreamer with advance_headers=1: no Content-Length",
            b"--boundarydonotcross\r\nContent-Type: image/jpeg\r\nX-Timestamp: 1.5\r\n\r\nabc\r\n\
              --boundarydonotcross\r\nContent-Type: image/jpeg\r\nX-Timestamp: 2.5\r\n\r\nde\r\n\
              --boundarydonotcross\r\n",
            &["abc at 1500000000", "de at 2500000000"],
        ),
        (
            "mjpg-streamer: the driver's clock",
            b"--boundarydonotcross\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\
              X-Timestamp: 4711.000042\r\n\r\nabc\r\n--boundarydonotcross\r\n",
            &["abc at 4711000042000"],
        ),
        (
            "ESP32-CAM: CRLF before the first delimiter",
            b"\r\n--123456789000000000000987654321\r\nContent-Type: image/jpeg\r\n\
              Content-Length: 3\r\nX-Timestamp: 12.000345\r\n\r\nabc\
              \r\n--123456789000000000000987654321\r\nContent-Type: image/jpeg\r\n\
              Content-Length: 2\r\nX-Timestamp: 12.100345\r\n\r\nde",
            &["abc at 12000345000", "de at 12100345000"],
        ),
        (
            "Axis",
            b"--myboundary\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\r\nabc\r\n\
              --myboundary\r\nContent-Type: image/jpeg\r\nContent-Length: 2\r\n\r\nde\r\n",
            &["abc", "de"],
        ),
        (
            "motion",
            b"--BoundaryString\r\nContent-type: image/jpeg\r\nContent-Length:         3\r\n\r\nabc\r\n\
              --BoundaryString\r\nContent-type: image/jpeg\r\nContent-Length:         2\r\n\r\nde\r\n",
            &["abc", "de"],
        ),
        (
            "ffmpeg -f mpjpeg",
            b"--ffmpeg\r\nContent-type: image/jpeg\r\nContent-length: 3\r\n\r\nabc\r\n--ffmpeg\r\n\
              Content-type: image/jpeg\r\nContent-length: 2\r\n\r\nde\r\n--ffmpeg\r\n",
            &["abc", "de"],
        ),
        (
            "seqcast, with a placeholder and its end",
            b"--boundarydonotcross\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\
              X-Timestamp: 1.000000\r\nX-Seqcast-Frame: 7\r\nX-Seqcast-Skipped: 2\r\n\r\nabc\r\n\
              --boundarydonotcross\r\nContent-Type: image/jpeg\r\nContent-Length: 2\r\n\
              X-Timestamp: 2.000000\r\nX-Seqcast-Signal: none\r\n\r\nde\r\n--boundarydonotcross\r\n\
              \r\n--boundarydonotcross--\r\n",
            &["abc at 1000000000 no. 7", "de at 2000000000 placeholder", "End"],
        ),
        (
            "LF only, no length, padding",
            b"--b \t\nContent-Type: image/jpeg\n\nabc\n--b\n\nde\n--b--\nepilogue",
            &["abc", "de", "End"],
        ),
        (
            "a preamble, and no line's end before a delimiter",
            b"This is\r\n-a multipart\r\n--\r\n--b\r\nContent-Length: 3\r\n\r\nabc--b\r\n\r\nde\r\n--b--",
            &["abc", "de", "End"],
        ),
    ];
    for (name, body, wanted) in table {
        println!("{name}");
        assert_found(body, wanted);
    }
}

#[test]
fn what_looks_like_a_delimiter_is_picture() {
    assert_found(
        b"--b\r\n\r\na--b\r\nc\r\n--bc\r\n-\r\n--b-\r\n--\r\n--b                 \r\n\r\n--b\r\n",
        &["a--b\r\nc\r\n--bc\r\n-\r\n--b-\r\n--\r\n--b                 \r\n"],
    );
}

#[test]
fn a_wrong_length_costs_its_picture_and_no_more() {
    assert_found(
        b"--b\r\nContent-Length: 2\r\n\r\nabc\r\n--b\r\nContent-Length: 2\r\n\r\nde\r\n--b\r\n",
        &["ab", "de"],
    );
    assert_found(
        b"--b\r\nContent-Length: 9\r\n\r\nabc\r\n--b\r\nContent-Length: 2\r\n\r\nde\r\n\
          --b\r\nContent-Length: 2\r\n\r\nfg\r\n--b\r\n",
        &["abc\r\n--b\r", "fg"],
    );
}

#[test]
fn a_hostile_length_is_none_or_too_long() {
    for length in ["1001", "18446744073709551615"] {
        let body = format!(
            "--b\r\nContent-Length: {length}\r\n\r\nabc\r\n--b\r\nContent-Length: 2\r\n\r\nde"
        );
        assert_found(body.as_bytes(), &["TooLong", "de"]);
    }
    for length in ["-1", "0x3", "3, 3", "", "99999999999999999999999"] {
        let body = format!("--b\r\nContent-Length: {length}\r\n\r\nabc\r\n--b\r\n");
        assert_found(body.as_bytes(), &["abc"]);
    }
    assert_found(b"--b\r\nContent-Length: 0\r\n\r\n\r\n--b\r\n", &[""]);
}

#[test]
fn a_body_without_end_is_given_up_and_the_next_is_found() {
    let long = "x".repeat(MAX + 1);
    let longer = "x".repeat(MAX + 5000);
    let longest = "x".repeat(MAX);
    assert_found(
        format!("--b\r\n\r\n{longest}\r\n--b\r\n\r\nde\r\n--b\r\n").as_bytes(),
        &[&*longest, "de"],
    );
    for long in [long, longer] {
        assert_found(
            format!("--b\r\n\r\n{long}\r\n--b\r\n\r\nde\r\n--b\r\n").as_bytes(),
            &["TooLong", "de"],
        );
    }
}

#[test]
fn headers_without_end_are_given_up_and_memory_is_bounded() {
    let headers = "X: y\r\n".repeat(MAX_HEADERS / 6 + 1);
    assert_found(
        format!("--b\r\n{headers}\r\nabc\r\n--b\r\n\r\nde\r\n--b\r\n").as_bytes(),
        &["Broken", "de"],
    );
    let mut parts = Parts::new(MAX);
    for piece in std::iter::once(&b"--b\r\n\r\n"[..]).chain([&[b'x'; 4096][..]; 100]) {
        let put = |room: &mut [u8]| {
            room.copy_from_slice(piece);
            Ok::<_, NoParts>(room.len())
        };
        parts.fill(piece.len(), put).unwrap();
        while parts.next_part().unwrap().is_some() {}
        assert!(parts.buffer.len() < MAX_HEADERS + MAX + 4096);
    }
}

#[test]
fn no_parts_are_an_error() {
    let noise = vec![b'x'; MAX_PREAMBLE + 1];
    let lines = b"-- \nno delimiter\n".repeat(MAX_PREAMBLE / 10);
    for body in [noise, lines] {
        for piece in [1000, usize::MAX] {
            let piece = piece.min(body.len());
            assert_eq!(found(&body, &[piece]), [NoParts.to_string()]);
        }
    }
}

#[test]
fn what_breaks_off() {
    assert_found(b"--b\r\nContent-Length: 5\r\n\r\nabc", &["Broken"]);
    assert_found(b"--b\r\n\r\nabc", &["abc"]);
    assert_found(b"--b\r\nContent-Le", &[]);
    assert_found(b"", &[]);
}

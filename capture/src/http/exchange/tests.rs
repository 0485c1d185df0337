//! Answers as real servers give them, and as none should.

use super::*;

const MAX: usize = 1000;

/// What is found in an answer that comes in two pieces, the first of them of so many bytes, or
/// byte for byte (0), and then ends: a line each.
fn found(answer: &[u8], cut: usize) -> Vec<String> {
    let url = Url::parse("http://cam/", None).unwrap();
    found_at(&url, answer, cut)
}

fn found_at(url: &Url, answer: &[u8], cut: usize) -> Vec<String> {
    let (mut exchange, _) = Exchange::ask(url, MAX).unwrap();
    let mut lines = Vec::new();
    let pieces: Vec<&[u8]> = match cut {
        0 => answer.chunks(1).collect(),
        _ => vec![&answer[..cut], &answer[cut..]],
    };
    for piece in pieces {
        let put = |room: &mut [u8]| {
            room[..piece.len()].copy_from_slice(piece);
            Ok::<_, ()>(piece.len())
        };
        exchange.fill(put).unwrap();
        loop {
            match exchange.advance() {
                Ok(Some(found)) => lines.push(line(&exchange, &found)),
                Ok(None) => break,
                Err(refusal) => {
                    lines.push(refusal.to_string());
                    return lines;
                }
            }
        }
    }
    if lines.last().is_some_and(|l| l.starts_with("End")) {
        return lines;
    }
    loop {
        match exchange.closed() {
            Ok(Some(found)) => lines.push(line(&exchange, &found)),
            Ok(None) => return lines,
            Err(refusal) => lines.push(refusal.to_string()),
        }
        if lines
            .last()
            .is_some_and(|l| l.starts_with("End") || l.starts_with("it "))
        {
            return lines;
        }
    }
}

fn line(exchange: &Exchange, found: &Found) -> String {
    match found {
        Found::Picture(tags) => {
            let kind = if exchange.is_still() { "still" } else { "part" };
            let stamp = tags.stamp.map_or(String::new(), |s| format!(" at {s}"));
            let picture = String::from_utf8_lossy(exchange.picture());
            format!("{kind} {picture}{stamp}")
        }
        Found::End if exchange.is_reusable() => "End, reusable".into(),
        other => format!("{other:?}"),
    }
}

/// Asserts what is found, however the answer is cut.
fn assert_found(answer: &[u8], wanted: &[&str]) {
    for cut in 0..=answer.len() {
        assert_eq!(found(answer, cut), wanted, "cut at {cut}");
    }
}

#[test]
fn real_heads() {
    for head in [
        // µStreamer, seqcast.
        "HTTP/1.0 200 OK\r\nCache-Control: no-store, no-cache, must-revalidate, \
         proxy-revalidate, pre-check=0, post-check=0, max-age=0\r\nPragma: no-cache\r\n\
         Expires: Mon, 3 Jan 2000 12:34:56 GMT\r\nSet-Cookie: stream_client=0/1; path=/; \
         max-age=30\r\nContent-Type: multipart/x-mixed-replace;boundary=boundarydonotcross\r\n\r\n",
        // mjpg-streamer.
        "HTTP/1.0 200 OK\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\
         Server: MJPG-Streamer/0.2\r\nContent-Type: \
         multipart/x-mixed-replace;boundary=boundarydonotcross\r\n\r\n",
        // Axis.
        "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=myboundary\r\n\r\n",
        // motion.
        "HTTP/1.1 200 OK\r\nServer: Motion/4.1\r\nConnection: close\r\nMax-Age: 0\r\nExpires: 0\r\n\
         Content-type: multipart/x-mixed-replace; boundary=--BoundaryString\r\n\r\n",
        // Quoted, other case, none.
        "HTTP/1.1 200 OK\r\ncontent-type: Multipart/X-Mixed-Replace; boundary=\"b\"\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n",
        // LF only, no reason.
        "HTTP/1.0 200\nContent-Type: multipart/x-mixed-replace; boundary=b\n\n",
        // An early hint before.
        "HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\nHTTP/1.1 200 OK\r\n\
         Content-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n",
    ] {
        let body = "--b\r\nContent-Length: 3\r\nX-Timestamp: 1.5\r\n\r\nabc\r\n--b\r\n";
        assert_found(
            format!("{head}{body}").as_bytes(),
            &["part abc at 1500000000", "End"],
        );
    }
}

#[test]
fn esp32_sends_chunks() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: \
                multipart/x-mixed-replace;boundary=123456789000000000000987654321\r\n\
                Transfer-Encoding: chunked\r\nAccess-Control-Allow-Origin: *\r\nX-Framerate: 60\r\n\r\n";
    let chunks = [
        "\r\n--123456789000000000000987654321\r\n",
        "Content-Type: image/jpeg\r\nContent-Length: 3\r\nX-Timestamp: 12.5\r\n\r\n",
        "abc",
        "\r\n--123456789000000000000987654321\r\n",
        "Content-Type: image/jpeg\r\nContent-Length: 2\r\nX-Timestamp: 13.5\r\n\r\n",
        "d",
        "e",
    ];
    let chunked: String = chunks
        .iter()
        .map(|chunk| format!("{:X}\r\n{chunk}\r\n", chunk.len()))
        .collect();
    let wanted = ["part abc at 12500000000", "part de at 13500000000", "End"];
    assert_found(format!("{head}{chunked}").as_bytes(), &wanted);
    let wanted = [wanted[0], wanted[1], "End, reusable"];
    assert_found(format!("{head}{chunked}0\r\n\r\n").as_bytes(), &wanted);
}

#[test]
fn a_still() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nX-Timestamp: 1.5\r\n";
    assert_found(
        format!("{head}Content-Length: 3\r\n\r\nabc").as_bytes(),
        &["still abc at 1500000000", "End, reusable"],
    );
    assert_found(
        format!("{head}Connection: close\r\nContent-Length: 3\r\n\r\nabc").as_bytes(),
        &["still abc at 1500000000", "End"],
    );
    assert_found(
        format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").as_bytes(),
        &["still abc at 1500000000", "End, reusable"],
    );
    assert_found(
        format!("{head}\r\nabc").as_bytes(),
        &["still abc at 1500000000", "End"],
    );
    for broken in [
        "Content-Length: 4\r\n\r\nabc",
        "Content-Length: 0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nab",
    ] {
        let lines = found(format!("{head}{broken}").as_bytes(), 0);
        assert_eq!(lines[0], "Broken", "{broken}: {lines:?}");
        assert!(lines[1].starts_with("End"), "{broken}: {lines:?}");
    }
    let long = "x".repeat(MAX + 1);
    assert_found(
        format!("{head}\r\n{long}").as_bytes(),
        &["its picture is longer than any may be"],
    );
}

#[test]
fn refusals_say_what_is_wrong() {
    let with_type = |status: &str, kind: &str| {
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: 2\r\n\r\n<>");
        let lines = found(answer.as_bytes(), 0);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].clone()
    };
    assert_eq!(
        with_type("200 OK", "text/html; charset=utf-8"),
        "not MJPEG: text/html"
    );
    assert_eq!(
        with_type("200 OK", "a\u{e9}\t\"<b>"),
        "not MJPEG: a???\"<b>"
    );
    assert_eq!(
        with_type("503 <script>", "text/html"),
        "503 Service Unavailable"
    );
    assert_eq!(with_type("404 x", "image/jpeg"), "404 Not Found");
    assert!(with_type("401 x", "x").starts_with("401: user and password are wanted"));
    let answer = b"HTTP/1.1 200 OK\r\n\r\n";
    assert!(found(answer, 0)[0].contains("no content type"));
    for (answer, words) in [
        (&b"SSH-2.0-OpenSSH_9.6\r\n"[..], "does not speak HTTP"),
        (b"", "without an answer"),
        (b"HTTP/1.1 200", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "does not speak HTTP"),
    ] {
        let lines = found(answer, 0);
        assert!(lines[0].contains(words), "{lines:?}");
    }
}

#[test]
fn a_login_is_sent_and_its_refusal_said() {
    let url = Url::parse("http://u:p@cam:81/x?y", None).unwrap();
    let (_, request) = Exchange::ask(&url, MAX).unwrap();
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("GET /x?y HTTP/1.1\r\n"), "{request}");
    let request = request.to_ascii_lowercase();
    for line in ["host: cam:81\r\n", "authorization: basic dtpw\r\n"] {
        assert!(request.contains(line), "{request}");
    }
    let answer = |challenge: &str| {
        format!("HTTP/1.1 401 x\r\n{challenge}Content-Length: 0\r\n\r\n").into_bytes()
    };
    for (challenge, said) in [
        ("", "not taken"),
        ("WWW-Authenticate: Basic realm=\"x\"\r\n", "not taken"),
        (
            "WWW-Authenticate: Digest realm=\"x\", Basic realm=\"x\"\r\n",
            "not taken",
        ),
        ("WWW-Authenticate: Digest realm=\"x\"\r\n", "no Basic login"),
    ] {
        let lines = found_at(&url, &answer(challenge), 0);
        assert!(lines[0].contains(said), "{challenge}: {lines:?}");
    }
}

#[test]
fn a_redirect_is_told() {
    assert_found(
        b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
        &["Elsewhere(\"/other\")", "End"][..1],
    );
    assert_found(
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
        &["302 Found"],
    );
}

#[test]
fn what_has_no_end_is_given_up() {
    let head = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(MAX_HEAD));
    for end in ["", "\r\n\r\n"] {
        for cut in [0, 20, head.len()] {
            let lines = found(format!("{head}{end}").as_bytes(), cut);
            assert!(lines[0].contains("the head has no end"), "{lines:?}");
        }
    }
    let chunk = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: multipart/x\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "1".repeat(2 * MAX_CHUNK_LINE)
    );
    let lines = found(chunk.as_bytes(), 0);
    assert!(lines[0].contains("a chunk without its size"), "{lines:?}");
}

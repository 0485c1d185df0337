use super::*;
use proptest::prelude::*;

const HEAD: &str =
    "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n";

#[test]
fn a_stream_without_a_head_says_its_boundary_first() {
    let part = "Content-Type: image/jpeg\r\nContent-Length: 2\r\n\r\nab\r\n--b";
    let stream = format!("--b\r\n{part}\r\n{part}--");
    for cut in 0..stream.len() {
        let mut parser = Parser::headless();
        let mut parts = 0;
        let mut heads = 0;
        for piece in [&stream[..cut], &stream[cut..]] {
            let pushed = parser.push(piece.as_bytes(), &mut |event| match event {
                Event::Head => heads += 1,
                Event::PartEnd => parts += 1,
                _ => {}
            });
            pushed.unwrap();
        }
        assert_eq!((heads, parts), (1, 2), "{cut}");
    }
}

#[test]
fn anything_else_in_the_first_line_is_refused() {
    let long = format!("--{}", "b".repeat(100));
    for text in [
        "--b\n",
        "\r\n--b\r\n",
        "b\r\n",
        "--\r\n",
        "--\u{e4}\r\n",
        &long,
    ] {
        let pushed = Parser::headless().push(text.as_bytes(), &mut |event| panic!("{event:?}"));
        assert!(
            matches!(pushed, Err(ParseError::NoFirstLine(_))),
            "{text:?}"
        );
    }
}

/// An event with the cuts taken out: bodies are joined.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Head,
    Part {
        number: u64,
        offset: u64,
        length: u64,
        headers: Vec<(String, Vec<u8>)>,
    },
    Body(Vec<u8>),
    PartEnd,
    End,
}

#[derive(Debug, Clone, PartialEq)]
struct Outcome {
    seen: Vec<Seen>,
    result: Result<(), ParseError>,
    offset: u64,
    place: String,
}

/// Pushes the bytes cut at the given places (taken modulo the length).
fn parse_cut(bytes: &[u8], cuts: &[usize]) -> Outcome {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let mut parser = Parser::new();
    let mut seen = Vec::new();
    let mut result = Ok(());
    for pair in cuts.windows(2) {
        result = parser.push(&bytes[pair[0]..pair[1]], &mut |event| match event {
            Event::Head => seen.push(Seen::Head),
            Event::Part {
                number,
                offset,
                length,
                headers,
            } => seen.push(Seen::Part {
                number,
                offset,
                length,
                headers: headers
                    .iter()
                    .map(|h| (h.name.to_owned(), h.value.to_owned()))
                    .collect(),
            }),
            Event::Body(bytes) => {
                assert!(!bytes.is_empty());
                match seen.last_mut() {
                    Some(Seen::Body(body)) => body.extend(bytes),
                    _ => seen.push(Seen::Body(bytes.to_owned())),
                }
            }
            Event::PartEnd => seen.push(Seen::PartEnd),
            Event::End => seen.push(Seen::End),
        });
        if result.is_err() {
            break;
        }
    }
    Outcome {
        seen,
        result,
        offset: parser.offset(),
        place: parser.place(),
    }
}

fn parse(bytes: &[u8]) -> Outcome {
    let whole = parse_cut(bytes, &[]);
    let every: Vec<_> = (0..bytes.len()).collect();
    assert_eq!(parse_cut(bytes, &every), whole, "byte by byte");
    whole
}

fn fails(text: &str) -> ParseError {
    parse(text.as_bytes()).result.unwrap_err()
}

fn bodies(outcome: &Outcome) -> Vec<&[u8]> {
    outcome
        .seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Body(body) => Some(body.as_slice()),
            _ => None,
        })
        .collect()
}

#[test]
fn takes_the_style_of_ustreamer() {
    let text = format!(
        "{HEAD}--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\nX-Timestamp: 1.5\r\n\r\nabc\
         \r\n--frame\r\nContent-Length: 2\r\n\r\nde\r\n--frame\r\n"
    );
    let outcome = parse(text.as_bytes());
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(bodies(&outcome), [b"abc".as_slice(), b"de"]);
    assert_eq!(outcome.place, "after part 2");
    let Seen::Part {
        number: 1,
        offset,
        length: 3,
        headers,
    } = &outcome.seen[1]
    else {
        panic!("{:?}", outcome.seen);
    };
    assert_eq!(*offset, HEAD.len() as u64 + 9);
    assert_eq!(headers[2], ("X-Timestamp".to_owned(), b"1.5".to_vec()));
}

#[test]
fn takes_the_style_of_the_rfc_with_its_end() {
    let head = HEAD.replace("frame", "\"a (b)/c\"");
    let text =
        format!("{head}\r\n--a (b)/c\r\ncontent-length: 0\r\n\r\n\r\n--a (b)/c--\r\nan epilogue");
    let outcome = parse(text.as_bytes());
    assert_eq!(outcome.result, Ok(()));
    assert_eq!(outcome.seen[2..], [Seen::PartEnd, Seen::End]);
}

#[test]
fn takes_an_empty_last_part_and_no_other() {
    let begun = format!("{HEAD}--frame\r\n\r\n--frame");
    let closed = parse(format!("{begun}--\r\n").as_bytes());
    assert_eq!(closed.seen, [Seen::Head, Seen::End]);
    assert_eq!(fails(&format!("{begun}\r\n")), ParseError::NoLength);
    assert_eq!(
        fails(&format!("{HEAD}--frame\r\n\r\nbody")),
        ParseError::NoLength
    );
}

#[test]
fn says_where_it_stands() {
    let text = format!("{HEAD}--frame\r\nContent-Length: 9\r\n\r\nabc");
    assert_eq!(
        parse(text.as_bytes()).place,
        "in part 1, after 3 of 9 bytes"
    );
    let text = format!("{HEAD}--frame\r\nContent-Le");
    assert_eq!(parse(text.as_bytes()).place, "in the headers of part 1");
    assert_eq!(
        parse(b"HTTP/1.").place,
        "in the response head, after 7 bytes"
    );
}

#[test]
fn takes_no_other_head() {
    assert_eq!(
        fails("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\nfull"),
        ParseError::Status("503 Service Unavailable".to_owned())
    );
    assert_eq!(
        fails("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"),
        ParseError::Status("302 Found".to_owned())
    );
    assert!(matches!(
        fails("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        ParseError::Head(_)
    ));
    assert!(matches!(fails("\r\n"), ParseError::Head(_)));
    assert!(matches!(
        fails("HTTP/1.0 200 OK\n\nbody\r\n\r\n"),
        ParseError::Head(_)
    ));
    assert_eq!(fails(&"x".repeat(20_000)), ParseError::LongHead);
    let many = "A: b\r\n".repeat(65);
    assert!(matches!(
        fails(&format!("HTTP/1.0 200 OK\r\n{many}\r\n")),
        ParseError::Head(_)
    ));
    assert_eq!(
        fails(&HEAD.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n")),
        ParseError::Encoded
    );
}

#[test]
fn needs_a_legal_boundary() {
    for (content_type, wanted) in [
        ("multipart/x-mixed-replace; boundary=b", Some("b")),
        (
            "Multipart/X-Mixed-Replace;charset=x; Boundary=\"b:c\"",
            Some("b:c"),
        ),
        ("multipart/x-mixed-replace;boundary=--b", Some("--b")),
        ("multipart/x-mixed-replace", None),
        ("multipart/x-mixed-replace;boundary=", None),
        ("multipart/x-mixed-replace;boundary=\"", None),
        ("multipart/x-mixed-replace;boundary=\"b \"", None),
        ("multipart/x-mixed-replace;boundary=b\u{e9}", None),
        ("multipart/mixed;boundary=b", None),
        ("text/html", None),
        ("", None),
    ] {
        assert_eq!(boundary(content_type), wanted, "{content_type}");
    }
    let long = format!("multipart/x-mixed-replace;boundary={}", "b".repeat(71));
    assert_eq!(boundary(&long), None);
}

#[test]
fn takes_the_longest_boundary() {
    let head = HEAD.replace("frame", &"b".repeat(70));
    assert_eq!(parse(head.as_bytes()).result, Ok(()));
}

#[test]
fn believes_a_length_only_with_its_delimiter() {
    let stream = |rest: &str| format!("{HEAD}--frame\r\nContent-Length: 3\r\n\r\n{rest}");
    for rest in [
        "ab\r\n--frame\r\n",
        "abcd\r\n--frame\r\n",
        "abc--frame\r\n",
        "abc\n--frame\r\n",
        "abc\r\n\r\n--frame\r\n",
        "abc\r\n--fram\r\n",
    ] {
        assert_eq!(fails(&stream(rest)), ParseError::WrongLength(3), "{rest:?}");
    }
    for rest in [
        "abc\r\n--frame\n",
        "abc\r\n--frame \r\n",
        "abc\r\n--frame-\r\n",
        "abc\r\n--frames\r\n",
    ] {
        assert_eq!(fails(&stream(rest)), ParseError::DelimiterEnd, "{rest:?}");
    }
    let outcome = parse(stream("abc\r\n-x").as_bytes());
    assert_eq!(outcome.offset, stream("abc\r\n-").len() as u64);
}

#[test]
fn takes_no_preamble() {
    for rest in [
        "hello\r\n--frame\r\n",
        "\n--frame\r\n",
        "\r\n\r\n--frame\r\n",
        "-frame\r\n",
    ] {
        let error = fails(&format!("{HEAD}{rest}"));
        assert_eq!(
            error,
            ParseError::NoDelimiter("frame".to_owned()),
            "{rest:?}"
        );
    }
}

#[test]
fn bounds_and_checks_part_headers() {
    let part = |headers: &str| fails(&format!("{HEAD}--frame\r\n{headers}"));
    assert_eq!(part("\r\nx"), ParseError::NoLength);
    assert_eq!(
        part("Content-Type: image/jpeg\r\n\r\n"),
        ParseError::NoLength
    );
    for length in [
        "",
        "-1",
        "+1",
        "0x10",
        "1 2",
        "67108865",
        "99999999999999999999999",
    ] {
        let error = part(&format!("Content-Length: {length}\r\n\r\n"));
        assert_eq!(error, ParseError::BadLength(length.to_owned()));
    }
    let twice = part("Content-Length: 1\r\nContent-Length: 1\r\n\r\n");
    assert_eq!(twice, ParseError::BadLength("1".to_owned()));
    assert!(matches!(
        part("no header\r\n\r\n"),
        ParseError::PartHeaders(_)
    ));
    assert!(matches!(
        part(&("A: b\r\n".repeat(65) + "\r\n")),
        ParseError::PartHeaders(_)
    ));
    assert!(matches!(
        part("Content-Length: 3\n\nabc\r\n\r\n"),
        ParseError::PartHeaders(_)
    ));
    assert_eq!(part(&"A: b\r\n".repeat(2000)), ParseError::LongPartHeaders);
}

#[test]
fn keeps_messages_short() {
    assert_eq!(lossy(&[b'x'; 1000]).chars().count(), 81);
    assert_eq!(lossy(b"a\xffb"), "a\u{fffd}b");
}

/// A stream, most often right, sometimes with a byte changed, or cut off.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let bodies = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6);
    (
        bodies,
        any::<bool>(),
        prop::option::of((any::<usize>(), any::<u8>())),
        any::<usize>(),
    )
        .prop_map(|(bodies, rfc, change, end)| {
            let mut bytes = HEAD.as_bytes().to_vec();
            bytes.extend(if rfc {
                b"\r\n--frame".as_slice()
            } else {
                b"--frame"
            });
            for body in bodies {
                bytes.extend(format!("\r\nContent-Length: {}\r\n\r\n", body.len()).bytes());
                bytes.extend(body);
                bytes.extend(b"\r\n--frame");
            }
            bytes.extend(if rfc { b"--\r\n".as_slice() } else { b"\r\n" });
            if let Some((place, byte)) = change {
                let place = place % bytes.len();
                bytes[place] = byte;
                if end % 3 == 0 {
                    bytes.truncate(end % bytes.len());
                }
            }
            bytes
        })
}

proptest! {
    #[test]
    fn cuts_change_nothing(bytes in streams(), cuts in prop::collection::vec(any::<usize>(), 0..20)) {
        prop_assert_eq!(parse_cut(&bytes, &cuts), parse(&bytes));
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), headed in any::<bool>()) {
        let bytes = if headed { [HEAD.as_bytes(), b"--frame\r\n", &bytes].concat() } else { bytes };
        parse(&bytes);
    }
}

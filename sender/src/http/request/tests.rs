use proptest::prelude::*;

use super::*;

fn code(bytes: &[u8]) -> Option<Code> {
    match parse(bytes, Hosts::Own(&[])) {
        Parsed::Reject(reject) => Some(reject.code),
        _ => None,
    }
}

fn request(bytes: &[u8]) -> Request {
    match parse(bytes, Hosts::Own(&[])) {
        Parsed::Request(request) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_viewers_send() {
    let got = request(b"GET /?action=stream&1732270000 HTTP/1.1\r\nHost: localhost:8080\r\n\r\n");
    assert_eq!(
        (got.path.as_str(), got.query.as_str()),
        ("/", "action=stream&1732270000")
    );
    assert!(!got.head_only);
    assert!(request(b"HEAD /stream HTTP/1.0\r\n\r\n").head_only);
    let got =
        request(b"GET http://127.0.0.1:8080/stream?key=a HTTP/1.1\r\nHost: x.localhost\r\n\r\n");
    assert_eq!(
        (got.path.as_str(), got.query.as_str()),
        ("/stream", "key=a")
    );
    assert_eq!(request(b"GET http://[::1] HTTP/1.0\r\n\r\n").path, "/");
    assert_eq!(request(b"GET / HTTP/1.1\nHost: [::1]:80\n\n").path, "/");
}

#[test]
fn refusals() {
    assert_eq!(
        code(b"\x16\x03\x01\x02\x00\x01\x00"),
        Some(Code::BadRequest)
    );
    assert_eq!(code(b"GET / HTTP/2.0\r\n\r\n"), Some(Code::BadRequest));
    assert_eq!(code(b"GET stream HTTP/1.0\r\n\r\n"), Some(Code::BadRequest));
    assert_eq!(code(b"GET * HTTP/1.0\r\n\r\n"), Some(Code::BadRequest));
    assert_eq!(
        code(b"GET https://127.0.0.1/ HTTP/1.0\r\n\r\n"),
        Some(Code::BadRequest)
    );
    assert_eq!(code(b"GET / HTTP/1.1\r\n\r\n"), Some(Code::BadRequest));
    assert_eq!(
        code(b"GET / HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\n\r\n"),
        Some(Code::BadRequest)
    );
    assert_eq!(
        code(b"POST /status HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        Some(Code::MethodNotAllowed)
    );
    for (target, allow) in [
        ("/controls?x", "Allow: GET, HEAD, OPTIONS, POST\r\n"),
        ("/stream", "Allow: GET, HEAD, OPTIONS, POST\r\n"),
        ("/status", "Allow: GET, HEAD, OPTIONS\r\n"),
        ("*", "Allow: GET, HEAD, OPTIONS\r\n"),
    ] {
        let bytes = format!("PUT {target} HTTP/1.0\r\n\r\n");
        let Parsed::Reject(reject) = parse(bytes.as_bytes(), Hosts::Own(&[])) else {
            panic!("{target}");
        };
        assert_eq!(reject.headers, allow, "{target}");
    }
    let many = format!(
        "GET / HTTP/1.0\r\n{}\r\n",
        "a: b\r\n".repeat(MAX_HEADERS + 1)
    );
    assert_eq!(code(many.as_bytes()), Some(Code::HeadTooLarge));
    let most = format!("GET / HTTP/1.0\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS));
    assert_eq!(code(most.as_bytes()), None);
}

fn post(head: &str, body: &str) -> Vec<u8> {
    format!("POST /controls HTTP/1.1\r\nHost: localhost\r\n{head}\r\n{body}").into_bytes()
}

#[test]
fn a_post_is_read_to_the_end_of_its_body_and_no_further() {
    let head = "Content-Type: Application/JSON; charset=utf-8\r\nContent-Length: 7\r\n";
    let whole = post(head, "{\"a\":1}GET / HTTP/1.1");
    let end = whole.len() - "GET / HTTP/1.1".len();
    assert_eq!(parse(&whole[..end - 1], Hosts::Own(&[])), Parsed::NeedMore);
    let got = request(&whole[..end]);
    assert_eq!(got, request(&whole));
    let post = got.post.as_ref().unwrap();
    assert_eq!(
        (post.content_type.as_str(), &*post.body),
        ("application/json", &b"{\"a\":1}"[..])
    );
    assert!(!got.origin.is_foreign);
    let empty = request(&self::post("Content-Length: 0\r\n", "x"));
    assert_eq!(empty.post.unwrap().body, b"");
}

#[test]
fn a_body_that_can_be_read_in_two_ways_is_refused() {
    for (head, want) in [
        ("", Code::LengthRequired),
        ("Transfer-Encoding: chunked\r\n", Code::BadRequest),
        (
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            Code::BadRequest,
        ),
        (
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            Code::BadRequest,
        ),
        (
            "Content-Length: 3\r\ncontent-length: 3\r\n",
            Code::BadRequest,
        ),
        ("Content-Length: 3, 3\r\n", Code::BadRequest),
        ("Content-Length: +3\r\n", Code::BadRequest),
        ("Content-Length: -3\r\n", Code::BadRequest),
        ("Content-Length: 0x3\r\n", Code::BadRequest),
        ("Content-Length:\r\n", Code::BadRequest),
        ("Content-Length: 4097\r\n", Code::ContentTooLarge),
        (
            "Content-Length: 99999999999999999999999\r\n",
            Code::ContentTooLarge,
        ),
    ] {
        assert_eq!(code(&post(head, "a=1")), Some(want), "{head:?}");
    }
    let most = post("Content-Length: 4096\r\n", &"x".repeat(MAX_BODY));
    assert_eq!(request(&most).post.unwrap().body.len(), MAX_BODY);
}

#[test]
fn a_post_is_taken_only_where_it_means_something() {
    for target in [
        "/",
        "/controls/",
        "/status",
        "/?action=command&id=1&value=1",
        "*",
    ] {
        let bytes = format!("POST {target} HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(
            code(bytes.as_bytes()),
            Some(Code::MethodNotAllowed),
            "{target}"
        );
    }
    for target in ["/stream?x", "/snapshot"] {
        // As mjpg-streamer takes it: whatever it brings is left alone, and so is how long it is.
        let bytes = format!("POST {target} HTTP/1.0\r\n\r\n");
        assert_eq!(request(bytes.as_bytes()).post, None, "{target}");
    }
    let query = b"POST /controls?x HTTP/1.0\r\nContent-Length: 0\r\n\r\n";
    assert!(request(query).post.is_some());
    let evil = b"POST /controls HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(code(evil), Some(Code::Misdirected));
}

#[test]
fn a_command_says_where_it_comes_from() {
    let command = |headers: &str| {
        let head = "GET /?action=command&id=1&value=1 HTTP/1.0\r\nHost: localhost\r\n";
        request(format!("{head}{headers}\r\n").as_bytes()).origin
    };
    let bare = command("");
    assert!(!bare.is_foreign && !bare.is_unproven && !bare.is_forwarded);
    assert!(command("Origin: http://evil.example\r\n").is_foreign);
    assert!(command("User-Agent: Mozilla/5.0\r\n").is_unproven);
    assert!(command("Via: 1.1 proxy\r\n").is_forwarded);
}

#[test]
fn a_head_that_never_ends() {
    let mut bytes = b"GET / HTTP/1.0\r\nX: ".to_vec();
    bytes.resize(MAX_HEAD - 1, b'x');
    assert_eq!(parse(&bytes, Hosts::Own(&[])), Parsed::NeedMore);
    bytes.push(b'x');
    assert_eq!(code(&bytes), Some(Code::HeadTooLarge));
    bytes.extend_from_slice(b"\r\n\r\n");
    assert_eq!(code(&bytes), Some(Code::HeadTooLarge));
}

#[test]
fn dns_rebinding_is_refused_where_it_matters() {
    let head = b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    assert_eq!(code(head), Some(Code::Misdirected));
    assert!(matches!(parse(head, Hosts::Any), Parsed::Request(_)));
    let absolute = b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(code(absolute), Some(Code::Misdirected));
}

#[test]
fn options_and_who_asks() {
    for (target, takes_post) in [
        ("/controls?x", true),
        ("/stream", true),
        ("/status", false),
        ("*", false),
    ] {
        let bytes = format!("OPTIONS {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(
            parse(bytes.as_bytes(), Hosts::Own(&[])),
            Parsed::Options { takes_post },
            "{target}"
        );
    }
    let evil = b"OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    assert_eq!(code(evil), Some(Code::Misdirected));
    let one = "Authorization: Basic YTpi\r\n";
    let got = request(format!("GET / HTTP/1.0\r\nOrigin: http://a\r\n{one}\r\n").as_bytes());
    assert_eq!(got.authorization, Some(Authorization::new(b"Basic YTpi")));
    assert_eq!(got.origin.named.as_deref(), Some("http://a"));
    assert!(got.origin.is_foreign && !got.origin.is_forwarded);
    let twice = format!("GET / HTTP/1.0\r\n{one}{one}\r\n");
    assert_eq!(code(twice.as_bytes()), Some(Code::BadRequest));
}

proptest! {
    /// Whatever comes, in whatever pieces: no panic, and a verdict once given stands.
    #[test]
    fn verdicts_stand(bytes in hostile(), loopback in any::<bool>()) {
        let hosts = if loopback { Hosts::Own(&[]) } else { Hosts::Any };
        let mut verdict = None;
        for end in 0..=bytes.len() {
            match (&verdict, parse(&bytes[..end], hosts)) {
                (None, Parsed::NeedMore) => prop_assert!(end < MAX_REQUEST),
                (None, given) => verdict = Some(given),
                (Some(given), now) => prop_assert_eq!(given, &now),
            }
        }
    }
}

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(b"GET ".to_vec()),
        Just(b"HEAD ".to_vec()),
        Just(b"OPTIONS ".to_vec()),
        Just(b"Authorization: Basic YTpi\r\n".to_vec()),
        Just(b"/stream?key=%41".to_vec()),
        Just(b"POST /controls".to_vec()),
        Just(b"Content-Length: 5\r\n".to_vec()),
        Just(b"Origin: http://localhost\r\n".to_vec()),
        Just(b" HTTP/1.1\r\n".to_vec()),
        Just(b" HTTP/1.0\r\n".to_vec()),
        Just(b"Host: localhost\r\n".to_vec()),
        Just(b"Host: evil.example\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

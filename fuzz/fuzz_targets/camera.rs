//! A camera's answer over HTTP, from anybody: no panic, no picture longer than allowed, bounded
//! memory, and the same pictures however the bytes are cut.
#![no_main]

use capture::http::Url;
use capture::http::exchange::{Exchange, Found, Refusal};
use libfuzzer_sys::fuzz_target;

const MAX_FRAME: usize = 1 << 12;
const HEADS: [&[u8]; 4] = [
    b"",
    b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n",
];

/// What is found, in its order, and how it ends.
type Seen = (Vec<(Found, Vec<u8>)>, Option<Refusal>);

fn parse(bytes: &[u8], piece: usize) -> Seen {
    let url = Url::parse("http://cam/", None).expect("an address");
    let (mut exchange, _) = Exchange::ask(&url, MAX_FRAME).expect("a request");
    let mut seen = Vec::new();
    let mut rest = bytes;
    loop {
        let found = match exchange.advance() {
            Ok(None) if rest.is_empty() => exchange.closed(),
            other => other,
        };
        match found {
            Ok(Some(found)) => {
                let picture = match found {
                    Found::Picture(_) => exchange.picture().to_vec(),
                    _ => Vec::new(),
                };
                assert!(picture.len() <= MAX_FRAME);
                let over = matches!(found, Found::End | Found::Elsewhere(_));
                seen.push((found, picture));
                if over {
                    return (seen, None);
                }
            }
            Ok(None) if rest.is_empty() => return (seen, None),
            Ok(None) => {
                let fill = |room: &mut [u8]| {
                    let len = room.len().min(rest.len()).min(piece);
                    room[..len].copy_from_slice(&rest[..len]);
                    rest = &rest[len..];
                    Ok::<_, ()>(len)
                };
                exchange.fill(fill).expect("it never fails");
            }
            Err(refusal) => return (seen, Some(refusal)),
        }
    }
}

fuzz_target!(|input: (u8, u8, Vec<u8>)| {
    let (head, piece, mut bytes) = input;
    let head = HEADS[usize::from(head) % HEADS.len()];
    bytes.splice(0..0, head.iter().copied());
    let whole = parse(&bytes, usize::MAX);
    assert_eq!(parse(&bytes, usize::from(piece) + 1), whole);
});

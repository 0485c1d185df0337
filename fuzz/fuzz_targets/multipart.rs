//! A response from any server: no panic, and the same verdict however the bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watch::multipart::{Event, ParseError, Parser};

const HEAD: &[u8] =
    b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=b\r\n\r\n";

fn parse(bytes: &[u8], piece: usize) -> (u64, u64, u64, Result<(), ParseError>) {
    let mut parser = Parser::new();
    let (mut parts, mut body) = (0, 0);
    let mut result = Ok(());
    for piece in bytes.chunks(piece) {
        result = parser.push(piece, &mut |event| match event {
            Event::Part { .. } => parts += 1,
            Event::Body(bytes) => body += bytes.len() as u64,
            Event::Head | Event::PartEnd | Event::End => {}
        });
        if result.is_err() {
            break;
        }
    }
    (parts, body, parser.offset(), result)
}

fuzz_target!(|input: (bool, u8, Vec<u8>)| {
    let (headed, piece, mut bytes) = input;
    if headed {
        bytes.splice(0..0, HEAD.iter().copied());
    }
    let whole = parse(&bytes, usize::MAX);
    assert_eq!(parse(&bytes, usize::from(piece) + 1), whole);
});

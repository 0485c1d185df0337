//! A raw stream from any server: no panic, sizes within bounds, and the same verdict however the
//! bytes are cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watch::raw::{Event, ParseError, Parser};

const MAX_FRAME: u64 = 64 << 20;

fn parse(bytes: &[u8], piece: usize) -> (Vec<Event>, u64, Result<(), ParseError>) {
    let mut parser = Parser::new();
    let mut events = Vec::new();
    let mut result = Ok(());
    for piece in bytes.chunks(piece) {
        result = parser.push(piece, &mut |event| events.push(event));
        assert!(parser.offset() <= bytes.len() as u64);
        let _ = parser.place();
        if result.is_err() {
            break;
        }
    }
    (events, parser.offset(), result)
}

fuzz_target!(|input: (u8, Vec<(u8, u8, bool)>, Vec<u8>)| {
    let (piece, frames, tail) = input;
    // Well-formed frames, which chance would hardly find, and then anything.
    let mut bytes = Vec::new();
    for (height, width, coded) in frames {
        let (height, width) = (u64::from(height % 16), u64::from(width % 16));
        bytes.extend((height << 32 | width << 16 | 3).to_le_bytes());
        let pixels = bytes.len();
        bytes.resize(pixels + (height * width * 3) as usize, piece);
        if coded && height * width >= 8 {
            bytes[pixels..pixels + 8].copy_from_slice(b"seqcast1");
        }
    }
    bytes.extend(tail);
    let (events, offset, result) = parse(&bytes, usize::MAX);
    for event in &events {
        if let Event::Frame(frame) = event {
            assert!((1..=MAX_FRAME).contains(&frame.size.bytes()));
            assert!(frame.offset + 8 + frame.size.bytes() <= offset);
            assert!(frame.stamp.is_none() || frame.size.bytes() >= 24);
        }
    }
    assert_eq!(
        parse(&bytes, usize::from(piece) + 1),
        (events, offset, result)
    );
});

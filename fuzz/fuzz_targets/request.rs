//! A request head from anybody: no panic, and the same verdict when it comes in two pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sender::http::request::{Parsed, parse};
use sender::http::route::route;

fuzz_target!(|input: (bool, usize, Vec<u8>)| {
    let (loopback_only, cut, bytes) = input;
    let whole = parse(&bytes, loopback_only);
    // A verdict on a part is final: more bytes do not change it.
    let part = parse(&bytes[..cut % (bytes.len() + 1)], loopback_only);
    assert!(
        part == Parsed::NeedMore || part == whole,
        "{part:?} {whole:?}"
    );
    if let Parsed::Request(request) = whole {
        let _ = route(&request.path, &request.query);
    }
});

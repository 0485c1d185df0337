//! A request from anybody: no panic, the same verdict when it comes in two pieces, and bounds that
//! hold, also for what a POST wants set.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sender::http::controls::{Rules, settings};
use sender::http::host::Hosts;
use sender::http::request::{MAX_BODY, MAX_REQUEST, Parsed, parse};
use sender::http::ask::MAX_KEY;
use sender::http::route::{Route, route};

fuzz_target!(|input: (bool, usize, Vec<u8>)| {
    let (loopback_only, cut, bytes) = input;
    let hosts = if loopback_only { Hosts::Own(&[]) } else { Hosts::Any };
    let whole = parse(&bytes, hosts);
    // A verdict on a part is final: more bytes do not change it.
    let part = parse(&bytes[..cut % (bytes.len() + 1)], hosts);
    assert!(
        part == Parsed::NeedMore || part == whole,
        "{part:?} {whole:?}"
    );
    assert!(whole != Parsed::NeedMore || bytes.len() < MAX_REQUEST);
    if let Parsed::Request(request) = whole {
        if let Route::Stream(ask) = route(&request.path, &request.query) {
            assert!(ask.key.is_none_or(|key| key.chars().count() <= MAX_KEY));
            assert!(ask.fps.is_none_or(|fps| (0.01..=1000.0).contains(&fps)));
            assert!((0.1..=16.0).contains(&ask.speed) && ask.lag != Some(0));
        }
        if let Some(post) = request.post {
            assert!(post.body.len() <= MAX_BODY);
            let rules = Rules {
                read_only: false,
                loopback_only,
                allow_origin: None,
                rights: None,
                origin: &request.origin,
            };
            if let Ok(settings) = settings(&post, rules) {
                assert!(loopback_only && !settings.is_empty());
                assert!(!request.origin.is_foreign && !request.origin.is_forwarded);
            }
        }
    }
});

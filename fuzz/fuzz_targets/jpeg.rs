//! A JPEG from a camera or a file: no panic, and what was completed is complete.
#![no_main]

use libfuzzer_sys::fuzz_target;
use picture::jpeg;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((info, completed)) = jpeg::complete(bytes) {
        assert!(info.len <= bytes.len());
        let again = jpeg::check(&completed).expect("a completed JPEG passes the check");
        assert_eq!((again.width, again.height), (info.width, info.height));
    }
});

//! A file of users from anybody: no panic, and what is read keeps its bounds; also as the header of a
//! request, which is checked against one user.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use sender::auth::{Auth, Authorization, Rights, Users, line};

fn auth() -> &'static Auth {
    static AUTH: OnceLock<Auth> = OnceLock::new();
    AUTH.get_or_init(|| {
        let line = line("ann", "a password that is not found", Rights::View, [1; 12]).unwrap();
        Auth::new(Users::parse(line.as_bytes()).unwrap()).unwrap()
    })
}

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (is_file, bytes) = input;
    if is_file {
        match Users::parse(&bytes) {
            Ok(users) => assert!(users.count() > 0 && users.controlling() <= users.count()),
            Err(bad) => assert!(!bad.to_string().contains('\n')),
        }
    } else {
        let basic = [b"Basic ", &bytes[..]].concat();
        assert_eq!(auth().recognise(&Authorization::new(&bytes)), None);
        assert_eq!(auth().recognise(&Authorization::new(&basic)), None);
    }
});

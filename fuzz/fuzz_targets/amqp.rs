//! A message from any publisher: no panic, and what is taken from it is no more than came. Also any address.
#![no_main]

use broker::{Address, BasicProperties, Body, message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8], &str)| {
    let (properties, body, address) = input;
    let properties = message::properties_of(properties).unwrap_or_default();
    for properties in [properties, BasicProperties::default()] {
        let Ok(message) = message::read(&properties, body.to_vec()) else {
            continue;
        };
        assert!(message.body.picture().len() <= body.len());
        if let Body::Raw { width, height, .. } = message.body {
            let pixels = usize::from(width) * usize::from(height) * 3;
            assert_eq!(message.body.picture().len(), pixels);
        }
    }
    if let Ok(address) = Address::parse(address, None) {
        let shown =
            Address::parse(&address.to_string(), None).expect("what is shown is an address");
        assert!(shown.is_same_exchange(&address));
    }
});

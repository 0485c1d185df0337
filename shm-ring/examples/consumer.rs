//! Follows a ring: `cargo run -p shm-ring --example consumer -- NAME [FRAMES]`.
use std::time::Duration;

use shm_ring::{Consumer, Error, Event, Offset};

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_else(|| "example".into());
    let mut left = args.next().and_then(|n| n.parse().ok()).unwrap_or(u64::MAX);
    let (mut consumer, mut bytes) = (Consumer::open(&name, Offset::Last)?, Vec::new());
    while left > 0 {
        match consumer.next(&mut bytes, Duration::from_secs(1))? {
            Event::Frame { info, missed } => {
                println!("frame {}: {} bytes, missed {missed}", info.id, bytes.len());
                left -= 1;
            }
            other => println!("{other:?}"),
        }
    }
    Ok(())
}

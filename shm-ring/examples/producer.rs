//! Publishes a picture a moment: `cargo run -p shm-ring --example producer -- NAME [FRAMES]`.
use std::time::Duration;

use shm_ring::{Error, FrameMeta, Ring};

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_else(|| "example".into());
    let frames = args.next().and_then(|n| n.parse().ok());
    let ring = Ring::replace(&name, 1 << 20)?; // /dev/shm/NAME, 1 MiB of frames
    let mut writer = ring.writer()?;
    for n in 0..frames.unwrap_or(u64::MAX) {
        let id = writer.publish(format!("frame {n}").as_bytes(), &FrameMeta::default())?;
        println!("published {id}");
        std::thread::sleep(Duration::from_millis(33));
    }
    Ok(())
}

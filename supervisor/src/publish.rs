//! `--publish`: what a bridge is told, and that nobody sees a login.
//!
//! Not here: the bridge itself (`bridge`), and what an address is (`broker`).

use std::ffi::OsString;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use broker::{Address, Origin, redacted};
use capture::Choice;
use worker::title;

use crate::{Usage, cli};

/// A number for this instance that hardly another one has.
pub fn origin() -> Origin {
    // Seeded by the kernel.
    Origin(RandomState::new().build_hasher().finish().max(1))
}

/// The bridge that is asked for.
///
/// # Errors
/// [`Usage`]: an address that can never become right.
pub fn bridge(
    asked: &cli::Serve,
    capture: &capture::Config,
) -> Result<Option<bridge::Config>, Usage> {
    let Some(publish) = &asked.publish else {
        return Ok(None);
    };
    let wrong = |why: String| Usage(format!("--publish {}: {why}", redacted(publish)));
    let address = Address::new(publish).map_err(wrong)?;
    let source = match &capture.choice {
        Choice::Amqp(source) => Some(source),
        Choice::Replay(past) => Some(&past.address),
        _ => None,
    };
    if let Some(source) = source
        && source.is_same_exchange(&address)
    {
        return Err(wrong(
            "that is the --source: frames would go in a circle; name another exchange".into(),
        ));
    }
    Ok(Some(bridge::Config {
        instance: asked.name.clone(),
        address,
        history: asked.publish_history,
        origin: capture.origin,
        quality: asked.quality,
    }))
}

/// Shows the command line without logins, or every user of this machine could read them in the list of processes.
/// `source` is the address as it was given.
pub fn hide_logins(
    source: &String,
    asked: &cli::Serve,
    capture: &capture::Config,
    bridge: Option<&bridge::Config>,
) {
    let mut secrets = Vec::new();
    if capture.is_secret() {
        secrets.push((source, capture.choice.to_string()));
    }
    if let (Some(publish), Some(bridge)) = (&asked.publish, bridge)
        && bridge.address.is_secret()
    {
        secrets.push((publish, bridge.address.to_string()));
    }
    if secrets.is_empty() {
        return;
    }
    let shown = |arg: OsString| {
        let arg = arg.to_string_lossy().into_owned();
        secrets
            .iter()
            .fold(arg, |arg, (secret, shown)| arg.replace(*secret, shown))
    };
    title::set(&std::env::args_os().map(shown).collect::<Vec<_>>().join(" "));
}

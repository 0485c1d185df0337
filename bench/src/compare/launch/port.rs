//! Ports for servers that cannot be told to take any.
//!
//! Not here: servers that say which port they took.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use bench::process::{GLANCE, PATIENCE, Process};

/// The state LISTEN in /proc/net/tcp (include/net/tcp_states.h).
const LISTEN: &str = "0A";

/// The first of so many ports in a row on which nobody listens. Somebody else may take one before it is used.
///
/// # Errors
/// Where none is found.
pub fn free(count: u16) -> Result<u16> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    for _ in 0..100 {
        let first = bind(0)?;
        let port = first.local_addr()?.port();
        let others = (1..count).map(|next| bind(port.checked_add(next)?).ok());
        if others.collect::<Option<Vec<_>>>().is_some() {
            return Ok(port);
        }
    }
    bail!("no {count} free ports in a row")
}

/// Waits until somebody listens on that port; without connecting, which some take for their only client.
///
/// # Errors
/// Where `process` ends before, or takes too long.
pub fn wait_for(port: u16, process: &mut Process) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
        if tables.iter().flatten().any(|table| listens(table, port)) {
            return Ok(());
        }
        if let Some(status) = process.ended()? {
            bail!("it ended with {status}: {}", process.command());
        }
        if Instant::now() >= deadline {
            bail!(
                "it does not listen after {} s: {}",
                PATIENCE.as_secs(),
                process.command()
            );
        }
        sleep(GLANCE);
    }
}

fn listens(table: &str, port: u16) -> bool {
    let end = format!(":{port:04X}");
    table.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = fields.next().context("no address").unwrap_or_default();
        local.ends_with(&end) && fields.nth(1) == Some(LISTEN)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_seen_and_its_port_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        assert!(listens(&table, port));
        drop(listener);
        let table =
            "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 01 0\n";
        assert!(!listens(table, 0x1f90));
        assert!(listens(&table.replace(" 01 ", " 0A "), 0x1f90));
        assert!(free(3).unwrap() > 0);
    }
}

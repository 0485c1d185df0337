//! Under which names this server is asked, as the Host says. Where only this machine can connect and
//! no password is asked for, a page from anywhere could reach it by a browser on this machine, under a
//! name of its own that leads here (DNS rebinding): so only names that nobody else can own are
//! answered.
//!
//! Not here: what is answered to others (`request`).

use std::net::{Ipv4Addr, Ipv6Addr};

/// Which names are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts<'a> {
    /// All.
    Any,
    /// Addresses, localhost, names without a dot (a proxy's for its upstream), those of the local
    /// network under `.local`, which no DNS server is asked for (RFC 6762 section 3), and these
    /// (`--allow-host`), in lower case.
    Own(&'a [String]),
}

impl Hosts<'_> {
    /// Whether a Host (`name`, `name:port`, `[v6]:port`) is one of them.
    pub fn has(self, host: &[u8]) -> bool {
        let Hosts::Own(allowed) = self else {
            return true;
        };
        match std::str::from_utf8(host).ok().and_then(without_port) {
            Some(Name::V6(address)) => address.parse::<Ipv6Addr>().is_ok(),
            Some(Name::Other(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
                is_own(&name) || allowed.contains(&name)
            }
            None => false,
        }
    }
}

enum Name<'a> {
    /// What stands in brackets.
    V6(&'a str),
    Other(&'a str),
}

fn without_port(host: &str) -> Option<Name<'_>> {
    let (name, after) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            (Name::V6(address), after)
        }
        None => {
            let (name, after) = host.split_at(host.find(':').unwrap_or(host.len()));
            (Name::Other(name), after)
        }
    };
    let is_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
    let fine = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
    fine.then_some(name)
}

/// Names under `.localhost` never leave the machine (RFC 6761 section 6.3).
fn is_own(name: &str) -> bool {
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let has_no_dot = !name.is_empty() && name.bytes().all(is_label);
    has_no_dot
        || name.ends_with(".localhost")
        || name.ends_with(".local")
        || name.parse::<Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_else_can_own() {
        let own = Hosts::Own(&[]);
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "[::1",
            "[x]",
            "127.0.0.1:80x",
            "localhost:80:80",
            "",
            ".",
            "::1",
            "evil.notlocal",
            "\u{e9}",
        ] {
            assert!(!own.has(host.as_bytes()), "{host:?}");
            assert!(Hosts::Any.has(host.as_bytes()), "{host:?}");
        }
        for host in [
            "localhost",
            "LocalHost:1",
            "localhost.",
            "a.b.localhost",
            "127.0.0.1:8080",
            "192.168.1.7",
            "[::1]",
            "[fe80::1]:80",
            "mjpgstreamer1",
            "my_upstream:80",
            "OctoPi.local",
        ] {
            assert!(own.has(host.as_bytes()), "{host:?}");
        }
    }

    #[test]
    fn names_that_were_allowed() {
        let allowed = ["cam.example.org".to_owned()];
        let hosts = Hosts::Own(&allowed);
        assert!(hosts.has(b"Cam.Example.org:8443") && hosts.has(b"cam.example.org."));
        assert!(!hosts.has(b"example.org") && !hosts.has(b"x.cam.example.org"));
    }
}

//! `--http` and `--raw`: what they may say, binding them, and how they are shown.
//!
//! Not here: what is answered there (`sender`).

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use sender::{Listener, Protocol};

use crate::sys;

/// How long a connection may stay silent before it takes a process, seconds.
const SILENT: i32 = 3;

/// How long the workers of a killed instance may take to die.
const DYING: Duration = Duration::from_secs(1);

/// Where to listen: `HOST:PORT`, `PORT` (this machine only) or `:PORT` (every address).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    text: String,
    host: String,
    port: u16,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
        let host = match host {
            "" => "0.0.0.0",
            host => host.trim_start_matches('[').trim_end_matches(']'),
        };
        let port = port.parse().map_err(|_| {
            format!("{text:?} is no address: use HOST:PORT, PORT (this machine only) or :PORT")
        })?;
        Ok(Address {
            text: text.into(),
            host: host.into(),
            port,
        })
    }
}

/// The option that says where a protocol is spoken.
fn flag(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "--http",
        Protocol::Raw => "--raw",
    }
}

/// An address that cannot be had, and the option that asked for it.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is no address of anything.
    #[error("{0} {1}: no such host ({2}): check the name, or use an address")]
    Unknown(&'static str, String, std::io::Error),
    /// This instance itself listens there, for the other option's sake.
    #[error("--raw {0}: --http {1} has that port: choose another for one of the two")]
    Same(SocketAddr, SocketAddr),
    /// Another program listens there.
    #[error("{0} {1} is in use: stop the program that listens there, or choose another port")]
    InUse(&'static str, SocketAddr),
    /// Ports below 1024 are the system's.
    #[error("{0} {1}: no right to listen there: choose a port from 1024 on")]
    NoRight(&'static str, SocketAddr),
    /// Another machine's.
    #[error("{0} {1} is no address of this machine: use one of its own, or 0.0.0.0 for all")]
    NotHere(&'static str, SocketAddr),
    /// Another failure.
    #[error("{0} {1}: {2}")]
    Failed(&'static str, SocketAddr, std::io::Error),
}

/// Binds every address that `address` names (`localhost` may name two), for this protocol. Some may
/// be `taken` by this instance.
///
/// # Errors
/// [`AddressError`].
pub fn bind(
    address: &Address,
    protocol: Protocol,
    taken: &[SocketAddr],
) -> Result<Vec<Listener>, AddressError> {
    let flag = flag(protocol);
    let unknown = |e| AddressError::Unknown(flag, address.text.clone(), e);
    let mut found: Vec<SocketAddr> = (address.host.as_str(), address.port)
        .to_socket_addrs()
        .map_err(unknown)?
        .collect();
    found.dedup();
    let several = found.len() > 1;
    let mut listeners: Vec<Listener> = Vec::new();
    for mut at in found {
        // Port 0 is chosen once; the other addresses of the same name get the same.
        if let Some(Ok(first)) = listeners.first().map(|l| l.socket.local_addr()) {
            at.set_port(first.port());
        }
        if let Some(&other) = taken.iter().find(|&&other| overlap(at, other)) {
            return Err(AddressError::Same(at, other));
        }
        let socket = match bind_one(at) {
            Ok(socket) => socket,
            // `localhost` may name an IPv6 address where there is no IPv6.
            Err(e) if several && e.kind() == ErrorKind::AddrNotAvailable => continue,
            Err(e) => {
                return Err(match e.kind() {
                    ErrorKind::AddrInUse => AddressError::InUse(flag, at),
                    ErrorKind::PermissionDenied => AddressError::NoRight(flag, at),
                    ErrorKind::AddrNotAvailable => AddressError::NotHere(flag, at),
                    _ => AddressError::Failed(flag, at, e),
                });
            }
        };
        let set_up = socket.set_nonblocking(true).and_then(|()| match protocol {
            Protocol::Http => sys::defer_accept(&socket, SILENT),
            // Its viewers say nothing.
            Protocol::Raw => Ok(()),
        });
        set_up.map_err(|e| AddressError::Failed(flag, at, e))?;
        listeners.push(Listener { socket, protocol });
    }
    if listeners.is_empty() {
        let nothing = std::io::Error::from(ErrorKind::NotFound);
        return Err(unknown(nothing));
    }
    Ok(listeners)
}

/// Binds one address. One in use is tried for a moment longer: the workers of an instance that was
/// killed hold its listeners until they are dead, too.
fn bind_one(at: SocketAddr) -> std::io::Result<TcpListener> {
    let began = Instant::now();
    loop {
        match TcpListener::bind(at) {
            Err(e) if e.kind() == ErrorKind::AddrInUse && began.elapsed() < DYING => {
                std::thread::sleep(Duration::from_millis(20));
            }
            bound => return bound,
        }
    }
}

/// Whether no two sockets can listen on these at once.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |all: IpAddr, ip: IpAddr| {
        all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4()) // IPv6's wildcard takes both
    };
    let (a, b) = (one.ip(), other.ip());
    one.port() == other.port() && one.port() != 0 && (a == b || covers(a, b) || covers(b, a))
}

/// Where this protocol is spoken.
pub fn bound(listeners: &[Listener], protocol: Protocol) -> Vec<SocketAddr> {
    listeners
        .iter()
        .filter(|listener| listener.protocol == protocol)
        .filter_map(|listener| listener.socket.local_addr().ok())
        .collect()
}

/// Addresses as the status shows them.
pub fn joined(addresses: &[SocketAddr]) -> String {
    let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    shown.join(",")
}

/// Whether only this machine can connect.
pub fn loopback_only(addresses: &[SocketAddr]) -> bool {
    addresses.iter().all(|address| address.ip().is_loopback())
}

/// The addresses under which a person reaches `addresses`: a wildcard becomes each of this
/// host's.
pub fn reachable(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut shown = Vec::new();
    for &address in addresses {
        if !address.ip().is_unspecified() {
            shown.push(address);
            continue;
        }
        shown.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()));
        shown.extend(
            host_addresses(address.is_ipv6())
                .into_iter()
                .map(|ip| SocketAddr::new(ip, address.port())),
        );
    }
    shown
}

/// This host's own addresses, without loopback and link-local ones.
fn host_addresses(v6: bool) -> Vec<IpAddr> {
    let of = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        let v6 = address
            .as_sockaddr_in6()
            .filter(|_| v6)
            .map(|a| IpAddr::V6(a.ip()));
        v4.or(v6)
    };
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    };
    getifaddrs()
        .into_iter()
        .flatten()
        .filter_map(of)
        .filter(usable)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, u16) {
        let address: Address = text.parse().unwrap();
        (address.host, address.port)
    }

    #[test]
    fn three_ways_to_say_it() {
        assert_eq!(parsed("8080"), ("127.0.0.1".into(), 8080));
        assert_eq!(parsed(":8080"), ("0.0.0.0".into(), 8080));
        assert_eq!(parsed("10.0.0.7:80"), ("10.0.0.7".into(), 80));
        assert_eq!(parsed("[::1]:0"), ("::1".into(), 0));
        for bad in ["", "x", "1.2.3.4:", "1.2.3.4:70000", ":"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_taken_port_says_so() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string().parse().unwrap();
        for (protocol, flag) in [(Protocol::Http, "--http"), (Protocol::Raw, "--raw")] {
            let error = bind(&address, protocol, &[]).unwrap_err();
            assert!(matches!(error, AddressError::InUse(..)));
            assert!(error.to_string().starts_with(flag), "{error}");
        }
        let own = bind(&address, Protocol::Raw, &[taken.local_addr().unwrap()]);
        assert!(matches!(own, Err(AddressError::Same(..))));
    }

    #[test]
    fn two_sockets_on_one_port() {
        let overlap = |a: &str, b: &str| {
            let [a, b] = [a, b].map(|text| text.parse().unwrap());
            assert_eq!(super::overlap(a, b), super::overlap(b, a));
            super::overlap(a, b)
        };
        assert!(overlap("127.0.0.1:81", "127.0.0.1:81"));
        assert!(overlap("0.0.0.0:81", "127.0.0.1:81"));
        assert!(overlap("[::]:81", "127.0.0.1:81"));
        assert!(overlap("[::]:81", "0.0.0.0:81"));
        assert!(!overlap("127.0.0.1:81", "127.0.0.1:82"));
        assert!(!overlap("127.0.0.1:81", "127.0.0.2:81"));
        assert!(!overlap("0.0.0.0:81", "[::1]:81"));
        assert!(!overlap("127.0.0.1:0", "127.0.0.1:0"));
    }

    #[test]
    fn a_wildcard_is_shown_as_what_can_be_typed() {
        let shown = reachable(&["0.0.0.0:81".parse().unwrap()]);
        assert_eq!(shown[0], "127.0.0.1:81".parse().unwrap());
        assert!(shown.iter().all(|a| !a.ip().is_unspecified()));
        assert!(loopback_only(&[shown[0]]));
    }
}

//! `--http`: what it may say, binding it, and how it is shown.
//!
//! Not here: what is answered there (`sender`).

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;

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

/// An address that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is no address of anything.
    #[error("--http {0}: no such host ({1}): check the name, or use an address")]
    Unknown(String, std::io::Error),
    /// Another program listens there.
    #[error("--http {0} is in use: stop the program that listens there, or choose another port")]
    InUse(SocketAddr),
    /// Ports below 1024 are the system's.
    #[error("--http {0}: no right to listen there: choose a port from 1024 on")]
    NoRight(SocketAddr),
    /// Another machine's.
    #[error("--http {0} is no address of this machine: use one of its own, or 0.0.0.0 for all")]
    NotHere(SocketAddr),
    /// Another failure.
    #[error("--http {0}: {1}")]
    Failed(SocketAddr, std::io::Error),
}

/// Binds every address that `address` names (`localhost` may name two).
///
/// # Errors
/// [`AddressError`].
pub fn bind(address: &Address) -> Result<Vec<TcpListener>, AddressError> {
    let unknown = |e| AddressError::Unknown(address.text.clone(), e);
    let mut found: Vec<SocketAddr> = (address.host.as_str(), address.port)
        .to_socket_addrs()
        .map_err(unknown)?
        .collect();
    found.dedup();
    let several = found.len() > 1;
    let mut listeners: Vec<TcpListener> = Vec::new();
    for mut at in found {
        // Port 0 is chosen once; the other addresses of the same name get the same.
        if let Some(Ok(first)) = listeners.first().map(TcpListener::local_addr) {
            at.set_port(first.port());
        }
        let listener = match bind_one(at) {
            Ok(listener) => listener,
            // `localhost` may name an IPv6 address where there is no IPv6.
            Err(e) if several && e.kind() == ErrorKind::AddrNotAvailable => continue,
            Err(e) => {
                return Err(match e.kind() {
                    ErrorKind::AddrInUse => AddressError::InUse(at),
                    ErrorKind::PermissionDenied => AddressError::NoRight(at),
                    ErrorKind::AddrNotAvailable => AddressError::NotHere(at),
                    _ => AddressError::Failed(at, e),
                });
            }
        };
        listener
            .set_nonblocking(true)
            .and_then(|()| sys::defer_accept(&listener, SILENT))
            .map_err(|e| AddressError::Failed(at, e))?;
        listeners.push(listener);
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

/// What the listeners listen on.
pub fn bound(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .collect()
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
        assert!(matches!(bind(&address), Err(AddressError::InUse(_))));
    }

    #[test]
    fn a_wildcard_is_shown_as_what_can_be_typed() {
        let shown = reachable(&["0.0.0.0:81".parse().unwrap()]);
        assert_eq!(shown[0], "127.0.0.1:81".parse().unwrap());
        assert!(shown.iter().all(|a| !a.ip().is_unspecified()));
        assert!(loopback_only(&[shown[0]]));
    }
}

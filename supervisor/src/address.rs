//! `--http` and `--raw`: what they may say, binding them, and how they are shown.
//!
//! Not here: what is answered there (`sender`).

use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use sender::{Listener, Protocol, Socket};

use crate::activation::Passed;
use crate::sys;
use crate::unix_socket::{self, SocketFile, UnixError, UnixPlace};

/// How long a connection may stay silent before it takes a process, seconds.
const SILENT: i32 = 3;

/// How long the workers of a killed instance may take to die.
const DYING: Duration = Duration::from_secs(1);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// On TCP.
    Tcp(Tcp),
    /// On a UNIX socket: `unix:PATH[,mode=MODE]`.
    Unix(UnixPlace),
    /// On the sockets that were passed: `systemd`.
    Systemd,
}

/// `HOST:PORT`, `PORT` (this machine only) or `:PORT` (every address).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    text: String,
    host: String,
    port: u16,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(place) => place.parse().map(Address::Unix),
            None if text == "systemd" => Ok(Address::Systemd),
            None => text.parse().map(Address::Tcp),
        }
    }
}

impl FromStr for Tcp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
        let host = match host {
            "" => "0.0.0.0",
            host => host.trim_start_matches('[').trim_end_matches(']'),
        };
        let port = port.parse().map_err(|_| {
            format!("{text:?} is no address: use HOST:PORT, PORT (this machine only), :PORT or unix:PATH")
        })?;
        Ok(Tcp {
            text: text.into(),
            host: host.into(),
            port,
        })
    }
}

/// Where it is listened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An address of TCP.
    Tcp(SocketAddr),
    /// A UNIX socket; without a path if it has none.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(at) => at.fmt(f),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Place {
    fn of(socket: &Socket) -> Option<Place> {
        match socket {
            Socket::Tcp(socket) => socket.local_addr().ok().map(Place::Tcp),
            Socket::Unix(socket) => {
                let at = socket.local_addr().ok()?;
                Some(Place::Unix(at.as_pathname().unwrap_or("".as_ref()).into()))
            }
        }
    }

    /// Its address of TCP, if it has one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Place::Tcp(at) => Some(*at),
            Place::Unix(_) => None,
        }
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
    /// A UNIX socket's path.
    #[error("{0} {1}: {2}")]
    Unix(&'static str, UnixPlace, UnixError),
    /// What systemd passed, or did not.
    #[error("--http systemd: {0}")]
    Passed(String),
    /// Raw sockets are told from the others by their names.
    #[error(
        "--raw systemd: say --http systemd, and FileDescriptorName=raw in the .socket unit of the raw one"
    )]
    NotRaw,
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

/// All that an instance listens on.
#[derive(Debug, Default)]
pub struct Listening {
    /// The sockets.
    pub listeners: Vec<Listener>,
    /// Files of those that have one, to be kept as long as they are listened on.
    pub files: Vec<SocketFile>,
}

/// Listens where `http` and `raw` say, on what was `passed` if it is to be that.
///
/// # Errors
/// [`AddressError`].
pub fn listen(
    http: &Address,
    raw: Option<&Address>,
    passed: Passed,
) -> Result<Listening, AddressError> {
    let mut all = Listening::default();
    if *http == Address::Systemd {
        for one in passed.sockets().map_err(AddressError::Passed)? {
            let protocol = if one.raw {
                Protocol::Raw
            } else {
                Protocol::Http
            };
            let set_up = set_up(&one.socket, protocol);
            set_up.map_err(|error| AddressError::Passed(error.to_string()))?;
            let socket = one.socket;
            all.listeners.push(Listener { socket, protocol });
        }
    } else if !passed.is_empty() {
        tracing::warn!("systemd passed sockets, which are not used: say --http systemd");
    }
    let asked = [(Some(http), Protocol::Http), (raw, Protocol::Raw)];
    for (address, protocol) in asked {
        match address {
            None => {}
            Some(Address::Systemd) if protocol == Protocol::Http => {}
            Some(Address::Systemd) => return Err(AddressError::NotRaw),
            Some(Address::Tcp(address)) => {
                let http = bound(&all.listeners, Protocol::Http);
                let taken: Vec<_> = http.iter().filter_map(Place::tcp).collect();
                all.listeners.extend(bind(address, protocol, &taken)?);
            }
            Some(Address::Unix(place)) => {
                let failed = |e| AddressError::Unix(flag(protocol), place.clone(), e);
                let (socket, file) = unix_socket::bind(place).map_err(failed)?;
                let socket = Socket::Unix(socket);
                set_up(&socket, protocol).map_err(|e| failed(e.into()))?;
                all.listeners.push(Listener { socket, protocol });
                all.files.push(file);
            }
        }
    }
    Ok(all)
}

/// Prepares a listening socket for senders.
fn set_up(socket: &Socket, protocol: Protocol) -> std::io::Result<()> {
    socket.set_nonblocking()?;
    match (socket, protocol) {
        (Socket::Tcp(socket), Protocol::Http) => sys::defer_accept(socket, SILENT),
        // Raw viewers say nothing, and UNIX sockets have no such option.
        _ => Ok(()),
    }
}

/// Binds every address that `address` names (`localhost` may name two), for this protocol. Some may
/// be `taken` by this instance.
fn bind(
    address: &Tcp,
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
        if let Some(Place::Tcp(first)) = listeners.first().and_then(|l| Place::of(&l.socket)) {
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
        let socket = Socket::Tcp(socket);
        set_up(&socket, protocol).map_err(|e| AddressError::Failed(flag, at, e))?;
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
pub fn bound(listeners: &[Listener], protocol: Protocol) -> Vec<Place> {
    listeners
        .iter()
        .filter(|listener| listener.protocol == protocol)
        .filter_map(|listener| Place::of(&listener.socket))
        .collect()
}

/// Places as the status shows them; over TLS what is reached by TCP says so.
pub fn joined(places: &[Place], tls: bool) -> String {
    let shown: Vec<_> = places
        .iter()
        .map(|place| match place {
            Place::Tcp(at) if tls => format!("https://{at}"),
            place => place.to_string(),
        })
        .collect();
    shown.join(",")
}

/// Whether only this machine can connect.
pub fn loopback_only(places: &[Place]) -> bool {
    let mut addresses = places.iter().filter_map(Place::tcp);
    addresses.all(|address| address.ip().is_loopback())
}

/// The addresses under which a person reaches those of `places`: a wildcard becomes each of this
/// host's.
pub fn reachable(places: &[Place]) -> Vec<SocketAddr> {
    let mut shown = Vec::new();
    for address in places.iter().filter_map(Place::tcp) {
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
        let address: Tcp = text.parse().unwrap();
        (address.host, address.port)
    }

    #[test]
    fn three_ways_to_say_it() {
        assert_eq!(parsed("8080"), ("127.0.0.1".into(), 8080));
        assert_eq!(parsed(":8080"), ("0.0.0.0".into(), 8080));
        assert_eq!(parsed("10.0.0.7:80"), ("10.0.0.7".into(), 80));
        assert_eq!(parsed("[::1]:0"), ("::1".into(), 0));
        assert_eq!("systemd".parse(), Ok(Address::Systemd));
        assert!(matches!("unix:/x".parse(), Ok(Address::Unix(_))));
        for bad in [
            "unix:",
            "unix:/x,mode=8",
            "",
            "x",
            "1.2.3.4:",
            "1.2.3.4:70000",
            ":",
        ] {
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
        let shown = reachable(&[Place::Tcp("0.0.0.0:81".parse().unwrap())]);
        assert_eq!(shown[0], "127.0.0.1:81".parse().unwrap());
        assert!(shown.iter().all(|a| !a.ip().is_unspecified()));
        let unix = Place::Unix("/run/x".into());
        let near = [Place::Tcp(shown[0]), unix];
        assert!(loopback_only(&near));
        assert_eq!(joined(&near, false), "127.0.0.1:81,unix:/run/x");
        assert_eq!(joined(&near, true), "https://127.0.0.1:81,unix:/run/x");
    }
}

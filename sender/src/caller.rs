//! Who is at the other end of a connection, as far as one can tell.
//!
//! A proxy on this machine is believed when it names whom it speaks for: nobody else can be between.
//! Not here: what a request says of it (`http::origin`), and what somebody may.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Who called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    /// None: over a UNIX socket.
    peer: Option<SocketAddr>,
    /// For whom it speaks.
    named: Option<IpAddr>,
}

impl Caller {
    /// By the peer's address; none: a UNIX socket.
    pub fn new(peer: Option<SocketAddr>) -> Self {
        // Over IPv4 on an IPv6 socket is shown as what it is.
        let canonical = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
        Caller {
            peer: peer.map(canonical),
            named: None,
        }
    }

    /// The same, where it may say so, for somebody else.
    pub fn speaking_for(self, named: Option<IpAddr>) -> Self {
        let near = self.peer.is_none_or(|peer| peer.ip().is_loopback());
        Caller {
            named: named.filter(|_| near),
            ..self
        }
    }

    /// Whether it came over a UNIX socket: no web browser can.
    pub fn is_unix(self) -> bool {
        self.peer.is_none()
    }

    /// The address, without a port where a proxy named it, or `unix`.
    pub fn address(self) -> String {
        match (self.named, self.peer) {
            (Some(named), _) => named.to_string(),
            (None, _) => self.peer_address(),
        }
    }

    /// The same without a port.
    pub fn host(self) -> String {
        match self.named.or(self.peer.map(|peer| peer.ip())) {
            Some(ip) => ip.to_string(),
            None => self.peer_address(),
        }
    }

    /// The proxy that named it.
    pub fn via(self) -> Option<String> {
        self.named.map(|_| self.peer_address())
    }

    fn peer_address(self) -> String {
        self.peer.map_or("unix".into(), |peer| peer.to_string())
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address())?;
        self.via().map_or(Ok(()), |via| write!(f, " via {via}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_near_is_believed() {
        let named = Some("192.0.2.7".parse().unwrap());
        for (peer, wanted) in [
            (None, "192.0.2.7 via unix"),
            (Some("127.0.0.1:5512"), "192.0.2.7 via 127.0.0.1:5512"),
            (
                Some("[::ffff:127.0.0.1]:5512"),
                "192.0.2.7 via 127.0.0.1:5512",
            ),
            (Some("[::1]:5512"), "192.0.2.7 via [::1]:5512"),
            (Some("10.0.0.1:5512"), "10.0.0.1:5512"),
        ] {
            let caller = Caller::new(peer.map(|peer| peer.parse().unwrap()));
            assert_eq!(caller.speaking_for(named).to_string(), wanted);
            assert_eq!(caller.via(), None);
        }
        assert_eq!(Caller::new(None).to_string(), "unix");
        assert_eq!(Caller::new(None).host(), "unix");
        let near = Caller::new("127.0.0.1:5512".parse().ok());
        assert_eq!(near.host(), "127.0.0.1");
        assert_eq!(near.speaking_for(named).host(), "192.0.2.7");
    }
}

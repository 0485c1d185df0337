//! What goes wrong with a broker, in a sentence that says what to do. Neither user nor password is in it.
//!
//! Not here: when to try again.

use std::fmt::Display;
use std::io;

use lapin::ErrorKind;
use lapin::protocol::AMQPError;

use crate::Address;
use crate::address::LOGIN;

/// Why there is no connection, or none any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Trouble {
    what: String,
    /// The broker answered, and will not have it: to ask again soon is no use.
    refused: bool,
}

/// Characters of what a broker says.
const MOST_SAID: usize = 80;

// Reply codes: AMQP 0-9-1, section 1.2.
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
const NOT_ALLOWED: u16 = 530;
const CONNECTION_FORCED: u16 = 320;

impl Trouble {
    /// Something that may pass.
    #[must_use]
    pub fn passing(what: impl Display) -> Trouble {
        Trouble {
            what: what.to_string(),
            refused: false,
        }
    }

    /// The broker's no.
    pub(crate) fn refusal(what: String) -> Trouble {
        Trouble {
            what,
            refused: true,
        }
    }

    /// Whether to ask again soon is no use.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.refused
    }

    /// What `lapin` says, while the connection was being made (`connecting`) or later.
    pub(crate) fn of(error: &lapin::Error, address: &Address, connecting: bool) -> Trouble {
        match error.kind() {
            ErrorKind::IOError(e) => Trouble::passing(plain(e)),
            ErrorKind::MissingHeartbeatError => Trouble::passing("the broker has gone silent"),
            ErrorKind::ProtocolError(e) => refusal(e, address, connecting),
            ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => {
                Trouble::passing("the broker closed the connection")
            }
            ErrorKind::ParsingError(_) => Trouble::passing(
                "what answers there does not speak AMQP: the port is 5672, or 5671 with amqps://",
            ),
            _ => Trouble::passing(one_line(&error.to_string())),
        }
    }
}

/// Short, since a reason goes into the ring's header behind the address (160 bytes in all), which names the
/// exchange.
fn refusal(error: &AMQPError, address: &Address, connecting: bool) -> Trouble {
    let vhost = &address.vhost;
    let grant = format!("set_permissions -p {vhost} USER '.*' '.*' '.*'");
    let (what, refused) = match error.get_id() {
        ACCESS_REFUSED if connecting => (
            format!(
                "user or password is wrong: {LOGIN}=USER:PASSWORD (guest: from the broker's machine only)"
            ),
            true,
        ),
        ACCESS_REFUSED => (
            format!("this user may not use it: rabbitmqctl {grant}"),
            true,
        ),
        NOT_ALLOWED => (
            format!(
                "virtual host missing or closed to this user: rabbitmqctl add_vhost {vhost}; rabbitmqctl {grant}"
            ),
            true,
        ),
        NOT_FOUND => ("the exchange is not there".into(), false),
        CONNECTION_FORCED => ("the broker is shutting down".into(), false),
        _ => (
            format!("the broker says {}", one_line(&error.to_string())),
            true,
        ),
    };
    Trouble { what, refused }
}

/// What somebody else says, for the log and for viewers: in one line, and a short one.
fn one_line(said: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    said.chars().map(plain).take(MOST_SAID).collect()
}

/// Whether it is what a broker answers where an exchange or a queue is not there.
pub(crate) fn is_not_found(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(e) if e.get_id() == NOT_FOUND)
}

/// Whether it is what a broker answers where a queue is there, but another one.
pub(crate) fn is_precondition_failed(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(e) if e.get_id() == PRECONDITION_FAILED)
}

/// An error without its number.
fn plain(error: &io::Error) -> String {
    let said = error.to_string();
    let plain = said
        .split(" (os error")
        .next()
        .unwrap_or_default()
        .to_lowercase();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("{plain}: is a broker running there?"),
        io::ErrorKind::ConnectionAborted => "the broker closed the connection".into(),
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16, connecting: bool) -> Trouble {
        let address = Address::parse("amqp://ann:geheim@mq/cams/x", None).unwrap();
        let error = AMQPError::from_id(code, "user 'ann'".into()).unwrap();
        Trouble::of(
            &ErrorKind::ProtocolError(error).into(),
            &address,
            connecting,
        )
    }

    #[test]
    fn a_refusal_says_what_to_do_and_not_who() {
        for (code, connecting, words) in [
            (403, true, "SEQCAST_AMQP_AUTH=USER:PASSWORD"),
            (403, false, "set_permissions -p cams USER"),
            (530, true, "add_vhost cams"),
        ] {
            let said = said(code, connecting);
            assert!(
                said.is_refusal() && said.to_string().contains(words),
                "{said}"
            );
            assert!(!said.to_string().contains("ann"), "{said}");
        }
        assert!(!said(404, false).is_refusal());
        assert!(!said(320, false).is_refusal());
    }

    #[test]
    fn what_a_broker_says_is_one_short_line() {
        let long = format!("evil\n{}", "x".repeat(200));
        let said = one_line(&long);
        assert!(
            said.starts_with("evil x") && said.len() == MOST_SAID,
            "{said}"
        );
    }

    #[test]
    fn what_passes_is_said_plainly() {
        let address = Address::parse("amqp://mq/x", None).unwrap();
        let error = io::Error::from_raw_os_error(111).into();
        let said = Trouble::of(&error, &address, true);
        assert_eq!(
            said.to_string(),
            "connection refused: is a broker running there?"
        );
        assert!(!said.is_refusal());
    }
}

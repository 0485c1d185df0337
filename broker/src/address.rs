//! Where frames cross: `amqp[s]://[user[:password]@]host[:port]/[vhost/]EXCHANGE[?…]`, RabbitMQ's URI
//! (rabbitmq.com/docs/uri-spec) with an exchange behind the virtual host; what is not plain is written
//! `%XX`. It is shown without user and password.
//!
//! Not here: connecting.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Longest address taken, bytes.
const MAX_ADDRESS: usize = 2048;
/// Longest name of an exchange, bytes (AMQP 0-9-1, domain `exchange-name`).
const MAX_NAME: usize = 127;
/// The virtual host where none is named.
const DEFAULT_VHOST: &str = "/";

/// The environment's word for a login, `USER:PASSWORD`: unlike an argument it is not for all to see.
pub(crate) const LOGIN: &str = "SEQCAST_AMQP_AUTH";
/// The environment's word for a file whose first line is that.
const LOGIN_FILE: &str = "SEQCAST_AMQP_AUTH_FILE";

/// An exchange of a broker, and how to get there.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(crate) tls: bool,
    /// An IPv6 address without its brackets.
    pub(crate) host: String,
    /// 1 to 65535.
    pub(crate) port: u16,
    pub(crate) vhost: String,
    pub(crate) exchange: String,
    pub(crate) login: Login,
    /// Certificates (PEM) to trust beside the system's.
    pub(crate) certificates: Option<PathBuf>,
    format: Option<Format>,
    /// A login was part of it.
    secret: bool,
}

/// As whom to come.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub user: String,
    pub password: String,
}

/// What is in a message's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JPEG.
    Jpeg,
    /// What clients of 2019 read: 8 bytes of header, packed BGR.
    Raw,
}

/// What is wrong with an address, and what to do.
pub type Reason = String;

impl Address {
    /// Whether that is meant to be one.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        let scheme = text.split("://").next().unwrap_or_default();
        text.contains("://")
            && ["amqp", "amqps"]
                .iter()
                .any(|s| scheme.eq_ignore_ascii_case(s))
    }

    /// Reads an address; the login that it has not comes from the environment, or else is RabbitMQ's
    /// own default.
    ///
    /// # Errors
    /// A sentence for a person, without what may be secret.
    pub fn new(text: &str) -> Result<Address, Reason> {
        let login = match (std::env::var(LOGIN), std::env::var_os(LOGIN_FILE)) {
            (Ok(login), _) => Some(login),
            (Err(_), Some(path)) => {
                let path = PathBuf::from(path);
                let text = std::fs::read_to_string(&path)
                    .map_err(|e| format!("{LOGIN_FILE}={}: {e}", path.display()))?;
                Some(text.lines().next().unwrap_or_default().to_owned())
            }
            (Err(_), None) => None,
        };
        Address::parse(text, login.as_deref())
    }

    /// Reads an address. `login` (`user:password`, as it is) is taken where the address has none of its own.
    ///
    /// # Errors
    /// A sentence for a person, without what may be secret.
    pub fn parse(text: &str, login: Option<&str>) -> Result<Address, Reason> {
        if text.len() > MAX_ADDRESS {
            return Err(format!("it is longer than {MAX_ADDRESS} bytes"));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "amqp" => false,
            "amqps" => true,
            _ => return Err("it must begin with amqp:// or amqps://".into()),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (own, place) = match authority.rsplit_once('@') {
            Some((own, place)) => (Some(own), place),
            None => (None, authority),
        };
        let (host, port) = place_of(place, if tls { 5671 } else { 5672 })?;
        let (vhost, exchange) = match path.split_once('/') {
            Some((vhost, exchange)) => (decoded(vhost)?, exchange),
            None => (DEFAULT_VHOST.to_owned(), path),
        };
        if path.contains('@') {
            // Else what stands before it were taken for the host, and shown.
            return Err("a / in a user or password is written %2f, an @ in a name %40".into());
        }
        if exchange.contains('/') || vhost.is_empty() {
            return Err(
                "it must end with /EXCHANGE or /VHOST/EXCHANGE; a / within a name is %2f".into(),
            );
        }
        let exchange = decoded(exchange)?;
        if exchange.is_empty() || exchange.len() > MAX_NAME || vhost.len() > MAX_NAME {
            return Err(format!(
                "it must name an exchange behind the host, as in amqp://HOST/frames, of up to {MAX_NAME} bytes"
            ));
        }
        let (format, certificates) = asked_of(query)?;
        Ok(Address {
            tls,
            host,
            port,
            vhost,
            exchange,
            login: match (own, login) {
                (Some(own), _) => Login::decoded(own)?,
                (None, Some(login)) => Login::plain(login)?,
                (None, None) => Login::default(),
            },
            certificates,
            format,
            secret: own.is_some(),
        })
    }

    /// What its messages are to hold; nothing where that was not said.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// Whether the address as it was given is nobody else's business.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    /// Whether both are the same exchange, as far as can be told without asking.
    #[must_use]
    pub fn is_same_exchange(&self, other: &Address) -> bool {
        let place = |address: &Address| (address.host.to_ascii_lowercase(), address.port);
        place(self) == place(other)
            && (&self.vhost, &self.exchange) == (&other.vhost, &other.exchange)
    }
}

/// Host and port of `host[:port]`.
fn place_of(place: &str, default: u16) -> Result<(String, u16), Reason> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("its [ has no ]")?,
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        return Err("it must be amqp://HOST[:PORT]/EXCHANGE".into());
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => default,
        port => match port.map(str::parse) {
            Some(Ok(port)) if port > 0 => port,
            _ => return Err("its port is not 1 to 65535".into()),
        },
    };
    Ok((host.to_owned(), port))
}

/// `format=` and `cacertfile=` (RabbitMQ's own word) of a query.
fn asked_of(query: Option<&str>) -> Result<(Option<Format>, Option<PathBuf>), Reason> {
    let (mut format, mut certificates) = (None, None);
    for (name, value) in query
        .unwrap_or_default()
        .split('&')
        .map(|one| one.split_once('=').unwrap_or((one, "")))
    {
        match (name, value) {
            ("", "") => {}
            ("format", "jpeg") => format = Some(Format::Jpeg),
            ("format", "raw") => format = Some(Format::Raw),
            ("cacertfile", path) if !path.is_empty() => certificates = Some(decoded(path)?.into()),
            _ => {
                return Err(
                    "behind its ? may be format=jpeg, format=raw and cacertfile=PATH".into(),
                );
            }
        }
    }
    Ok((format, certificates))
}

/// `%XX` undone.
fn decoded(text: &str) -> Result<String, Reason> {
    let plain = percent_decode_str(text).decode_utf8();
    let plain = plain.map_err(|_| "what is not plain ASCII must be UTF-8, written as %XX")?;
    if plain.contains(char::is_control) {
        return Err("its names must not hold control characters".into());
    }
    Ok(plain.into_owned())
}

impl Login {
    fn plain(text: &str) -> Result<Login, Reason> {
        match text.split_once(':') {
            Some((user, password)) if !text.contains(char::is_control) => Ok(Login {
                user: user.into(),
                password: password.into(),
            }),
            _ => Err(format!(
                "the login, of {LOGIN} or the first line of the file in {LOGIN_FILE}, must be USER:PASSWORD"
            )),
        }
    }

    fn decoded(own: &str) -> Result<Login, Reason> {
        let (user, password) = own.split_once(':').unwrap_or((own, ""));
        Ok(Login {
            user: decoded(user)?,
            password: decoded(password)?,
        })
    }
}

/// RabbitMQ's: on its own machine only.
impl Default for Login {
    fn default() -> Login {
        Login {
            user: "guest".into(),
            password: "guest".into(),
        }
    }
}

/// For everybody: log, status, process list.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const OUTSIDE: &AsciiSet = &NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'.')
            .remove(b'_')
            .remove(b'~');
        let (scheme, default) = if self.tls {
            ("amqps", 5671)
        } else {
            ("amqp", 5672)
        };
        let encoded = |name| utf8_percent_encode(name, OUTSIDE);
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]", self.host)?,
            false => write!(f, "{scheme}://{}", self.host)?,
        }
        if self.port != default {
            write!(f, ":{}", self.port)?;
        }
        if self.vhost != DEFAULT_VHOST {
            write!(f, "/{}", encoded(&self.vhost))?;
        }
        write!(f, "/{}", encoded(&self.exchange))
    }
}

/// As [`Display`](fmt::Display): what is secret is shown nowhere.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// An address that cannot be taken, without what may be a login, and not too long.
#[must_use]
pub fn redacted(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let rest = rest.split('?').next().unwrap_or_default();
    let shown = format!("{scheme}://{rest}");
    shown
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text, None).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn takes_what_people_write() {
        for (text, host, port, vhost, exchange, shown) in [
            ("amqp://mq/logs", "mq", 5672, "/", "logs", "amqp://mq/logs"),
            (
                "AMQPS://mq/logs",
                "mq",
                5671,
                "/",
                "logs",
                "amqps://mq/logs",
            ),
            (
                "amqp://u:p@mq:1/cams/cam%2f0",
                "mq",
                1,
                "cams",
                "cam/0",
                "amqp://mq:1/cams/cam%2F0",
            ),
            (
                "amqp://[::1]:5673/%2f/x?format=raw",
                "::1",
                5673,
                "/",
                "x",
                "amqp://[::1]:5673/x",
            ),
        ] {
            let found = address(text);
            assert_eq!((found.host.as_str(), found.port), (host, port), "{text}");
            assert_eq!(
                (found.vhost.as_str(), found.exchange.as_str()),
                (vhost, exchange),
                "{text}"
            );
            assert_eq!(found.to_string(), shown);
            assert!(address(shown).is_same_exchange(&found));
        }
        assert_eq!(
            address("amqp://mq/x?format=raw").format(),
            Some(Format::Raw)
        );
        let trusted = address("amqps://mq/x?cacertfile=/etc/ca%20.pem&format=jpeg").certificates;
        assert_eq!(trusted, Some("/etc/ca .pem".into()));
    }

    #[test]
    fn refuses_the_rest_with_a_reason() {
        for (text, words) in [
            ("http://mq/x", "amqp://"),
            ("amqp://mq", "name an exchange"),
            ("amqp://mq/", "name an exchange"),
            ("amqp://mq/vhost/", "name an exchange"),
            ("amqp://mq//x", "/VHOST/EXCHANGE"),
            ("amqp://mq/a/b/c", "%2f"),
            ("amqp://ann:12/34@mq/x", "%40"),
            ("amqp://:1/x", "HOST"),
            ("amqp://u:p@/x", "HOST"),
            ("amqp://[::1/x", "]"),
            ("amqp://mq:0/x", "port"),
            ("amqp://mq:x/x", "port"),
            ("amqp://mq:/x", "port"),
            ("amqp://mq/%ff", "UTF-8"),
            ("amqp://mq/%0a", "control"),
            ("amqp://mq/x?format=png", "format=jpeg"),
            ("amqp://mq/x?frmat=raw", "format=jpeg"),
        ] {
            let said = Address::parse(text, None).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
        assert!(
            Address::parse("amqp://mq/x", Some("secret"))
                .unwrap_err()
                .contains("USER:PASSWORD")
        );
    }

    #[test]
    fn a_login_is_taken_and_not_shown() {
        let own = address("amqp://ann:ge%3Aheim@mq/x");
        assert_eq!(
            (own.login.user.as_str(), own.login.password.as_str()),
            ("ann", "ge:heim")
        );
        assert!(own.is_secret());
        let other = Address::parse("amqp://mq/x", Some("ann:ge:heim")).unwrap();
        assert!(other.login == own.login);
        assert!(!other.is_secret());
        assert_eq!(address("amqp://mq/x").login.user, "guest");
        for shown in [
            own.to_string(),
            format!("{own:?}"),
            redacted("amqp://ann:geheim@mq/x?a=geheim"),
        ] {
            assert!(!shown.contains("heim") && shown.contains("mq/x"), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_an_error(text in "(amqps?://)?[ -~é\u{0}\n]{0,60}") {
            let _ = redacted(&text);
            if let Ok(found) = Address::parse(&text, None) {
                prop_assert!(address(&found.to_string()).is_same_exchange(&found));
            }
        }
    }
}

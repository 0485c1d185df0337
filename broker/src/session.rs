//! A connection to a broker with one channel, and the exchange that the address names.
//!
//! Not here: publishing (`publisher`), consuming (`subscription`), when to try again.

use std::io;
use std::time::Duration;

use lapin::options::ExchangeDeclareOptions;
use lapin::tcp::OwnedTLSConfig;
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::trouble::is_not_found;
use crate::{Address, Trouble};

/// How long it may take to be ready, the name's look-up included. Shorter than capture's patience, so that
/// the reason shown is the one that is known.
const OPENING: Duration = Duration::from_secs(3);

/// Between two signs of life, seconds. A broker that is stopped is noticed sooner, since it owes an answer.
const HEARTBEAT: u16 = 10;

/// The longest part of a message, bytes; RabbitMQ's own default. `lapin` makes room for 64 of them, and takes the
/// broker's word for it where it is not told.
const FRAME_MAX: u32 = 131_072;

/// How long a connection has for its farewell.
const FAREWELL: Duration = Duration::from_millis(200);

/// A runtime for one connection, on the thread that drives it. To be ended with `shutdown_background`: what
/// hangs on a broker that does not answer, threads included, ends with it.
///
/// # Errors
/// No descriptors to be had.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

pub(crate) struct Session {
    pub connection: Connection,
    pub channel: Channel,
}

impl Session {
    /// Connects; `name` is what the broker's operator sees. An exchange that is not there is declared as a
    /// fanout that outlives nothing, as in 2019.
    pub async fn open(address: &Address, name: &str) -> Result<Session, Trouble> {
        in_time(async {
            let mut session = Session::try_connect(address, name).await?;
            session.find_exchange(address).await?;
            Ok(session)
        })
        .await
    }

    /// The same without a look at the exchange: what is kept of it outlives it.
    pub async fn connect(address: &Address, name: &str) -> Result<Session, Trouble> {
        in_time(Session::try_connect(address, name)).await
    }

    async fn try_connect(address: &Address, name: &str) -> Result<Session, Trouble> {
        let connecting = |e| Trouble::of(&e, address, true);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let certificates = certificates(address)?;
        let connected = Connection::connect_uri_with_config(
            uri(address),
            properties,
            certificates,
            lapin::runtime::default_runtime().map_err(connecting)?,
        );
        let connection = connected.await.map_err(connecting)?;
        let refused = |e| Trouble::of(&e, address, false);
        let channel = connection.create_channel().await.map_err(refused)?;
        Ok(Session {
            connection,
            channel,
        })
    }

    async fn find_exchange(&mut self, address: &Address) -> Result<(), Trouble> {
        let refused = |e| Trouble::of(&e, address, false);
        match declare(&self.channel, address, true).await {
            Err(e) if is_not_found(&e) => {
                // That answer closed the channel.
                self.channel = self.connection.create_channel().await.map_err(refused)?;
                declare(&self.channel, address, false)
                    .await
                    .map_err(|e| missing(&e, address))
            }
            declared => declared.map_err(refused),
        }
    }

    /// Whether the broker has said that it takes no messages (`connection.blocked`).
    pub fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Says good-bye, if that can be done quickly.
    pub async fn close(&self) {
        let _ = timeout(FAREWELL, self.connection.close(200, "".into())).await;
    }
}

/// What belongs to being ready, in its time.
pub(crate) async fn in_time<T>(
    opening: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    match timeout(OPENING, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(Trouble::passing(format!("no answer within {OPENING:?}"))),
    }
}

/// Asks whether the exchange is there (`passive`), or makes it.
async fn declare(channel: &Channel, address: &Address, passive: bool) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions {
        passive,
        ..ExchangeDeclareOptions::default()
    };
    let name = address.exchange.as_str().into();
    channel
        .exchange_declare(name, ExchangeKind::Fanout, options, FieldTable::default())
        .await
}

/// The exchange is not there, and may not be made.
fn missing(error: &lapin::Error, address: &Address) -> Trouble {
    let refused = Trouble::of(error, address, false);
    if !refused.is_refusal() {
        return refused;
    }
    let Address {
        vhost, exchange, ..
    } = address;
    Trouble::refusal(format!(
        "missing, and this user may not make it: rabbitmqadmin -V {vhost} declare exchange name={exchange} \
         type=fanout durable=false"
    ))
}

/// What is to be trusted beside what the system trusts.
fn certificates(address: &Address) -> Result<OwnedTLSConfig, Trouble> {
    let chain = address.certificates.as_ref().map(|path| {
        std::fs::read_to_string(path)
            .map_err(|e| Trouble::passing(format!("certificates in {}: {e}", path.display())))
    });
    Ok(OwnedTLSConfig {
        identity: None,
        cert_chain: chain.transpose()?,
    })
}

fn uri(address: &Address) -> AMQPUri {
    AMQPUri {
        scheme: match address.tls {
            true => AMQPScheme::AMQPS,
            false => AMQPScheme::AMQP,
        },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: address.login.user.clone(),
                password: address.login.password.clone(),
            },
            host: address.host.clone(),
            port: address.port,
        },
        vhost: address.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(HEARTBEAT),
            frame_max: Some(FRAME_MAX),
            ..AMQPQueryString::default()
        },
    }
}

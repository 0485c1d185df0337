//! Publishing to the exchange, each message confirmed.
//!
//! Not here: how many are under way, and what a late confirm means (`bridge`).

use std::future::pending;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Confirmation};
use tokio::time::sleep;

use crate::history;
use crate::session::{Session, in_time};
use crate::{Address, Retention, Trouble};

/// How often the history is looked after.
const KEEPING: Duration = Duration::from_secs(5);

/// A connection that publishes. To be opened and used in a [`runtime`](crate::runtime).
pub struct Publisher {
    session: Session,
    address: Address,
    history: Option<Retention>,
}

impl Publisher {
    /// Connects; `name` is what the broker's operator sees. With a `history` the broker keeps so much of what is
    /// published.
    ///
    /// # Errors
    /// [`Trouble`], after seconds where nobody answers.
    pub async fn open(
        address: &Address,
        name: &str,
        history: Option<Retention>,
    ) -> Result<Publisher, Trouble> {
        let session = Session::open(address, name).await?;
        if let Some(retention) = history {
            in_time(history::keep(&session, address, retention)).await?;
        }
        let confirming = session
            .channel
            .confirm_select(ConfirmSelectOptions::default());
        in_time(async {
            confirming
                .await
                .map_err(|e| Trouble::of(&e, address, false))
        })
        .await?;
        Ok(Publisher {
            session,
            address: address.clone(),
            history,
        })
    }

    /// Looks after the history for as long as it is polled: one that somebody deletes is made again, seconds later.
    /// Ends with trouble alone.
    pub async fn keep_history(&self) -> Trouble {
        let Some(retention) = self.history else {
            return pending().await;
        };
        loop {
            sleep(KEEPING).await;
            // A broker that takes nothing for now gives no answer either.
            if !self.is_blocked()
                && let Err(trouble) = history::keep(&self.session, &self.address, retention).await
            {
                return trouble;
            }
        }
    }

    /// Publishes a message. Whether the broker confirmed it comes when the broker says so, which may be never.
    ///
    /// # Errors
    /// [`Trouble`]: the connection is of no more use.
    pub fn publish(
        &self,
        body: Vec<u8>,
        properties: BasicProperties,
    ) -> impl Future<Output = Result<bool, Trouble>> + use<> {
        let channel = self.session.channel.clone();
        let address = self.address.clone();
        async move {
            let trouble = |e| Trouble::of(&e, &address, false);
            let exchange = address.exchange.as_str().into();
            let options = BasicPublishOptions::default();
            let published = channel.basic_publish(exchange, "".into(), options, &body, properties);
            let confirm = published.await.map_err(trouble)?;
            drop(body);
            let confirmed = confirm.await.map_err(trouble)?;
            Ok(matches!(confirmed, Confirmation::Ack(_)))
        }
    }

    /// Whether the broker has said that it takes no messages (`connection.blocked`): its memory or disk is
    /// short.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.session.is_blocked()
    }

    /// Whether the connection stands, as far as is known.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.session.connection.status().connected() && self.session.channel.status().connected()
    }

    /// Says good-bye, if that can be done quickly.
    pub async fn close(&self) {
        self.session.close().await;
    }
}

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_nats::{
    Client,
    connection::State,
    jetstream::{self, Context},
};
use events::Reconnects;
use futures::future;
use tokio::time::Instant;

/// How long the broker may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where payments are asked for, and where they answer.
const STREAMS: [&str; 2] = ["ORDER", "PAYMENT"];

/// How long the broker has been there, as this replica sees it: the way that a payment's answer comes.
///
/// An open connection alone says little: it stays open for a while to a broker that hangs, and for good to a cluster
/// that has lost its quorum. So the broker is asked, each time, and for the streams that orders and payments go through:
/// only who leads a stream answers for it. A stream that is missing was never made, or was lost and is about to be made
/// anew; the broker isn't there until it is.
pub(crate) struct Broker {
    nats: Client,
    jetstream: Context,
    reconnects: Reconnects,
    standing: Mutex<Option<Standing>>,
}

#[derive(Clone, Copy)]
struct Standing {
    connection: u64,
    since: Instant,
}

impl Broker {
    pub(crate) fn new(nats: Client, reconnects: Reconnects) -> Self {
        let mut jetstream = jetstream::new(nats.clone());
        jetstream.set_timeout(PATIENCE);
        Self { nats, jetstream, reconnects, standing: Mutex::default() }
    }

    /// For how long it has answered whenever it was asked, over one connection; `None` if it doesn't answer now.
    ///
    /// To be asked regularly: what happens to the broker in between shows only if it breaks the connection. A new
    /// connection counts from its beginning, since the broker behind it may have lost what it held.
    pub(super) async fn standing_for(&self) -> Option<Duration> {
        let answers = self.answers().await;
        let connection = self.reconnects.count();
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if !answers {
            *standing = None;
            return None;
        }
        if standing.is_none_or(|standing| standing.connection != connection) {
            *standing = Some(Standing { connection, since: Instant::now() });
        }
        standing.map(|standing| standing.since.elapsed())
    }

    async fn answers(&self) -> bool {
        // Without a connection the question would wait for the next one.
        self.nats.connection_state() == State::Connected
            && future::try_join_all(STREAMS.map(|stream| self.jetstream.get_stream(stream))).await.is_ok()
    }
}

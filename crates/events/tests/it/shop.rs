//! A service with nothing but an outbox, a relay and consumers.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use async_nats::jetstream;
use events::{
    Consumer, ConsumerConfig, EventId, Pace, Reconnects, Relay, RelayConfig, Wake,
    outbox::{self, Outgoing},
};
use proto::order::v1::OrderPlaced;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement, TransactionTrait as _};
use testkit::{Broker, Database, Published, events_database, eventually, published};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::recorder::Recorder;

/// How long anything may take on a busy machine, a call that is given up after 16 seconds included.
pub(crate) const SOON: Duration = Duration::from_secs(40);

/// A database and a broker, and everything that was started on them.
pub(crate) struct Shop {
    pub(crate) broker: Broker,
    pub(crate) database: Database,
    pub(crate) db: DatabaseConnection,
}

/// A background task that ends with its handle.
pub(crate) struct Running {
    pub(crate) stop: CancellationToken,
    task: JoinHandle<()>,
    pub(crate) wake: Wake,
}

impl Running {
    pub(crate) fn start(run: impl Future<Output = ()> + Send + 'static, stop: CancellationToken) -> Self {
        Self { stop, task: tokio::spawn(run), wake: Wake::default() }
    }

    /// As a crash does: nothing more is said or written.
    pub(crate) fn kill(self) {
        self.task.abort();
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        (&mut self.task).await.context("the task panicked")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Quick, and without comparing or polling where the test doesn't ask for it.
pub(crate) fn pace() -> Pace {
    Pace { poll: Duration::from_millis(20), ..Pace::default() }
}

/// Comes again within milliseconds.
pub(crate) fn quick() -> ConsumerConfig {
    ConsumerConfig {
        ack_wait: Duration::from_secs(1),
        first_delay: Duration::from_millis(5),
        longest_delay: Duration::from_millis(20),
        ..ConsumerConfig::new("ORDER")
    }
}

impl Shop {
    pub(crate) async fn open() -> Result<Self> {
        let (broker, database) = (Broker::start().await?, events_database().await?);
        database.execute(crate::recorder::TABLE).await?;
        let db = database.connect().await?;
        Ok(Self { broker, database, db })
    }

    pub(crate) async fn nats(&self) -> Result<(async_nats::Client, Reconnects)> {
        Ok(events::connect(self.broker.url(), None, "test").await?)
    }

    pub(crate) async fn jetstream(&self) -> Result<jetstream::Context> {
        self.broker.jetstream().await
    }

    pub(crate) async fn relay(&self, pace: Pace) -> Result<Relay> {
        let (nats, reconnects) = self.nats().await?;
        let config = RelayConfig {
            service: "order",
            stream: "ORDER",
            database_url: self.database.url().to_owned().into(),
            replicas: 1,
        };
        Ok(Relay::new(config, self.db.clone(), nats, reconnects).at_pace(pace))
    }

    pub(crate) async fn start_relay(&self, pace: Pace) -> Result<Running> {
        let relay = self.relay(pace).await?;
        let wake = relay.wake_handle();
        let stop = CancellationToken::new();
        let mut running = Running::start(relay.run(stop.clone()), stop);
        running.wake = wake;
        Ok(running)
    }

    pub(crate) async fn start_consumer(
        &self,
        recorder: &Recorder,
        config: ConsumerConfig,
    ) -> Result<Running> {
        self.start_consumer_on(self.db.clone(), recorder, config).await
    }

    pub(crate) async fn start_consumer_on(
        &self,
        db: DatabaseConnection,
        recorder: &Recorder,
        config: ConsumerConfig,
    ) -> Result<Running> {
        let (nats, reconnects) = self.nats().await?;
        let consumer = Consumer::new(Arc::new(recorder.clone()), config, db, nats, reconnects);
        let stop = CancellationToken::new();
        Ok(Running::start(consumer.run(stop.clone()), stop))
    }

    /// Writes one event for each name, in one transaction.
    pub(crate) async fn place(&self, orders: &[&str]) -> Result<Vec<EventId>> {
        let outgoing: Vec<_> =
            orders.iter().map(|order| Outgoing::new(order, 1, &placed(order))).collect::<Result<_, _>>()?;
        let tx = self.db.begin().await?;
        outbox::append(&tx, &outgoing).await?;
        tx.commit().await?;
        Ok(outgoing.iter().map(Outgoing::id).collect())
    }

    /// What is in the stream, oldest first.
    pub(crate) async fn stream(&self) -> Result<Vec<Published<OrderPlaced>>> {
        published(&self.broker).await
    }

    /// Waits until exactly these orders' events are in the stream, in this order, and all are noted.
    pub(crate) async fn stream_is(&self, orders: &[&str]) -> Result<()> {
        let mut last = Vec::new();
        let seen = eventually("the stream holds what it should", SOON, async || {
            // While the broker is away there is nothing to see.
            last = names(&self.stream().await.unwrap_or_default());
            (last == orders
                && self.number("SELECT count(*) FROM outbox WHERE stream_sequence IS NULL").await.ok()? == 0)
                .then_some(())
        })
        .await;
        seen.with_context(|| format!("expected {orders:?}, found {last:?}"))
    }

    /// Whether each row is noted where the stream has it.
    pub(crate) async fn notes_are_right(&self) -> Result<bool> {
        for message in self.stream().await? {
            let id: EventId = message.id.parse()?;
            let sql = format!("SELECT stream_sequence FROM outbox WHERE event_id = '{}'", id.uuid());
            if self.number(&sql).await? != i64::try_from(message.stream_sequence)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The one number that a query answers with.
    pub(crate) async fn number(&self, sql: &str) -> Result<i64> {
        let row = self.db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        Ok(row.context("no row")?.try_get_by_index(0)?)
    }

    /// The one text that a query answers with.
    pub(crate) async fn text(&self, sql: &str) -> Result<String> {
        let row = self.db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        Ok(row.context("no row")?.try_get_by_index(0)?)
    }

    /// Waits until a query answers with this number.
    pub(crate) async fn number_becomes(&self, sql: &str, expected: i64) -> Result<()> {
        let mut last = None;
        let seen = eventually(sql, SOON, async || {
            last = self.number(sql).await.ok();
            (last == Some(expected)).then_some(())
        })
        .await;
        seen.with_context(|| format!("expected {expected}, found {last:?}"))
    }

    /// Waits until these orders, and no others, had their effect, each once.
    pub(crate) async fn handled_are(&self, orders: usize) -> Result<()> {
        let orders = i64::try_from(orders)?;
        self.number_becomes("SELECT count(DISTINCT order_id) FROM effects", orders).await?;
        anyhow::ensure!(
            self.number("SELECT count(*) FROM effects").await? == orders,
            "an effect happened twice"
        );
        Ok(())
    }

    /// Stops the broker and starts it again with what it had stored before `act`.
    pub(crate) async fn lose(&self, act: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        self.broker.stop().await?;
        let before = self.broker.snapshot().await?;
        self.broker.start_again().await?;
        act().await?;
        self.broker.kill().await?;
        self.broker.restore(&before).await?;
        self.broker.start_again().await
    }
}

pub(crate) fn placed(order: &str) -> OrderPlaced {
    OrderPlaced { order_id: order.to_owned(), ..OrderPlaced::default() }
}

pub(crate) fn names(messages: &[Published<OrderPlaced>]) -> Vec<String> {
    messages.iter().map(|message| message.aggregate_id.clone()).collect()
}

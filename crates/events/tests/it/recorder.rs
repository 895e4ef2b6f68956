use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use events::{Delivery, HandleError, Handler, Verdict};
use proto::order::v1::OrderPlaced;
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbBackend, Statement};

/// Where effects are counted; nothing keeps one from happening twice.
pub(crate) const TABLE: &str = "CREATE TABLE effects (order_id text NOT NULL, handled_by text NOT NULL)";

/// What a test wants to happen to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// An effect.
    Effect,
    /// A verdict without an effect.
    Verdict(Verdict),
    /// The transaction fails because of it.
    Break(HandleError),
    /// A statement that Postgres refuses.
    WrongSql,
    /// The handler panics.
    Panic,
    /// The process dies: nothing after it happens.
    Die,
}

type Call = dyn Fn(&str) -> Result<(), HandleError> + Send + Sync;
type Decide = dyn Fn(&Delivery<OrderPlaced>) -> Fate + Send + Sync;

/// A handler that does what the test says, and remembers the batches it saw.
#[derive(Clone)]
pub(crate) struct Recorder {
    name: &'static str,
    decide: Arc<Decide>,
    prepare: Arc<Call>,
    is_lost: Arc<AtomicBool>,
    batches: Arc<Mutex<Vec<Vec<String>>>>,
    committed: Arc<Mutex<Vec<String>>>,
    pub(crate) died: Arc<tokio::sync::Notify>,
}

impl Recorder {
    pub(crate) fn new(decide: impl Fn(&str) -> Fate + Send + Sync + 'static) -> Self {
        Self {
            name: "one",
            decide: Arc::new(move |delivery| decide(&delivery.aggregate_id)),
            prepare: Arc::new(|_| Ok(())),
            is_lost: Arc::default(),
            batches: Arc::default(),
            committed: Arc::default(),
            died: Arc::default(),
        }
    }

    /// Has an effect for every message.
    pub(crate) fn plain() -> Self {
        Self::new(|_| Fate::Effect)
    }

    pub(crate) fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// What the call before the transaction answers.
    pub(crate) fn preparing(
        mut self,
        prepare: impl Fn(&str) -> Result<(), HandleError> + Send + Sync + 'static,
    ) -> Self {
        self.prepare = Arc::new(prepare);
        self
    }

    /// The first call before a transaction never has an answer.
    pub(crate) fn lost_at_first(self) -> Self {
        self.is_lost.store(true, Ordering::Relaxed);
        self
    }

    pub(crate) fn batches(&self) -> Vec<Vec<String>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it was told of after a commit.
    pub(crate) fn committed(&self) -> Vec<String> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Handler for Recorder {
    type Event = OrderPlaced;
    type Prepared = ();
    const DURABLE: &'static str = "test_order_placed";

    async fn prepare(&self, batch: &[Delivery<OrderPlaced>]) -> Vec<Result<(), HandleError>> {
        if self.is_lost.swap(false, Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        batch.iter().map(|delivery| (self.prepare)(&delivery.aggregate_id)).collect()
    }

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<OrderPlaced>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let names = batch.iter().map(|(delivery, ())| delivery.aggregate_id.clone()).collect();
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(names);
        let mut verdicts = Vec::new();
        for (delivery, ()) in batch {
            verdicts.push(match (self.decide)(delivery) {
                Fate::Effect => {
                    let sql = "INSERT INTO effects (order_id, handled_by) VALUES ($1, $2)";
                    let values = [delivery.event.order_id.clone().into(), self.name.into()];
                    tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
                    Verdict::Done
                }
                Fate::Verdict(verdict) => verdict,
                Fate::Break(error) => return Err(error),
                Fate::WrongSql => {
                    tx.execute_unprepared("SELECT 1 / 0").await?;
                    Verdict::Done
                }
                #[expect(clippy::panic, reason = "what the test is about")]
                Fate::Panic => panic!("a handler that panics on {}", delivery.aggregate_id),
                Fate::Die => {
                    self.died.notify_one();
                    std::future::pending().await
                }
            });
        }
        Ok(verdicts)
    }

    fn committed(&self, batch: &[(Delivery<OrderPlaced>, ())]) {
        let names = batch.iter().map(|(delivery, ())| delivery.aggregate_id.clone());
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
    }
}

use sea_orm::TransactionTrait;
use values::OrderId;

use super::{BATCH, Sweeper, span};
use crate::{
    domain::Happening,
    settle::{Report, SettleError, settle},
    store::sweep::lock_unpaid,
};

impl Sweeper {
    /// Cancels orders whose payment is overdue by the database's clock.
    ///
    /// Nobody's, until the broker has been there for a whole deadline: while it was away no payment could be asked for
    /// or tell of itself, and since it is back all of them had their time, however far behind they were. After this
    /// process starts, an overdue order thus waits for up to one more deadline. Each replica judges by its own
    /// connection.
    pub(super) async fn end_unpaid(&self) -> Result<(), SettleError> {
        if self.broker.standing_for().await.is_none_or(|standing| standing < self.payment_deadline) {
            return Ok(());
        }
        let mut after = OrderId::from_uuid(uuid::Uuid::nil());
        loop {
            let tx = self.db.begin().await?;
            let overdue = lock_unpaid(&tx, self.payment_deadline, after, BATCH).await?;
            let Some(last) = overdue.last() else { return Ok(tx.rollback().await?) };
            after = last.id;
            let reports: Vec<_> = overdue
                .iter()
                .map(|order| Report::by_system(order.id, Happening::PaymentTimedOut, &span(order)))
                .collect();
            settle(&tx, &reports).await?;
            fault::around("order.end_unpaid.commit", tx.commit()).await?;
            self.notifier.changed(overdue.iter().map(|order| order.id));
            tracing::info!(orders = overdue.len(), "orders were cancelled because no payment came in time");
        }
    }
}

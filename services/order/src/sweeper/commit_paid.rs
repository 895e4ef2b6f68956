use futures::{StreamExt as _, stream};
use sea_orm::TransactionTrait;
use tracing::Instrument as _;
use values::OrderId;

use super::{BATCH, Sweeper, span};
use crate::{
    clients::Commitment,
    domain::Happening,
    settle::{Report, SettleError, settle},
    store::sweep::paid_but_uncommitted,
};

/// Calls to inventory that are under way at once.
const CALLS: usize = 32;

impl Sweeper {
    /// Asks inventory for the stock of orders that were paid while it could not be asked.
    pub(super) async fn commit_paid(&self) -> Result<(), SettleError> {
        let mut after = OrderId::from_uuid(uuid::Uuid::nil());
        loop {
            let paid = paid_but_uncommitted(&self.db, self.interval, after, BATCH).await?;
            let Some(last) = paid.last() else { return Ok(()) };
            after = last.id;
            let answers = stream::iter(paid).map(|order| {
                let inventory = self.inventory.clone();
                async move {
                    let span = span(&order);
                    let answer = inventory.commit(order.reservation).instrument(span.clone()).await;
                    let happening = match answer.ok()? {
                        Commitment::Committed => Happening::CapturedAndCommitted,
                        Commitment::Lost => Happening::CapturedAndStockLost,
                    };
                    Some(Report::by_system(order.id, happening, &span))
                }
            });
            let answers: Vec<Option<Report>> = answers.buffer_unordered(CALLS).collect().await;
            let reports: Vec<Report> = answers.into_iter().flatten().collect();
            if reports.is_empty() {
                // Inventory cannot be asked: neither for the others now.
                return Ok(());
            }
            let tx = self.db.begin().await?;
            settle(&tx, &reports).await?;
            tx.commit().await?;
            self.notifier.changed(reports.iter().map(|report| report.order));
        }
    }
}

use futures::{StreamExt as _, stream};
use sea_orm::TransactionTrait;
use tokio::time::Instant;
use tracing::Instrument as _;
use values::OrderId;

use super::{BATCH, Sweeper, span};
use crate::{
    clients::{CallError, Commitment},
    domain::Happening,
    metrics::METRICS,
    settle::{Report, SettleError, settle},
    store::sweep::{Waiting, count_paid_but_uncommitted, paid_but_uncommitted},
};

/// Calls to inventory that are under way at once.
const CALLS: usize = 32;

impl Sweeper {
    /// Asks inventory for the stock of orders that were paid while it could not be asked.
    pub(super) async fn commit_paid(&self) -> Result<(), SettleError> {
        let waiting = count_paid_but_uncommitted(&self.db, self.interval).await?;
        METRICS.uncommitted.record(waiting, &[]);
        self.complaints.expire(Instant::now());
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
                    let happening = match answer {
                        Ok(Commitment::Committed) => Happening::CapturedAndCommitted,
                        Ok(Commitment::Lost) => Happening::CapturedAndStockLost,
                        Err(error) => {
                            span.in_scope(|| self.complain(&order, &error));
                            return Err(error);
                        }
                    };
                    Ok(Report::by_system(order.id, happening, &span))
                }
            });
            let answers: Vec<Result<Report, CallError>> = answers.buffer_unordered(CALLS).collect().await;
            if answers.iter().all(|answer| matches!(answer, Err(CallError::Unanswered { .. }))) {
                // Inventory cannot be asked: neither for the others now.
                return Ok(());
            }
            let reports: Vec<Report> = answers.into_iter().flatten().collect();
            let tx = self.db.begin().await?;
            settle(&tx, &reports).await?;
            fault::around("order.commit_paid.commit", tx.commit()).await?;
            self.notifier.changed(reports.iter().map(|report| report.order));
        }
    }

    /// Tells of an order that has been paid for and that asking again doesn't help.
    fn complain(&self, order: &Waiting, error: &CallError) {
        if matches!(error, CallError::Nonsense { .. }) && self.complaints.is_due(order.id, Instant::now()) {
            tracing::error!(
                order = %order.id,
                reservation = %order.reservation,
                %error,
                "a paid order waits for its stock, and somebody has to look why"
            );
        }
    }
}

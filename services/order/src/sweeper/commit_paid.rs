use sea_orm::TransactionTrait;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};
use values::{OrderId, ReservationId};

use super::{BATCH, Sweeper, span};
use crate::{
    clients::{CallError, Commitment},
    domain::Happening,
    metrics::METRICS,
    settle::{Report, SettleError, settle},
    store::sweep::{Waiting, count_paid_but_uncommitted, paid_but_uncommitted},
};

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
            let spans: Vec<Span> = paid.iter().map(span).collect();
            let ids: Vec<ReservationId> = paid.iter().map(|order| order.reservation).collect();
            let answers = self.inventory.commit(&ids).instrument(together(&spans)).await;
            let answers = match answers {
                // Inventory cannot be asked: neither for the others now.
                Err(CallError::Unanswered { .. }) => return Ok(()),
                Err(error) => vec![Err(error); paid.len()],
                Ok(answers) => answers,
            };
            let reports = paid.iter().zip(&spans).zip(answers).filter_map(|((order, span), answer)| {
                let happening = match answer {
                    Ok(Commitment::Committed) => Happening::CapturedAndCommitted,
                    Ok(Commitment::Lost) => Happening::CapturedAndStockLost,
                    Err(error) => {
                        span.in_scope(|| self.complain(order, &error));
                        return None;
                    }
                };
                Some(Report::by_system(order.id, happening, span))
            });
            let reports: Vec<Report> = reports.collect();
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

/// One call for several orders: part of the first one's trace, linked with the others'.
fn together(spans: &[Span]) -> Span {
    let span = tracing::info_span!(target: telemetry::ENTRY, "commit", orders = spans.len());
    telemetry::propagation::join(&span, spans);
    span
}

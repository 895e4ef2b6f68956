use std::collections::{BTreeMap, HashSet};

use events::{
    Delivery, HandleError, Handler, Verdict, Wake,
    outbox::{self, TooLarge},
};
use proto::order::v1::OrderCancelled;
use sea_orm::DatabaseTransaction;
use values::{Money, OrderId, UserId};

use super::{Traces, published, reference, settled_meanwhile};
use crate::{
    domain::refund::due_on_cancel,
    store::refunds::{self, Locked, Refund},
};

/// Gives back what was captured for cancelled orders, and makes sure that what was not will never be.
pub(crate) struct OnOrderCancelled {
    pub(crate) wake: Wake,
}

impl Handler for OnOrderCancelled {
    type Event = OrderCancelled;
    type Prepared = ();
    const DURABLE: &'static str = "payment_order_cancelled";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<OrderCancelled>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let parsed: Vec<Result<(OrderId, UserId), String>> =
            batch.iter().map(|(delivery, ())| cancelled(&delivery.event)).collect();
        let orders: BTreeMap<OrderId, UserId> = parsed.iter().flatten().copied().collect();
        if !orders.is_empty() {
            let named = parsed.iter().map(|order| order.as_ref().ok().map(|(order, _)| *order));
            settle(tx, &orders, &Traces::of(named, batch)).await?;
        }
        Ok(parsed.into_iter().map(|order| order.map_or_else(Verdict::Reject, |_| Verdict::Done)).collect())
    }

    fn committed(&self, _: &[(Delivery<OrderCancelled>, ())]) {
        self.wake.wake();
    }
}

async fn settle(
    tx: &DatabaseTransaction,
    orders: &BTreeMap<OrderId, UserId>,
    traces: &Traces<'_>,
) -> Result<(), HandleError> {
    let locked = refunds::lock(tx, &orders.keys().copied().collect()).await?;
    let known: HashSet<OrderId> = locked.iter().map(|payment| payment.order).collect();

    let due: Vec<Refund> = locked.into_iter().filter_map(refund).collect();
    if !due.is_empty() {
        refunds::book(tx, &due).await?;
        let events: Result<Vec<_>, TooLarge> = due
            .iter()
            .map(|refund| Ok(traces.go_on(refund.payment.order, published::refunded(refund)?)))
            .collect();
        outbox::append(tx, &events.map_err(|error| HandleError::Failed(error.to_string()))?).await?;
    }

    let unknown: Vec<(OrderId, UserId)> = orders
        .iter()
        .filter(|(order, _)| !known.contains(order))
        .map(|(order, user)| (*order, *user))
        .collect();
    if !unknown.is_empty() && !refunds::bury(tx, &unknown).await? {
        return Err(settled_meanwhile());
    }
    Ok(())
}

fn refund(payment: Locked) -> Option<Refund> {
    let amount = payment.amount?;
    let back = due_on_cancel(payment.record, amount.minor_units(), payment.refunded)?;
    Some(Refund { payment, amount: Money::new(back, amount.currency()) })
}

fn cancelled(event: &OrderCancelled) -> Result<(OrderId, UserId), String> {
    Ok((reference("order_id", &event.order_id)?, reference("user_id", &event.user_id)?))
}

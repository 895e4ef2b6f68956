use std::collections::{BTreeMap, HashSet};

use events::{
    Delivery, HandleError, Handler, Verdict, Wake,
    outbox::{self, Outgoing},
};
use fault::{Guard, is_off};
use proto::order::v1::OrderCancelled;
use sea_orm::DatabaseTransaction;
use values::{Money, OrderId, PaymentId, UserId};

use super::{Traces, published, reference, settled_meanwhile, written};
use crate::{
    domain::{
        failure::Failure,
        refund::{OnCancel, on_cancel},
    },
    errands::Errands,
    store::{
        card_payments,
        records::{self, Locked, Tombstone},
        refunds::{self, Due, Origin},
    },
};

/// Gives back what was captured for cancelled orders, and makes sure that what was not will never be.
pub(crate) struct OnOrderCancelled {
    pub(crate) wake: Wake,
    pub(crate) errands: Errands,
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
        self.errands.wake();
    }
}

async fn settle(
    tx: &DatabaseTransaction,
    orders: &BTreeMap<OrderId, UserId>,
    traces: &Traces<'_>,
) -> Result<(), HandleError> {
    let locked = records::lock(tx, &orders.keys().copied().collect()).await?;
    let known: HashSet<OrderId> = locked.iter().map(|payment| payment.order).collect();
    let (mut dues, mut under_way) = (Vec::new(), Vec::new());
    for payment in locked {
        let Some(amount) = payment.amount else { continue };
        let decided = payment.refunded + payment.refund_due;
        match on_cancel(payment.record, amount.minor_units(), decided) {
            OnCancel::GiveBack(back) => {
                let back = Money::new(back, amount.currency());
                let due = Due::new(payment, back, Origin::Cancelled);
                dues.push(Due { traceparent: traces.traceparent(payment.order), ..due });
            }
            OnCancel::GiveUp => under_way.push(payment),
            OnCancel::Nothing => {}
        }
    }
    // Charges before wallets, as everybody locks them.
    give_up(tx, &under_way, traces).await?;
    give_back(tx, &dues, traces).await?;

    let unknown: Vec<Tombstone> = orders
        .iter()
        .filter(|(order, _)| !known.contains(order))
        .map(|(order, user)| Tombstone { payment: PaymentId::new(), order: *order, user: *user })
        .collect();
    bury(tx, &unknown, traces).await
}

async fn give_back(tx: &DatabaseTransaction, dues: &[Due], traces: &Traces<'_>) -> Result<(), HandleError> {
    if dues.is_empty() {
        return Ok(());
    }
    refunds::decide(tx, dues).await?;
    let done = dues.iter().filter(|due| due.is_done_at_once());
    let events = done.map(|due| {
        let event = published::refunded(&due.payment, due.amount)?;
        Ok(traces.go_on(due.payment.order, event))
    });
    outbox::append(tx, &written(events)?).await?;
    Ok(())
}

/// What the gateway has never heard of has failed; of the rest it has to say what became.
async fn give_up(
    tx: &DatabaseTransaction,
    under_way: &[Locked],
    traces: &Traces<'_>,
) -> Result<(), HandleError> {
    if under_way.is_empty() {
        return Ok(());
    }
    let ids: Vec<PaymentId> = under_way.iter().map(|payment| payment.payment).collect();
    let ended = card_payments::give_up(tx, &ids).await?;
    card_payments::failed(tx, &ended, Failure::OrderCancelled).await?;
    let ended = under_way.iter().filter(|payment| ended.contains(&payment.payment));
    let events = ended.map(|payment| {
        let (version, failure) = (payment.version + 1, Failure::OrderCancelled);
        let event = published::failed(payment.payment, payment.order, version, failure)?;
        Ok(traces.go_on(payment.order, event))
    });
    outbox::append(tx, &written(events)?).await?;
    Ok(())
}

async fn bury(
    tx: &DatabaseTransaction,
    unknown: &[Tombstone],
    traces: &Traces<'_>,
) -> Result<(), HandleError> {
    if unknown.is_empty() || is_off(Guard::Tombstone) {
        return Ok(());
    }
    if !records::bury(tx, unknown).await? {
        return Err(settled_meanwhile());
    }
    let events = unknown.iter().map(|tombstone| {
        let (version, failure) = (published::FIRST_VERSION, Failure::OrderCancelled);
        let event: Outgoing = published::failed(tombstone.payment, tombstone.order, version, failure)?;
        Ok(traces.go_on(tombstone.order, event))
    });
    outbox::append(tx, &written(events)?).await?;
    Ok(())
}

fn cancelled(event: &OrderCancelled) -> Result<(OrderId, UserId), String> {
    Ok((reference("order_id", &event.order_id)?, reference("user_id", &event.user_id)?))
}

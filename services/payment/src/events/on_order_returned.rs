use events::{Delivery, HandleError, Handler, Verdict, Wake, outbox};
use proto::order::v1::OrderReturned;
use sea_orm::DatabaseTransaction;
use server::wire::{above_zero, parse_money};
use values::{Money, OrderId, ReturnId, Violations};

use super::{published, reference, written};
use crate::{
    domain::refund::{OnReturn, on_return},
    errands::Errands,
    store::{
        records,
        refunds::{self, Due, Origin},
        wallets,
    },
};

/// Gives back what returned books have cost, once a return.
pub(crate) struct OnOrderReturned {
    pub(crate) wake: Wake,
    pub(crate) errands: Errands,
}

impl Handler for OnOrderReturned {
    type Event = OrderReturned;
    type Prepared = ();
    const DURABLE: &'static str = "payment_order_returned";

    /// Payments and wallets are locked together, as everybody locks them; then returns are handled in their turn, since
    /// an order may have several.
    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<OrderReturned>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let parsed: Vec<Result<Returned, String>> =
            batch.iter().map(|(delivery, ())| returned(&delivery.event)).collect();
        let orders = parsed.iter().flatten().map(|returned| returned.order).collect();
        let locked = records::lock(tx, &orders).await?;
        let by_wallet = locked.iter().filter(|payment| payment.card.is_none());
        let of_whom = by_wallet.filter_map(|payment| Some((payment.user, payment.amount?.currency())));
        wallets::lock(tx, &of_whom.collect::<Vec<_>>()).await?;
        let mut verdicts = Vec::with_capacity(batch.len());
        for ((delivery, ()), parsed) in batch.iter().zip(parsed) {
            verdicts.push(match parsed {
                Ok(returned) => settle(tx, returned, delivery).await?,
                Err(reason) => Verdict::Reject(reason),
            });
        }
        Ok(verdicts)
    }

    fn committed(&self, _: &[(Delivery<OrderReturned>, ())]) {
        self.wake.wake();
        self.errands.wake();
    }
}

/// What the event says.
#[derive(Clone, Copy)]
struct Returned {
    id: ReturnId,
    order: OrderId,
    price: Money,
}

async fn settle(
    tx: &DatabaseTransaction,
    returned: Returned,
    delivery: &Delivery<OrderReturned>,
) -> Result<Verdict, HandleError> {
    let Some(payment) = records::lock(tx, &[returned.order].into()).await?.into_iter().next() else {
        return Ok(Verdict::TooEarly);
    };
    let Some(amount) = payment.amount.filter(|amount| amount.currency() == returned.price.currency()) else {
        return Ok(Verdict::Reject(
            "amount is not in the order's currency, or the order was never paid".into(),
        ));
    };
    if refunds::is_refunded(tx, payment.payment, returned.id).await? {
        return Ok(Verdict::Done);
    }
    let decided = payment.refunded + payment.refund_due;
    let back = match on_return(payment.record, amount.minor_units(), decided, returned.price.minor_units()) {
        OnReturn::GiveBack(back) => Money::new(back, amount.currency()),
        OnReturn::Nothing => return Ok(Verdict::Done),
        OnReturn::TooEarly => return Ok(Verdict::TooEarly),
        OnReturn::NeverPaid => return Ok(Verdict::Reject("the order was never paid".into())),
    };
    let traceparent = telemetry::propagation::traceparent_of(delivery.span());
    let due = Due { traceparent, ..Due::new(payment, back, Origin::Returned(returned.id)) };
    refunds::decide(tx, std::slice::from_ref(&due)).await?;
    if due.is_done_at_once() {
        let event = published::refunded(&payment, back).map(|event| event.within(delivery.span()));
        outbox::append(tx, &written([event])?).await?;
    }
    Ok(Verdict::Done)
}

fn returned(event: &OrderReturned) -> Result<Returned, String> {
    let mut violations = Violations::new();
    let price = parse_money(&mut violations, "amount", event.amount.clone(), above_zero);
    let price = violations.finish(price).map_err(|violations| violations.to_string())?;
    Ok(Returned {
        id: reference("return_id", &event.return_id)?,
        order: reference("order_id", &event.order_id)?,
        price,
    })
}

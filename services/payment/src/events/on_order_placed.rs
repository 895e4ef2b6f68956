use std::collections::HashSet;

use events::{
    Delivery, HandleError, Handler, Verdict, Wake,
    outbox::{self, TooLarge},
};
use proto::order::v1::{OrderPlaced, PaymentMethod};
use sea_orm::DatabaseTransaction;
use server::wire::{above_zero, parse_money};
use uuid::Uuid;
use values::{PaymentId, Violations};

use super::{Traces, published, reference, settled_meanwhile};
use crate::{
    domain::{
        charge::{self, Charge, Wallets},
        failure::Failure,
    },
    store::charges::{self, Decided, Due, Standing},
};

/// Charges orders to their customers' wallets: once an order, whatever is delivered how often.
pub(crate) struct OnOrderPlaced {
    pub(crate) wake: Wake,
}

impl Handler for OnOrderPlaced {
    type Event = OrderPlaced;
    type Prepared = ();
    const DURABLE: &'static str = "payment_order_placed";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<OrderPlaced>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let parsed: Vec<Result<Due, String>> =
            batch.iter().map(|(delivery, ())| due(&delivery.event)).collect();
        let mut seen = HashSet::new();
        let dues: Vec<Due> = parsed.iter().flatten().filter(|due| seen.insert(due.order)).copied().collect();
        if !dues.is_empty() {
            let orders = parsed.iter().map(|due| due.as_ref().ok().map(|due| due.order));
            settle(tx, &dues, &Traces::of(orders, batch)).await?;
        }
        Ok(parsed.into_iter().map(|due| due.map_or_else(Verdict::Reject, |_| Verdict::Done)).collect())
    }

    fn committed(&self, _: &[(Delivery<OrderPlaced>, ())]) {
        self.wake.wake();
    }
}

async fn settle(tx: &DatabaseTransaction, dues: &[Due], traces: &Traces<'_>) -> Result<(), HandleError> {
    let standings = charges::lock(tx, dues).await?;
    let open: Vec<(Due, Standing)> =
        dues.iter().copied().zip(standings).filter(|(_, standing)| !standing.settled).collect();
    if open.is_empty() {
        return Ok(());
    }
    let decided = decide(&open);
    if !charges::record(tx, &decided).await? {
        return Err(settled_meanwhile());
    }
    let events: Result<Vec<_>, TooLarge> = decided
        .iter()
        .map(|decided| Ok(traces.go_on(decided.due.order, published::charged(decided)?)))
        .collect();
    outbox::append(tx, &events.map_err(|error| HandleError::Failed(error.to_string()))?).await?;
    Ok(())
}

fn decide(open: &[(Due, Standing)]) -> Vec<Decided> {
    let charges: Vec<Charge> =
        open.iter().map(|(due, _)| Charge { user: due.user, total: due.total }).collect();
    let mut wallets: Wallets =
        open.iter().map(|(due, standing)| ((due.user, due.total.currency()), standing.wallet)).collect();
    let outcomes = charge::decide(&charges, &mut wallets);
    let paid_from = |standing: &Standing, outcome: Result<(), Failure>| -> Result<Uuid, Failure> {
        // A wallet that was never opened holds nothing, so it can't have paid.
        outcome.and(standing.account.ok_or(Failure::InsufficientFunds))
    };
    open.iter()
        .zip(outcomes)
        .map(|((due, standing), outcome)| Decided {
            payment: PaymentId::new(),
            due: *due,
            outcome: paid_from(standing, outcome),
        })
        .collect()
}

fn due(event: &OrderPlaced) -> Result<Due, String> {
    let mut violations = Violations::new();
    let total = parse_money(&mut violations, "total", event.total.clone(), above_zero);
    let total = violations.finish(total).map_err(|violations| violations.to_string())?;
    match event.payment_method() {
        PaymentMethod::Wallet => {}
        PaymentMethod::Card => return Err("payment_method is none that we charge".to_owned()),
        PaymentMethod::Unspecified => return Err("payment_method is none that we know".to_owned()),
    }
    Ok(Due {
        order: reference("order_id", &event.order_id)?,
        user: reference("user_id", &event.user_id)?,
        total,
    })
}

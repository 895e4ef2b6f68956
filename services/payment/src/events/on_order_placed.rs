use std::collections::{BTreeSet, HashSet};

use events::{Delivery, HandleError, Handler, Verdict, Wake, outbox};
use proto::order::v1::{OrderPlaced, PaymentMethod};
use sea_orm::DatabaseTransaction;
use server::wire::{above_zero, parse_money};
use uuid::Uuid;
use values::{CardId, PaymentId, Violations};

use super::{Traces, published, reference, settled_meanwhile, written};
use crate::{
    domain::{
        charge::{self, Charge, Wallets},
        failure::Failure,
    },
    errands::Errands,
    store::{
        card_payments,
        charges::{self, Decided, Due, Standing},
    },
};

/// Charges orders to their customers' wallets, and begins to charge them to cards: once an order, whatever is delivered
/// how often.
pub(crate) struct OnOrderPlaced {
    pub(crate) wake: Wake,
    pub(crate) errands: Errands,
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
        let parsed: Vec<Result<(Due, Source), String>> =
            batch.iter().map(|(delivery, ())| due(&delivery.event)).collect();
        let orders = parsed.iter().map(|due| due.as_ref().ok().map(|(due, _)| due.order));
        let traces = Traces::of(orders, batch);
        let (mut seen, mut by_wallet, mut by_card) = (HashSet::new(), Vec::new(), Vec::new());
        for (due, source) in parsed.iter().flatten().filter(|(due, _)| seen.insert(due.order)) {
            match source {
                Source::Wallet => by_wallet.push(*due),
                Source::Card(card) => by_card.push((*due, *card)),
            }
        }
        if !by_wallet.is_empty() {
            settle(tx, &by_wallet, &traces).await?;
        }
        if !by_card.is_empty() {
            begin(tx, by_card, &traces).await?;
        }
        Ok(parsed.into_iter().map(|due| due.map_or_else(Verdict::Reject, |_| Verdict::Done)).collect())
    }

    fn committed(&self, _: &[(Delivery<OrderPlaced>, ())]) {
        self.wake.wake();
        self.errands.wake();
    }
}

/// What an order is paid from.
#[derive(Clone, Copy)]
enum Source {
    Wallet,
    Card(CardId),
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
    let events = decided.iter().map(|Decided { payment, due, outcome }| {
        let version = published::FIRST_VERSION;
        let event = match *outcome {
            Ok(_) => published::captured(*payment, due.order, version, due.total)?,
            Err(failure) => published::failed(*payment, due.order, version, failure)?,
        };
        Ok(traces.go_on(due.order, event))
    });
    outbox::append(tx, &written(events)?).await?;
    Ok(())
}

async fn begin(
    tx: &DatabaseTransaction,
    dues: Vec<(Due, CardId)>,
    traces: &Traces<'_>,
) -> Result<(), HandleError> {
    let dues: Vec<card_payments::Due> = dues
        .into_iter()
        .map(|(Due { order, user, total }, card)| card_payments::Due {
            payment: PaymentId::new(),
            order,
            user,
            card,
            total,
            traceparent: traces.traceparent(order),
        })
        .collect();
    let failed: BTreeSet<PaymentId> = card_payments::begin(tx, &dues).await?.into_iter().collect();
    let failed = dues.iter().filter(|due| failed.contains(&due.payment));
    let events = failed.map(|due| {
        let (version, failure) = (published::FIRST_VERSION, Failure::CardUnknown);
        Ok(traces.go_on(due.order, published::failed(due.payment, due.order, version, failure)?))
    });
    outbox::append(tx, &written(events)?).await?;
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

fn due(event: &OrderPlaced) -> Result<(Due, Source), String> {
    let mut violations = Violations::new();
    let total = parse_money(&mut violations, "total", event.total.clone(), above_zero);
    let total = violations.finish(total).map_err(|violations| violations.to_string())?;
    let source = match event.payment_method() {
        PaymentMethod::Wallet => Source::Wallet,
        PaymentMethod::Card => Source::Card(reference("card_id", &event.card_id)?),
        PaymentMethod::Unspecified => return Err("payment_method is none that we know".to_owned()),
    };
    let due = Due {
        order: reference("order_id", &event.order_id)?,
        user: reference("user_id", &event.user_id)?,
        total,
    };
    Ok((due, source))
}

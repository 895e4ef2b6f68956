use std::collections::HashSet;

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
        payment::State,
    },
    errands::Errands,
    store::{
        card_payments,
        charges::{self, Decided, Due, Standing},
        records::{self, New},
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
        let by_card = by_card.into_iter().map(|(due, card)| due_by_card(due, card, &traces)).collect();
        pay(tx, &by_wallet, by_card, &traces).await?;
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

/// Inserts the payments of wallets and of cards together, so that it is done in the order of their orders' ids.
async fn pay(
    tx: &DatabaseTransaction,
    by_wallet: &[Due],
    by_card: Vec<card_payments::Due>,
    traces: &Traces<'_>,
) -> Result<(), HandleError> {
    let decided = if by_wallet.is_empty() { Vec::new() } else { decided(tx, by_wallet).await? };
    let by_card = if by_card.is_empty() { by_card } else { card_payments::open(tx, by_card).await? };
    let payments: Vec<New> = decided.iter().map(New::from).chain(by_card.iter().map(New::from)).collect();
    if payments.is_empty() {
        return Ok(());
    }
    if !records::insert(tx, &payments).await? {
        return Err(settled_meanwhile());
    }
    if !decided.is_empty() {
        charges::record(tx, &decided).await?;
    }
    if !by_card.is_empty() {
        card_payments::begin(tx, &by_card).await?;
    }
    let events = payments.iter().filter_map(|payment| {
        let New { payment, order, total, state, .. } = *payment;
        let event = match state {
            State::Captured => published::captured(payment, order, published::FIRST_VERSION, total),
            State::Failed(failure) => published::failed(payment, order, published::FIRST_VERSION, failure),
            State::Pending | State::Authorised | State::Refunded => return None,
        };
        Some(event.map(|event| traces.go_on(order, event)))
    });
    outbox::append(tx, &written(events)?).await?;
    Ok(())
}

async fn decided(tx: &DatabaseTransaction, dues: &[Due]) -> Result<Vec<Decided>, HandleError> {
    let standings = charges::lock(tx, dues).await?;
    let open: Vec<(Due, Standing)> =
        dues.iter().copied().zip(standings).filter(|(_, standing)| !standing.settled).collect();
    Ok(decide(&open))
}

fn due_by_card(due: Due, card: CardId, traces: &Traces<'_>) -> card_payments::Due {
    let Due { order, user, total } = due;
    let traceparent = traces.traceparent(order);
    card_payments::Due { payment: PaymentId::new(), order, user, card, token: None, total, traceparent }
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

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proto::order::v1::{self as wire, CancelReason, OrderState, PaymentState};
use tonic::Code;

use super::{By, CARDS, Fault, Line, Model, Order, Parcel, Pay, Refusal, Stage, fault, refused_with};

impl Model {
    /// Somebody placed an order, or tried to, at this time since the beginning.
    pub fn placed(
        &mut self,
        attempt: usize,
        customer: usize,
        lines: &[(usize, i64)],
        pay: Pay,
        now: Duration,
        answer: Result<&wire::Order, &Refusal>,
    ) -> Result<(), Fault> {
        match answer {
            Ok(order) => {
                for (offer, copies) in lines {
                    let available = self.available(*offer);
                    if available.most < *copies {
                        return fault(format!("{copies} of offer {offer} were sold of {available}"));
                    }
                }
                self.opened(attempt, customer, lines, pay, now, order)
            }
            Err(refusal) => {
                out_of_stock(refusal)?;
                if lines.iter().all(|(offer, copies)| self.available(*offer).least >= *copies) {
                    return fault(format!("{refusal:?}, and all of {lines:?} is there"));
                }
                Ok(())
            }
        }
    }

    /// Several placed the same order at the same moment: attempts, customers and answers.
    pub fn rushed(
        &mut self,
        offer: usize,
        copies: i64,
        now: Duration,
        answers: &[(usize, usize, Result<wire::Order, Refusal>)],
    ) -> Result<(), Fault> {
        let sold = answers.iter().filter(|(_, _, answer)| answer.is_ok()).count();
        let (available, sold) =
            (self.available(offer), copies * i64::try_from(sold).map_err(|_| Fault(String::new()))?);
        if available.most + copies * self.unpaid(offer, copies, answers) < sold {
            return fault(format!("{sold} of offer {offer} were sold at once of {available}"));
        }
        for (attempt, customer, answer) in answers {
            match answer {
                Ok(order) => {
                    self.opened(*attempt, *customer, &[(offer, copies)], Pay::Wallet, now, order)?;
                }
                Err(refusal) => {
                    out_of_stock(refusal)?;
                    if available.least - sold >= copies {
                        return fault(format!("{refusal:?}; {sold} of {available} were sold"));
                    }
                }
            }
        }
        Ok(())
    }

    /// For how many of these orders the money may be missing: their copies may be free again before the last is placed.
    fn unpaid(
        &self,
        offer: usize,
        copies: i64,
        answers: &[(usize, usize, Result<wire::Order, Refusal>)],
    ) -> i64 {
        let mut placed = BTreeMap::<usize, i64>::new();
        for (_, customer, _) in answers.iter().filter(|(_, _, answer)| answer.is_ok()) {
            *placed.entry(*customer).or_default() += 1;
        }
        let price = copies * self.prices[offer];
        let paid = |customer| self.balance(customer).least.max(0) / price;
        placed.into_iter().map(|(customer, orders)| (orders - paid(customer)).max(0)).sum()
    }

    fn opened(
        &mut self,
        attempt: usize,
        customer: usize,
        lines: &[(usize, i64)],
        pay: Pay,
        now: Duration,
        order: &wire::Order,
    ) -> Result<(), Fault> {
        let lines: Vec<Line> = lines
            .iter()
            .map(|(offer, quantity)| Line { offer: *offer, quantity: *quantity, price: self.prices[*offer] })
            .collect();
        let balance = self.balance(customer);
        let stage = Stage::Pending { most: balance.most, least: balance.least };
        let id = order.order_id.clone();
        if let Some((other, ..)) = self.orders().find(|(_, _, known)| *known == id) {
            return fault(format!("attempt {attempt} was answered with the order of attempt {other}"));
        }
        self.orders.insert(attempt, Order { id, customer, lines, pay, placed: now, stage, given: 0 });
        self.note_wallets();
        self.order_seen(attempt, now, order)
    }

    /// An order was sent again that had been placed: the same is the answer, wherever it stands now.
    pub fn placed_again(
        &mut self,
        attempt: usize,
        now: Duration,
        answer: Result<&wire::Order, &Refusal>,
    ) -> Result<(), Fault> {
        match answer {
            Ok(order) => self.order_seen(attempt, now, order),
            Err(refusal) => fault(format!("the order that was sent again: {refusal:?}")),
        }
    }

    /// Another order came under a `request_id` that has made one.
    pub fn placed_otherwise(&self, answer: Result<&wire::Order, &Refusal>) -> Result<(), Fault> {
        match answer {
            Ok(order) => fault(format!("another order under the same request_id made {}", order.order_id)),
            Err(refusal) => refused_with("another order", refusal, &[Code::AlreadyExists]),
        }
    }

    /// Somebody read an order.
    pub fn looked(
        &mut self,
        attempt: usize,
        by: By,
        now: Duration,
        answer: Result<&wire::Order, &Refusal>,
    ) -> Result<(), Fault> {
        match (by, answer) {
            (By::Stranger, Err(refusal)) => refused_with("GetOrder", refusal, &[Code::NotFound]),
            (By::Rightful | By::Admin, Ok(order)) => self.order_seen(attempt, now, order),
            (by, answer) => fault(format!("GetOrder by {by:?}: {:?}", answer.map(|order| &order.order_id))),
        }
    }

    /// Somebody cancelled an order.
    pub fn cancelled(
        &mut self,
        attempt: usize,
        by: By,
        now: Duration,
        answer: Result<&wire::Order, &Refusal>,
    ) -> Result<(), Fault> {
        let reason = match (by, answer) {
            (By::Stranger, Err(refusal)) => return refused_with("CancelOrder", refusal, &[Code::NotFound]),
            (By::Stranger, Ok(_)) => return fault("a stranger cancelled an order"),
            (By::Rightful, _) => CancelReason::CustomerRequest,
            (By::Admin, _) => CancelReason::Staff,
        };
        let may_end = self.may_end_by_itself(attempt, now);
        let order = self.orders.get_mut(&attempt).ok_or_else(unknown)?;
        let (can, must) = match &order.stage {
            Stage::Pending { .. } => (true, !may_end),
            Stage::Paid(parcels) => {
                let all_ready = parcels.values().all(|parcel| *parcel == Parcel::Ready);
                (all_ready, all_ready)
            }
            Stage::Cancelled { .. } => (false, false),
        };
        match answer {
            Ok(seen) if can && seen.state() == OrderState::Cancelled && seen.cancel_reason() == reason => {
                order.stage = Stage::Cancelled { reason, is_settled: false };
                self.note_wallets();
                self.order_seen(attempt, now, seen)
            }
            Ok(seen) => fault(format!(
                "CancelOrder made {:?} {:?} of {:?}",
                seen.state(),
                seen.cancel_reason(),
                order.stage
            )),
            Err(refusal) if must => fault(format!("CancelOrder of {:?}: {refusal:?}", order.stage)),
            Err(refusal) => refused_with("CancelOrder", refusal, &[Code::FailedPrecondition]),
        }
    }

    /// Staff gave money back for an order.
    pub fn refunded(
        &mut self,
        attempt: usize,
        amount: i64,
        answer: Result<(), &Refusal>,
    ) -> Result<(), Fault> {
        let order = self.orders.get(&attempt).ok_or_else(unknown)?;
        let (total, back) = (order.total(), self.given_back(attempt, order));
        let (can, must) = match &order.stage {
            Stage::Pending { .. } => (self.may_be_paid(attempt), false),
            Stage::Paid(_) => (back.least + amount <= total, back.most + amount <= total),
            Stage::Cancelled { is_settled, .. } => (!is_settled, false),
        };
        match answer {
            Ok(()) if !can => fault(format!("{amount} were refunded beside {back} of {total}: {order:?}")),
            Ok(()) => {
                self.orders.entry(attempt).and_modify(|order| order.given += amount);
                self.note_wallets();
                Ok(())
            }
            Err(refusal) if must => {
                fault(format!("a refund of {amount} beside {back} of {total}: {refusal:?}"))
            }
            Err(refusal) => {
                refused_with("RefundPayment", refusal, &[Code::FailedPrecondition, Code::NotFound])
            }
        }
    }

    /// An order is as it was seen, or comes to be it by a step that nobody asked for.
    pub(super) fn order_seen(
        &mut self,
        attempt: usize,
        now: Duration,
        seen: &wire::Order,
    ) -> Result<(), Fault> {
        let order = self.orders.get(&attempt).ok_or_else(unknown)?;
        same_facts(order, seen)?;
        match (&order.stage, seen.state()) {
            (Stage::Pending { .. }, OrderState::Pending) => Ok(()),
            (Stage::Pending { .. }, OrderState::Cancelled) => {
                let reason = seen.cancel_reason();
                if !self.may_end_so(attempt, now, reason) {
                    return fault(format!("order {attempt} was cancelled for {reason:?}: {order:?}"));
                }
                self.step(attempt, Stage::Cancelled { reason, is_settled: false });
                Ok(())
            }
            (Stage::Pending { .. }, OrderState::Confirmed) => self.confirmed(attempt),
            (Stage::Paid(_), state) if state == self.state_of(attempt) => {
                let back = self.given_back(attempt, order);
                let refunded = seen.refunded.as_ref().map_or(0, |money| money.minor_units);
                let payment = seen.payment_state();
                let is_right = refunded <= back.most
                    && (payment == PaymentState::Captured
                        || (payment == PaymentState::Refunded && refunded == order.total()));
                if is_right {
                    Ok(())
                } else {
                    fault(format!("{payment:?} with {refunded} given back of {back}"))
                }
            }
            (Stage::Cancelled { reason, .. }, OrderState::Cancelled) if *reason == seen.cancel_reason() => {
                Ok(())
            }
            (known, state) => fault(format!(
                "order {attempt} is {state:?} {:?}, not {:?} as {known:?}",
                seen.cancel_reason(),
                self.state_of(attempt)
            )),
        }
    }

    /// A pending order turned out to be paid.
    pub(super) fn confirmed(&mut self, attempt: usize) -> Result<(), Fault> {
        let order = self.orders.get(&attempt).ok_or_else(unknown)?;
        if !self.may_be_paid(attempt) {
            return fault(format!("order {attempt} was paid, nobody knows of what: {order:?}"));
        }
        let parcels = order.shops().collect::<BTreeSet<_>>().into_iter().map(|shop| (shop, Parcel::Ready));
        let stage = Stage::Paid(parcels.collect());
        self.step(attempt, stage);
        Ok(())
    }

    fn step(&mut self, attempt: usize, stage: Stage) {
        self.orders.entry(attempt).and_modify(|order| order.stage = stage);
        self.note_wallets();
    }

    /// Whether who was to pay could.
    fn may_be_paid(&self, attempt: usize) -> bool {
        let Some(order) = self.orders.get(&attempt) else { return false };
        match (order.pay, &order.stage) {
            (Pay::Wallet, Stage::Pending { most, .. }) => *most >= order.total(),
            (Pay::Wallet, _) => true,
            (Pay::Card(card), _) => CARDS[card].1.is_none(),
            (Pay::AnothersCard, _) => false,
        }
    }

    /// Whether a pending order may have been cancelled by nobody, for some reason.
    fn may_end_by_itself(&self, attempt: usize, now: Duration) -> bool {
        let reasons = [
            CancelReason::InsufficientFunds,
            CancelReason::PaymentDeclined,
            CancelReason::PaymentTimeout,
            CancelReason::StockLost,
        ];
        reasons.into_iter().any(|reason| self.may_end_so(attempt, now, reason))
    }

    fn may_end_so(&self, attempt: usize, now: Duration, reason: CancelReason) -> bool {
        let Some(order) = self.orders.get(&attempt) else { return false };
        let Stage::Pending { least, .. } = order.stage else { return false };
        match reason {
            CancelReason::PaymentTimeout => now >= order.placed + self.patience.payment,
            CancelReason::StockLost => {
                now >= order.placed + self.patience.reservation && self.may_be_paid(attempt)
            }
            refused => match order.pay {
                Pay::Wallet => refused == CancelReason::InsufficientFunds && least < order.total(),
                Pay::Card(card) => CARDS[card].1 == Some(refused),
                Pay::AnothersCard => refused == CancelReason::PaymentDeclined,
            },
        }
    }
}

fn out_of_stock(refusal: &Refusal) -> Result<(), Fault> {
    refused_with("PlaceOrder", refusal, &[Code::FailedPrecondition])?;
    if refusal.reason == "OUT_OF_STOCK" { Ok(()) } else { fault(format!("PlaceOrder: {refusal:?}")) }
}

/// What of an order never changes.
fn same_facts(order: &Order, seen: &wire::Order) -> Result<(), Fault> {
    let lines: Vec<(i64, i64)> = seen
        .lines
        .iter()
        .map(|line| (line.quantity.into(), line.unit_price.as_ref().map_or(0, |money| money.minor_units)))
        .collect();
    let known: Vec<(i64, i64)> = order.lines.iter().map(|line| (line.quantity, line.price)).collect();
    let total = seen.total.as_ref().map_or(0, |money| money.minor_units);
    if seen.order_id == order.id && lines == known && total == order.total() {
        return Ok(());
    }
    fault(format!("{}: {lines:?} for {total}, not {known:?} as {}", seen.order_id, order.id))
}

pub(super) fn unknown() -> Fault {
    Fault("it was never placed".to_owned())
}

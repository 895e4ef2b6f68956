use std::{collections::BTreeMap, time::Duration};

use proto::{
    order::v1::{self as wire, PaymentState},
    payment::v1::{Payment, PaymentState as Paid},
};

use super::{Answer, Fault, Model, Order, Stage, fault, orders::unknown};

/// Everything there is to see, read one after the other.
#[derive(Clone, Debug, Default)]
pub struct Quiet {
    /// What each wallet holds.
    pub balances: Vec<i64>,
    /// Of each offer, copies on the shelf and how many of them are reserved.
    pub shelves: Vec<(i64, i64)>,
    /// Orders and their payments, by the number of the attempt: all that somebody may have done something to since the last time.
    pub orders: BTreeMap<usize, (wire::Order, Option<Payment>)>,
}

impl Model {
    /// Whether all is quiet: no order pending, all money and all books where they belong. If it is, no bounds are left.
    pub fn settle(&mut self, now: Duration, quiet: &Quiet) -> Result<(), Fault> {
        let mut settled = self.clone();
        for (attempt, (order, _)) in &quiet.orders {
            settled.order_seen(*attempt, now, order)?;
        }
        for (attempt, order) in &mut settled.orders {
            match &mut order.stage {
                Stage::Pending { .. } => return fault(format!("order {attempt} is still PENDING")),
                Stage::Cancelled { is_settled, .. } => *is_settled = true,
                Stage::Paid(_) => {}
            }
        }
        for returned in settled.returns.values_mut() {
            if let Answer::Accepted { is_settled, .. } = &mut returned.answer {
                *is_settled = true;
            }
        }
        for (customer, balance) in quiet.balances.iter().enumerate() {
            settled.balance_seen(customer, *balance)?;
        }
        for (offer, shelf) in quiet.shelves.iter().enumerate() {
            settled.shelf_seen(offer, *shelf)?;
        }
        for (attempt, (seen, payment)) in &quiet.orders {
            let order = settled.orders.get(attempt).ok_or_else(unknown)?;
            settled.is_paid_right(*attempt, order, seen, payment.as_ref())?;
        }
        *self = settled;
        Ok(())
    }

    fn is_paid_right(
        &self,
        attempt: usize,
        order: &Order,
        seen: &wire::Order,
        payment: Option<&Payment>,
    ) -> Result<(), Fault> {
        // What was cancelled before payment heard of it has none.
        let none = Payment { state: Paid::Failed.into(), ..Default::default() };
        let payment = payment.unwrap_or(&none);
        let total = order.total();
        let told = seen.refunded.as_ref().map_or(0, |money| money.minor_units);
        let done = payment.refunded.as_ref().map_or(0, |money| money.minor_units);
        let (expected, back) = match &order.stage {
            Stage::Pending { .. } => return fault(format!("order {attempt} is still PENDING")),
            Stage::Cancelled { .. } if payment.state() == Paid::Failed => (PaymentState::Failed, 0),
            Stage::Cancelled { .. } => (PaymentState::Refunded, total),
            Stage::Paid(_) => match self.given_back(attempt, order).least {
                all if all == total => (PaymentState::Refunded, total),
                part => (PaymentState::Captured, part),
            },
        };
        let is_right = seen.payment_state() == expected
            && told == back
            && done == back
            && payment.state().as_str_name() == expected.as_str_name();
        if is_right {
            return Ok(());
        }
        fault(format!(
            "order {attempt} of {total}: {:?} with {told} given back, its payment {:?} with {done}; not {expected:?} with \
             {back}",
            seen.payment_state(),
            payment.state()
        ))
    }
}

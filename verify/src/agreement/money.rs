use super::Wrongs;
use crate::{
    Check,
    known::{orders::Order, payments::Payment},
};

/// CONFIRMED and later: captured, for exactly the total. CANCELLED: all that was captured is given back.
pub(super) fn wrongs(order: &Order, payment: Option<&Payment>) -> Wrongs {
    let Some(payment) = payment else {
        let is_known = order.payment_state == "PENDING" && order.refunded == 0 && !order.is_paid();
        // A PENDING order without a payment is stuck, which is told elsewhere.
        let wrong = || format!("is {}, with payment {}, and has none", order.state, order.payment_state);
        return if is_known { Vec::new() } else { vec![(Check::OrderPayments, wrong())] };
    };
    let mut found = Vec::new();
    let is_captured = ["CAPTURED", "REFUNDED"].contains(&payment.state.as_str());
    let held = if is_captured { payment.amount - payment.refunded - payment.refund_due } else { 0 };
    if payment.user != order.user {
        found.push("is paid by somebody else".to_owned());
    }
    let price = (payment.amount, payment.currency.as_deref());
    if payment.state != "CANCELLED" && price != (order.total, Some(order.currency.as_str())) {
        found.push(format!("costs {} {} and its payment is of {price:?}", order.total, order.currency));
    }
    if order.is_paid() && !is_captured {
        found.push(format!("is {} and its payment {}", order.state, payment.state));
    }
    if order.state == "CANCELLED" && held != 0 {
        found.push(format!(
            "is CANCELLED; {} were charged, {} refunded and {} are on their way back",
            payment.amount, payment.refunded, payment.refund_due
        ));
    }
    if order.refunded != payment.refunded {
        found.push(format!("says that {} were given back; {} were", order.refunded, payment.refunded));
    }
    let known = match payment.state.as_str() {
        "CAPTURED" | "FAILED" | "REFUNDED" => payment.state.as_str(),
        // A cancelled order's, from before payment heard of the order.
        "CANCELLED" => "FAILED",
        _ => "PENDING",
    };
    if order.payment_state != known {
        found.push(format!("has payment {} and payment says {}", order.payment_state, payment.state));
    }
    found.into_iter().map(|wrong| (Check::OrderPayments, wrong)).collect()
}

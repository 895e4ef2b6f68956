use std::collections::HashMap;

use uuid::Uuid;
use values::{OrderId, ReservationId};

use crate::{
    Scope,
    facts::{Facts, Line, Order, Payment, Reservation},
};

/// Once all is quiet: what the services know of each order agrees.
pub(crate) fn violations(facts: &Facts, scope: &Scope) -> Vec<String> {
    let mut found = Vec::new();
    for id in scope.placed.iter().filter(|id| !facts.orders.contains_key(id)) {
        found.push(format!("{}: was answered with OK and is not there", OrderId::from_uuid(*id)));
    }
    for (id, order) in facts.orders.iter().filter(|(id, _)| scope.contains(**id)) {
        let none = Payment::default();
        let payment = facts.payments.get(id).unwrap_or(&none);
        let reservation = facts.reservations.get(&order.reservation);
        let wrongs = of_order(order).chain(of_payment(order, payment)).chain(of_stock(order, reservation));
        found.extend(wrongs.map(|wrong| format!("{}: {wrong}", OrderId::from_uuid(*id))));
    }
    if scope.everything {
        found.extend(nobodys(facts));
    }
    found
}

fn of_order(order: &Order) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    let steps: Vec<&str> = order.history.iter().map(|(_, state)| state.as_str()).collect();
    let is_legal = steps.first() == Some(&"PENDING")
        && steps.windows(2).all(|pair| matches!(pair, [from, to] if may_follow(from, to)));
    if !is_legal || steps.last() != Some(&order.state.as_str()) {
        found.push(format!("is {} with the history {steps:?}", order.state));
    }
    if order.history.first().map(|(version, _)| *version) != Some(1) {
        found.push("has no first version".to_owned());
    }
    let sum: i64 = order.lines.iter().map(|line| line.quantity * line.unit_price).sum();
    if sum != order.total {
        found.push(format!("has a total of {} and lines of {sum}", order.total));
    }
    if order.state == "PENDING" {
        found.push(format!("is PENDING, payment {}, stock {}", order.payment_state, order.stock_state));
    }
    found.into_iter()
}

fn may_follow(from: &str, to: &str) -> bool {
    let next: &[&str] = match from {
        "PENDING" => &["CONFIRMED", "CANCELLED"],
        "CONFIRMED" => &["PARTIALLY_SHIPPED", "SHIPPED", "CANCELLED"],
        // What a shop or the customer does with a part is a row even where the whole stays where it is.
        "PARTIALLY_SHIPPED" => &["PARTIALLY_SHIPPED", "SHIPPED"],
        "SHIPPED" => &["SHIPPED", "DELIVERED"],
        "DELIVERED" => &["RETURN_REQUESTED"],
        "RETURN_REQUESTED" => &["RETURN_REQUESTED", "DELIVERED", "RETURNED"],
        _ => &[],
    };
    next.contains(&to)
}

/// Whether an order is CONFIRMED, or has been and was not cancelled.
fn is_paid(state: &str) -> bool {
    !["PENDING", "CANCELLED"].contains(&state)
}

fn of_payment(order: &Order, payment: &Payment) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    let total = (order.total, order.currency.clone());
    if payment.captures.len() > 1 || payment.captures.iter().any(|capture| *capture != total) {
        found.push(format!("costs {total:?} and was charged {:?}", payment.captures));
    }
    if payment.refunds.iter().any(|(_, currency)| *currency != order.currency) {
        found.push(format!("was refunded in another currency: {:?}", payment.refunds));
    }
    let (captured, refunded) = (sum(&payment.captures), sum(&payment.refunds));
    if refunded > captured {
        found.push(format!("was charged {captured} and refunded {refunded}"));
    }
    if refunded != payment.noted_refunds {
        found.push(format!("was refunded {refunded}, its payment says {}", payment.noted_refunds));
    }
    if is_paid(&order.state) && captured != order.total {
        found.push(format!("is {}; {captured} were charged", order.state));
    }
    if order.refunded != refunded {
        found.push(format!("says that {} were given back; {refunded} were", order.refunded));
    }
    if order.state == "CANCELLED" && captured != refunded {
        found.push(format!("is CANCELLED; {captured} were charged, {refunded} refunded"));
    }
    let known = match payment.state.as_str() {
        "CAPTURED" | "FAILED" | "REFUNDED" => payment.state.as_str(),
        // A cancelled order's, from before payment heard of the order.
        "CANCELLED" => "FAILED",
        _ => "PENDING",
    };
    if order.payment_state != known {
        found.push(format!("has payment {} and payment says {:?}", order.payment_state, payment.state));
    }
    found.into_iter()
}

fn of_stock(order: &Order, reservation: Option<&Reservation>) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    let id = ReservationId::from_uuid(order.reservation);
    let Some(reservation) = reservation else {
        return vec![format!("has no reservation {id}")].into_iter();
    };
    let is_right = match order.state.as_str() {
        paid if is_paid(paid) => reservation.state == "COMMITTED",
        "CANCELLED" => ["RELEASED", "RESTOCKED"].contains(&reservation.state.as_str()),
        _ => true,
    };
    if !is_right {
        found.push(format!("is {} and its reservation {id} {}", order.state, reservation.state));
    }
    if order.lines != reservation.lines {
        let shown = |lines: &[Line]| format!("{lines:?}");
        found.push(format!(
            "has the lines {} and reserved {}",
            shown(&order.lines),
            shown(&reservation.lines)
        ));
    }
    found.into_iter()
}

/// Reservations and payments of no order.
fn nobodys(facts: &Facts) -> impl Iterator<Item = String> {
    let mut owners: HashMap<Uuid, Vec<OrderId>> = HashMap::new();
    for (id, order) in &facts.orders {
        owners.entry(order.reservation).or_default().push(OrderId::from_uuid(*id));
    }
    let mut found = Vec::new();
    for (reservation, orders) in owners.iter().filter(|(_, orders)| orders.len() > 1) {
        found.push(format!("{}: is held for {orders:?}", ReservationId::from_uuid(*reservation)));
    }
    for (id, reservation) in facts.reservations.iter().filter(|(id, _)| !owners.contains_key(id)) {
        // One that may still be retried is held until its time is up.
        let is_free = ["EXPIRED", "RELEASED"].contains(&reservation.state.as_str());
        if !is_free && (reservation.state != "HELD" || reservation.is_overdue) {
            found.push(format!("{}: no order, and {}", ReservationId::from_uuid(*id), reservation.state));
        }
    }
    for (id, payment) in facts.payments.iter().filter(|(id, _)| !facts.orders.contains_key(id)) {
        found.push(format!("{}: no order, and a payment {payment:?}", OrderId::from_uuid(*id)));
    }
    found.into_iter()
}

fn sum(transfers: &[(i64, String)]) -> i64 {
    transfers.iter().map(|(amount, _)| amount).sum()
}

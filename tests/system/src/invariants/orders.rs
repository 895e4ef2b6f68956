use std::collections::HashMap;

use uuid::Uuid;
use values::{OrderId, ReservationId};

use super::{
    Scope,
    facts::{Facts, Line, Order, Payment, Reservation},
};

/// Once all is quiet: what the four services know of each order agrees.
pub(super) fn violations(facts: &Facts, scope: &Scope) -> Vec<String> {
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
    let legal: [&[&str]; 4] = [
        &["PENDING"],
        &["PENDING", "CONFIRMED"],
        &["PENDING", "CANCELLED"],
        &["PENDING", "CONFIRMED", "CANCELLED"],
    ];
    if !legal.contains(&steps.as_slice()) || steps.last() != Some(&order.state.as_str()) {
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
    if order.state == "CONFIRMED" && captured - refunded != order.total {
        found.push(format!("is CONFIRMED; {captured} were charged, {refunded} refunded"));
    }
    if order.state == "CANCELLED" && captured != refunded {
        found.push(format!("is CANCELLED; {captured} were charged, {refunded} refunded"));
    }
    let known = match payment.state.as_str() {
        "CAPTURED" | "FAILED" | "REFUNDED" => payment.state.as_str(),
        _ => "PENDING",
    };
    // A payment that failed is noted on the order only while the order still waits for it.
    let told_too_late = order.state == "CANCELLED" && order.payment_state == "PENDING" && known == "FAILED";
    if order.payment_state != known && !told_too_late {
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
        "CONFIRMED" => reservation.state == "COMMITTED",
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

//! Orders by themselves, as one moment of their database says.

mod history;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use values::{ReturnId, ShopId};

use crate::{
    Check,
    known::orders::{Order, Return},
};

/// What is wrong with an order, by what found it.
pub(crate) fn wrongs(order: &Order) -> Vec<(Check, String)> {
    let mut found = history::wrongs(order);
    let sum: i64 = order.lines.iter().map(|line| line.quantity * line.unit_price).sum();
    let mut wrong = |wrong| found.push((Check::Orders, wrong));
    if sum != order.total {
        wrong(format!("has a total of {} and lines of {sum}", order.total));
    }
    let stock = match order.state.as_str() {
        "PENDING" => "RESERVED",
        "CANCELLED" => "RELEASED",
        _ => "COMMITTED",
    };
    if order.stock_state != stock {
        wrong(format!("is {} with its stock {}", order.state, order.stock_state));
    }
    if order.names_who_is_gone {
        wrong("has ended and still names a customer who is gone".to_owned());
    }
    shipments(order, &mut wrong);
    returns(order, &mut wrong);
    found
}

/// One of each shop from CONFIRMED on; the order is as far as they are.
fn shipments(order: &Order, wrong: &mut impl FnMut(String)) {
    let shops: BTreeSet<Uuid> = order.lines.iter().map(|line| line.shop).collect();
    let sending: BTreeSet<Uuid> = order.shipments.keys().copied().collect();
    let shown = || {
        let parts =
            order.shipments.iter().map(|(shop, state)| format!("{} {state}", ShopId::from_uuid(*shop)));
        parts.collect::<Vec<_>>().join(", ")
    };
    if !order.is_paid() {
        // One that was CONFIRMED has had some.
        if order.shipments.values().any(|state| state != "CANCELLED") {
            wrong(format!("is {} and sends {}", order.state, shown()));
        }
    } else if shops != sending {
        wrong(format!("is of {} shops and sends [{}]", shops.len(), shown()));
    } else if order.state != fulfilled(order) {
        wrong(format!("is {} with its shipments [{}]", order.state, shown()));
    }
}

/// The state that its shipments and returns make.
fn fulfilled(order: &Order) -> &'static str {
    let count = |of: &[&str]| order.shipments.values().filter(|state| of.contains(&state.as_str())).count();
    let (all, sent, arrived) =
        (order.shipments.len(), count(&["SHIPPED", "DELIVERED"]), count(&["DELIVERED"]));
    if sent == 0 {
        return "CONFIRMED";
    }
    if arrived == all {
        let gone = copies(order, |made| made.state != "REJECTED");
        let is_gone = |offer, quantity| gone.get(&offer).is_some_and(|copies| *copies >= quantity);
        return if order.returns.iter().any(|made| made.state == "REQUESTED") {
            "RETURN_REQUESTED"
        } else if order.lines.iter().all(|line| is_gone(line.offer, line.quantity)) {
            "RETURNED"
        } else {
            "DELIVERED"
        };
    }
    if sent == all { "SHIPPED" } else { "PARTIALLY_SHIPPED" }
}

/// Nobody returns more than they bought, or for more than it cost.
fn returns(order: &Order, wrong: &mut impl FnMut(String)) {
    for made in &order.returns {
        let id = ReturnId::from_uuid(made.id);
        let price = |offer| {
            let line = order.lines.iter().find(|line| line.offer == offer && line.shop == made.shop);
            line.map(|line| line.unit_price)
        };
        let items = made.items.iter().map(|item| Some(price(item.offer)? * item.quantity));
        let cost: Option<i64> = items.sum();
        if cost != Some(made.amount) || made.currency != order.currency {
            wrong(format!("{id} is of {} {}, for books of {cost:?}", made.amount, made.currency));
        }
    }
    let gone = copies(order, |made| made.state != "REJECTED");
    for line in &order.lines {
        let copies = gone.get(&line.offer).copied().unwrap_or_default();
        if copies > line.quantity {
            wrong(format!("{copies} copies of {} are returned of {}", line.offer, line.quantity));
        }
    }
    let claimed: i64 =
        order.returns.iter().filter(|made| made.state != "REJECTED").map(|made| made.amount).sum();
    if claimed != order.claimed {
        wrong(format!("has returns of {claimed} and says {}", order.claimed));
    }
}

fn copies(order: &Order, counts: impl Fn(&Return) -> bool) -> BTreeMap<Uuid, i64> {
    let mut copies = BTreeMap::new();
    for item in order.returns.iter().filter(|made| counts(made)).flat_map(|made| &made.items) {
        *copies.entry(item.offer).or_default() += item.quantity;
    }
    copies
}

use std::time::Duration;

use proto::{
    order::v1::{self as wire, CancelReason, OrderState, ShipmentState},
    types::v1::Money,
};
use tonic::Code;

use super::{Action, By, Model, OFFERS, Patience, Pay, Refusal, Script, WALLET};

const SOON: Duration = Duration::from_secs(1);

fn model() -> Model {
    Model::new(Patience { payment: Duration::from_mins(2), reservation: Duration::from_mins(15) })
}

fn money(minor_units: i64) -> Money {
    Money { minor_units, currency_code: "EUR".to_owned() }
}

fn order(id: usize, (offer, quantity): (usize, i32), state: OrderState) -> wire::Order {
    let price = OFFERS[offer].1;
    wire::Order {
        order_id: format!("ord_{id}"),
        state: state.into(),
        lines: vec![wire::OrderLine { quantity, unit_price: Some(money(price)), ..Default::default() }],
        total: Some(money(price * i64::from(quantity))),
        payment_state: wire::PaymentState::Captured.into(),
        ..Default::default()
    }
}

fn out_of_stock() -> Refusal {
    Refusal { code: Code::FailedPrecondition, reason: "OUT_OF_STOCK".to_owned() }
}

fn place(model: &mut Model, attempt: usize, line: (usize, i32)) -> Result<(), super::Fault> {
    let placed = order(attempt, line, OrderState::Pending);
    model.placed(attempt, 0, &[(line.0, line.1.into())], Pay::Wallet, SOON, Ok(&placed))
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    let told = |seed| Script::new(seed).take(2_000).collect::<Vec<Action>>();

    assert_eq!(told(7), told(7));
    assert_ne!(told(7), told(8));
}

#[test]
fn a_story_has_everything_in_it() {
    let told: Vec<Action> = Script::new(1).take(2_000).collect();

    let kinds: std::collections::HashSet<_> = told.iter().map(std::mem::discriminant).collect();
    assert_eq!(kinds.len(), 18);
}

#[test]
fn more_than_there_is_cannot_be_sold() {
    let mut model = model();
    let copies = i32::try_from(OFFERS[1].2).expect("a small shelf");
    place(&mut model, 0, (1, copies)).expect("all of it");

    place(&mut model, 1, (1, 1)).expect("it may have come back");
    model.looked(0, By::Rightful, SOON, Ok(&order(0, (1, copies), OrderState::Confirmed))).expect("paid");

    let fault = place(&mut model, 2, (1, 1)).expect_err("sold twice");
    assert!(fault.0.contains("were sold of"), "{fault}");
}

/// These customers place such an order at once, and all are told that it is placed; whether that may be.
fn rush((offer, quantity): (usize, i32), customers: &[usize]) -> Result<(), super::Fault> {
    let placed = |(attempt, customer): (usize, &usize)| {
        (attempt, *customer, Ok(order(attempt, (offer, quantity), OrderState::Pending)))
    };
    let answers: Vec<_> = customers.iter().enumerate().map(placed).collect();
    model().rushed(offer, quantity.into(), SOON, &answers)
}

#[test]
fn no_rush_sells_more_than_there_is() {
    assert_eq!(OFFERS[0].2, 12);
    rush((0, 2), &[0, 1, 2, 0, 1, 2]).expect("all of it");

    let fault = rush((0, 2), &[0, 1, 2, 0, 1, 2, 3]).expect_err("everybody can pay");
    assert!(fault.0.contains("were sold at once of"), "{fault}");
}

#[test]
fn copies_of_who_cannot_pay_twice_are_sold_again() {
    assert_eq!((OFFERS[5], OFFERS[4], WALLET), ((1, 4_000, 20), (1, 990, 5), 20_000));
    rush((5, 4), &[0, 0, 1, 1, 2, 2]).expect("each wallet pays one");

    assert!(rush((4, 4), &[0; 6]).is_err(), "of six orders one is not paid, and the shelf has one");
}

#[test]
fn what_is_there_is_sold() {
    let mut model = model();

    let refused = model.placed(0, 0, &[(1, 1)], Pay::Wallet, SOON, Err(&out_of_stock()));

    assert!(refused.is_err());
}

#[test]
fn an_order_beyond_its_wallet_is_never_paid() {
    let mut model = model();
    place(&mut model, 0, (5, 6)).expect("placed");

    let seen = order(0, (5, 6), OrderState::Confirmed);
    let fault = model.looked(0, By::Rightful, SOON, Ok(&seen)).expect_err("paid of nothing");

    assert!(fault.0.contains("was paid"), "{fault}");
}

#[test]
fn a_paid_order_ends_for_no_reason_of_its_own() {
    let mut model = model();
    place(&mut model, 0, (0, 1)).expect("placed");
    let mut seen = order(0, (0, 1), OrderState::Cancelled);
    seen.set_cancel_reason(CancelReason::InsufficientFunds);

    assert!(model.looked(0, By::Rightful, SOON, Ok(&seen)).is_err(), "the wallet holds enough");

    seen.set_cancel_reason(CancelReason::PaymentTimeout);
    assert!(model.looked(0, By::Rightful, SOON, Ok(&seen)).is_err(), "its time is not up");
    model.looked(0, By::Rightful, Duration::from_mins(5), Ok(&seen)).expect("its time is up");
}

#[test]
fn what_a_paid_order_cost_has_left_the_wallet() {
    let mut model = model();
    place(&mut model, 0, (0, 2)).expect("placed");
    model.balance_seen(0, WALLET).expect("not charged yet");
    model.balance_seen(0, WALLET - 2_000).expect("charged");

    model.looked(0, By::Rightful, SOON, Ok(&order(0, (0, 2), OrderState::Confirmed))).expect("paid");

    assert!(model.balance_seen(0, WALLET).is_err());
    model.balance_seen(0, WALLET - 2_000).expect("charged");
}

#[test]
fn a_parcel_goes_out_once() {
    let mut model = model();
    place(&mut model, 0, (0, 1)).expect("placed");
    let shipment = wire::Shipment { state: ShipmentState::Shipped.into(), ..Default::default() };

    model.shipped(0, 0, By::Rightful, Ok(&shipment)).expect("paid and sent");

    assert!(model.shipped(0, 0, By::Rightful, Ok(&shipment)).is_err(), "twice");
    let sent = order(0, (0, 1), OrderState::Shipped);
    model.looked(0, By::Rightful, SOON, Ok(&sent)).expect("the order's state follows");
    let cancelled = order(0, (0, 1), OrderState::Cancelled);
    assert!(model.cancelled(0, By::Rightful, SOON, Ok(&cancelled)).is_err(), "too late");
}

#[test]
fn strangers_find_nothing() {
    let mut model = model();
    place(&mut model, 0, (0, 1)).expect("placed");

    let seen = order(0, (0, 1), OrderState::Pending);
    assert!(model.looked(0, By::Stranger, SOON, Ok(&seen)).is_err());
    let refusal = Refusal { code: Code::PermissionDenied, reason: String::new() };
    assert!(model.looked(0, By::Stranger, SOON, Err(&refusal)).is_err(), "it tells that there is one");
}

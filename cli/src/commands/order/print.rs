//! Orders as people read them.

use std::io;

use proto::{
    order::v1::{
        Actor, CancelReason, GetOrderHistoryResponse, Order, OrderState, OrderStatus, OrderStep,
        PaymentState, Shipment, StockState,
    },
    types::v1::Money,
};

use crate::{
    choice,
    commands::payment::reason,
    output::{self, Colour},
};

pub(super) fn details(order: &Order) -> String {
    let facts = output::facts(&[
        ("Order", order.order_id.clone()),
        ("State", painted(order.state(), &state(order.state(), order.cancel_reason()))),
        ("Payment", because(payment(order.payment_state()), &reason(order.payment_failure_reason()))),
        ("Card", order.card_id.clone()),
        ("Stock", stock(order.stock_state())),
        ("Total", output::money(order.total.as_ref())),
        ("Given back", given_back(order)),
        ("Deliver to", deliver_to(order)),
        ("Placed", output::time(order.create_time.as_ref())),
    ]);
    let lines = order.lines.iter().map(|line| {
        let each = line.unit_price.clone().unwrap_or_default();
        let sum = Money {
            minor_units: each.minor_units * i64::from(line.quantity),
            currency_code: each.currency_code.clone(),
        };
        vec![
            line.quantity.to_string(),
            line.title.clone(),
            output::money(Some(&each)),
            output::money(Some(&sum)),
        ]
    });
    let mut text = format!("{facts}\n\n{}", output::table(&["COPIES", "TITLE", "EACH", "TOGETHER"], lines));
    if !order.shipments.is_empty() {
        text.push_str("\n\n");
        let heading = ["SHOP", "PARCEL", "TRACKING NUMBER", "CARRIER", "SENT", "ARRIVED"];
        text.push_str(&output::table(&heading, order.shipments.iter().map(shipment)));
    }
    if !order.history.is_empty() {
        text.push_str("\n\n");
        text.push_str(&output::table(&["WHEN", "STEP", "BY", "NOTE"], order.history.iter().map(step)));
    }
    text
}

pub(super) fn list(answer: &GetOrderHistoryResponse) -> String {
    if answer.orders.is_empty() {
        return "No order yet. Find a book with: bookstore books list".to_owned();
    }
    let rows = answer.orders.iter().map(|order| {
        let copies: i32 = order.lines.iter().map(|line| line.quantity).sum();
        vec![
            order.order_id.clone(),
            output::time(order.create_time.as_ref()),
            state(order.state(), order.cancel_reason()),
            copies.to_string(),
            output::money(order.total.as_ref()),
        ]
    });
    output::table(&["ORDER", "PLACED", "STATE", "COPIES", "TOTAL"], rows)
}

/// As those see them who run the shop.
pub(super) fn everybody(orders: &[Order]) -> String {
    if orders.is_empty() {
        return "No order here.".to_owned();
    }
    let rows = orders.iter().map(|order| {
        vec![
            order.order_id.clone(),
            order.user_id.clone(),
            output::time(order.create_time.as_ref()),
            state(order.state(), order.cancel_reason()),
            because(payment(order.payment_state()), &reason(order.payment_failure_reason())),
            stock(order.stock_state()),
            output::money(order.total.as_ref()),
        ]
    });
    output::table(&["ORDER", "CUSTOMER", "PLACED", "STATE", "PAYMENT", "STOCK", "TOTAL"], rows)
}

pub(super) fn status(status: &OrderStatus) -> String {
    format!(
        "{}  {} payment {:<9} stock {}",
        output::time(status.update_time.as_ref()),
        painted(status.state(), &format!("{:<10}", state(status.state(), status.cancel_reason()))),
        payment(status.payment_state()).to_lowercase(),
        stock(status.stock_state()).to_lowercase(),
    )
}

fn step(step: &OrderStep) -> Vec<String> {
    vec![
        output::time(step.time.as_ref()),
        state(step.state(), step.cancel_reason()),
        output::word(Actor::as_str_name(&step.actor()), "ACTOR_").to_lowercase(),
        step.note.clone(),
    ]
}

fn shipment(shipment: &Shipment) -> Vec<String> {
    vec![
        shipment.shop_id.clone(),
        output::word(shipment.state().as_str_name(), "SHIPMENT_STATE_"),
        shipment.tracking_number.clone(),
        shipment.carrier.clone(),
        output::time(shipment.ship_time.as_ref()),
        output::time(shipment.deliver_time.as_ref()),
    ]
}

fn state(state: OrderState, reason: CancelReason) -> String {
    because(
        output::word(state.as_str_name(), "ORDER_STATE_"),
        &choice::word(reason.as_str_name(), "CANCEL_REASON_"),
    )
}

/// `CANCELLED (customer request)`.
fn because(state: String, reason: &str) -> String {
    if reason.is_empty() { state } else { format!("{state} ({reason})") }
}

/// Empty while nothing was.
fn given_back(order: &Order) -> String {
    let refunded = order.refunded.as_ref().filter(|refunded| refunded.minor_units > 0);
    output::money(refunded)
}

fn painted(state: OrderState, text: &str) -> String {
    let colour = match state {
        OrderState::Confirmed
        | OrderState::PartiallyShipped
        | OrderState::Shipped
        | OrderState::Delivered => Colour::Green,
        OrderState::Cancelled => Colour::Red,
        OrderState::Pending
        | OrderState::ReturnRequested
        | OrderState::Returned
        | OrderState::Unspecified => Colour::Yellow,
    };
    colour.paint(text, &io::stdout())
}

fn payment(state: PaymentState) -> String {
    output::word(state.as_str_name(), "PAYMENT_STATE_")
}

fn stock(state: StockState) -> String {
    output::word(state.as_str_name(), "STOCK_STATE_")
}

fn deliver_to(order: &Order) -> String {
    let Some(address) = &order.shipping_address else { return String::new() };
    [address.recipient.clone(), address.lines.join(", "), address.city.clone(), address.country_code.clone()]
        .join(", ")
}

//! Orders as the contract has them.

use proto::order::v1 as pb;
use server::wire::{money, timestamp};
use values::{OrderId, Violations};

use crate::domain::{
    Actor, CancelReason, Line, Order, PaymentMethod, PaymentState, ShippingAddress, State, Status, Step,
    StockState,
};

/// The one field of a request that names an order.
pub(super) fn order_id(field: &str) -> Result<OrderId, Violations> {
    let mut violations = Violations::new();
    let id = violations.parse("order_id", field);
    violations.finish(id)
}

pub(crate) const fn payment_method(method: PaymentMethod) -> pb::PaymentMethod {
    match method {
        PaymentMethod::Wallet => pb::PaymentMethod::Wallet,
    }
}

pub(crate) const fn cancel_reason(reason: Option<CancelReason>) -> pb::CancelReason {
    match reason {
        None => pb::CancelReason::Unspecified,
        Some(CancelReason::CustomerRequest) => pb::CancelReason::CustomerRequest,
        Some(CancelReason::InsufficientFunds) => pb::CancelReason::InsufficientFunds,
        Some(CancelReason::PaymentDeclined) => pb::CancelReason::PaymentDeclined,
        Some(CancelReason::PaymentTimeout) => pb::CancelReason::PaymentTimeout,
        Some(CancelReason::StockLost) => pb::CancelReason::StockLost,
    }
}

const fn state(state: State) -> pb::OrderState {
    match state {
        State::Pending => pb::OrderState::Pending,
        State::Confirmed => pb::OrderState::Confirmed,
        State::Cancelled => pb::OrderState::Cancelled,
    }
}

const fn payment_state(state: PaymentState) -> pb::PaymentState {
    match state {
        PaymentState::Pending => pb::PaymentState::Pending,
        PaymentState::Captured => pb::PaymentState::Captured,
        PaymentState::Failed => pb::PaymentState::Failed,
        PaymentState::Refunded => pb::PaymentState::Refunded,
    }
}

const fn stock_state(state: StockState) -> pb::StockState {
    match state {
        StockState::Reserved => pb::StockState::Reserved,
        StockState::Committed => pb::StockState::Committed,
        StockState::Released => pb::StockState::Released,
    }
}

const fn actor(actor: Actor) -> pb::Actor {
    match actor {
        Actor::Customer => pb::Actor::Customer,
        Actor::System => pb::Actor::System,
    }
}

impl From<Line> for pb::OrderLine {
    fn from(line: Line) -> Self {
        Self {
            offer_id: line.offer.to_string(),
            edition_id: line.edition.to_string(),
            shop_id: line.shop.to_string(),
            title: line.title,
            quantity: line.quantity.into(),
            unit_price: Some(money(line.unit_price)),
        }
    }
}

impl From<ShippingAddress> for pb::ShippingAddress {
    fn from(address: ShippingAddress) -> Self {
        Self {
            address_id: address.address_id.to_string(),
            recipient: address.recipient,
            lines: address.lines,
            city: address.city,
            region: address.region,
            postal_code: address.postal_code,
            country_code: address.country_code,
        }
    }
}

impl From<Order> for pb::Order {
    fn from(order: Order) -> Self {
        let standing = order.status.standing;
        Self {
            order_id: order.status.id.to_string(),
            state: state(standing.state).into(),
            cancel_reason: cancel_reason(standing.reason).into(),
            lines: order.lines.into_iter().map(Into::into).collect(),
            total: Some(money(order.total)),
            payment_method: payment_method(order.payment_method).into(),
            payment_state: payment_state(standing.payment).into(),
            stock_state: stock_state(standing.stock).into(),
            shipping_address: Some(order.shipping_address.into()),
            create_time: Some(timestamp(order.created_at)),
            update_time: Some(timestamp(order.status.updated_at)),
            version: order.status.version,
            history: vec![],
            ..Self::default()
        }
    }
}

impl From<Status> for pb::OrderStatus {
    fn from(status: Status) -> Self {
        let standing = status.standing;
        Self {
            order_id: status.id.to_string(),
            state: state(standing.state).into(),
            cancel_reason: cancel_reason(standing.reason).into(),
            payment_state: payment_state(standing.payment).into(),
            stock_state: stock_state(standing.stock).into(),
            update_time: Some(timestamp(status.updated_at)),
            version: status.version,
        }
    }
}

impl From<Step> for pb::OrderStep {
    fn from(step: Step) -> Self {
        Self {
            state: state(step.state).into(),
            cancel_reason: cancel_reason(step.reason).into(),
            actor: actor(step.actor).into(),
            time: Some(timestamp(step.time)),
            note: step.note,
        }
    }
}

//! Orders as the contract has them.

pub(super) mod states;

use std::{fmt::Display, str::FromStr};

use proto::order::v1 as pb;
use server::wire::{money, timestamp};
use values::{Money, OfferId, OrderId, Quantity, ShopId, Violations};

use self::states::{actor, failure_reason, payment_state, return_state, shipment_state, state, stock_state};
pub(crate) use self::states::{cancel_reason, payment_method};
use crate::domain::{Line, Order, Return, Shipment, ShipmentState, ShippingAddress, Status, Step};

/// The one field of a request that names an order.
pub(super) fn order_id(field: &str) -> Result<OrderId, Violations> {
    let mut violations = Violations::new();
    let id = violations.parse("order_id", field);
    violations.finish(id)
}

/// An id that may be left out. One that is wrong is none either, and noted.
pub(super) fn optional<T: FromStr<Err: Display>>(
    violations: &mut Violations,
    field: &str,
    id: &str,
) -> Option<T> {
    if id.is_empty() { None } else { violations.parse(field, id) }
}

pub(crate) fn items(items: &[(OfferId, Quantity)]) -> Vec<pb::OrderItem> {
    let item = |&(offer, quantity): &(OfferId, Quantity)| pb::OrderItem {
        offer_id: offer.to_string(),
        quantity: quantity.into(),
    };
    items.iter().map(item).collect()
}

impl From<Return> for pb::Return {
    fn from(one: Return) -> Self {
        Self {
            return_id: one.id.to_string(),
            order_id: one.order.to_string(),
            shop_id: one.shop.to_string(),
            state: return_state(one.state).into(),
            items: items(&one.items),
            amount: Some(money(one.amount)),
            restocked: one.restocked,
            reason: one.reason,
            answer: one.answer,
            create_time: Some(timestamp(one.created_at)),
            resolve_time: one.resolved_at.map(timestamp),
        }
    }
}

/// What a filter asks for, by the number that came; nothing for any. A number that is not known is noted.
pub(super) fn filter<W: TryFrom<i32>, T>(
    violations: &mut Violations,
    field: &str,
    number: i32,
    known: impl FnOnce(W) -> Option<T>,
) -> Option<T> {
    let wanted = violations.take(field, W::try_from(number).map_err(|_| "is not known"))?;
    known(wanted)
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

/// A shop's part of an order, without the address that the order has.
fn shipment(order: &Order, part: &Shipment) -> pb::Shipment {
    pb::Shipment {
        order_id: order.status.id.to_string(),
        shop_id: part.shop.to_string(),
        state: shipment_state(part.state).into(),
        lines: order.lines_of(part.shop).cloned().map(Into::into).collect(),
        tracking_number: part.tracking_number.clone(),
        carrier: part.carrier.clone(),
        shipping_address: None,
        ship_time: part.shipped_at.map(timestamp),
        deliver_time: part.delivered_at.map(timestamp),
        create_time: Some(timestamp(part.created_at)),
    }
}

/// A shop's part of an order as the shop sees it: what to send, and where to, unless it will never be sent.
pub(super) fn shipment_of(order: &Order, shop: ShopId) -> Option<pb::Shipment> {
    let part = order.shipments.iter().find(|part| part.shop == shop)?;
    let is_sent = part.state != ShipmentState::Cancelled;
    let shipping_address = is_sent.then(|| order.shipping_address.clone().into());
    Some(pb::Shipment { shipping_address, ..shipment(order, part) })
}

impl From<Order> for pb::Order {
    fn from(order: Order) -> Self {
        let standing = order.status.standing;
        let shipments = order.shipments.iter().map(|part| shipment(&order, part)).collect();
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
            shipments,
            user_id: order.user.to_string(),
            customer_name: order.customer_name,
            card_id: order.payment_method.card().map(|card| card.to_string()).unwrap_or_default(),
            payment_failure_reason: failure_reason(standing.failure).into(),
            refunded: Some(money(Money::new(standing.refunded, order.total.currency()))),
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

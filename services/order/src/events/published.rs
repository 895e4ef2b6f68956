//! What the service tells others of orders.

use events::outbox::{Outgoing, TooLarge};
use proto::order::v1 as pb;
use values::ReservationId;

use crate::{
    domain::{NewOrder, Order, Return, ReturnState, Shipment, ShipmentState, State},
    rpc::wire,
    store::changes::Locked,
};

/// An order asks for its payment; within the current trace.
pub(crate) fn placed(order: &NewOrder) -> Result<Outgoing, TooLarge> {
    let event = pb::OrderPlaced {
        order_id: order.id.to_string(),
        user_id: order.user.to_string(),
        total: Some(server::wire::money(order.total)),
        payment_method: wire::payment_method(order.payment_method).into(),
        card_id: order.payment_method.card().map(|card| card.to_string()).unwrap_or_default(),
    };
    Outgoing::new(order.id, 1, &event)
}

/// The step that brought an order where it stands; nothing is told of PENDING ones but that they were placed.
pub(crate) fn step(order: &Locked) -> Result<Option<Outgoing>, TooLarge> {
    let (order_id, user_id) = (order.id.to_string(), order.user.to_string());
    match order.standing.state {
        // What shops and customers do from then on is told where it is done.
        State::Pending
        | State::PartiallyShipped
        | State::Shipped
        | State::Delivered
        | State::ReturnRequested
        | State::Returned => Ok(None),
        State::Confirmed => {
            Outgoing::new(order.id, order.version, &pb::OrderConfirmed { order_id, user_id }).map(Some)
        }
        State::Cancelled => {
            let event = pb::OrderCancelled {
                order_id,
                user_id,
                reservation_id: order.reservation.to_string(),
                reason: wire::cancel_reason(order.standing.reason).into(),
            };
            Outgoing::new(order.id, order.version, &event).map(Some)
        }
    }
}

/// A shop has told where its parcel is; the order is at `version` by that.
pub(crate) fn shipment(
    order: &Order,
    version: i64,
    shipment: &Shipment,
) -> Result<Option<Outgoing>, TooLarge> {
    let (id, shop_id) = (order.status.id, shipment.shop.to_string());
    let (order_id, user_id) = (id.to_string(), order.user.to_string());
    match shipment.state {
        ShipmentState::Ready | ShipmentState::Cancelled => Ok(None),
        ShipmentState::Shipped => {
            let event = pb::OrderShipped {
                order_id,
                user_id,
                shop_id,
                tracking_number: shipment.tracking_number.clone(),
                carrier: shipment.carrier.clone(),
            };
            Outgoing::new(id, version, &event).map(Some)
        }
        ShipmentState::Delivered => {
            Outgoing::new(id, version, &pb::OrderDelivered { order_id, user_id, shop_id }).map(Some)
        }
    }
}

/// A customer wants to return books; the order is at `version` by that.
pub(crate) fn return_requested(
    order: &Order,
    version: i64,
    asked: &Return,
) -> Result<Option<Outgoing>, TooLarge> {
    let event = pb::ReturnRequested {
        return_id: asked.id.to_string(),
        order_id: order.status.id.to_string(),
        user_id: order.user.to_string(),
        shop_id: asked.shop.to_string(),
    };
    Outgoing::new(order.status.id, version, &event).map(Some)
}

/// A shop has resolved a return; the order is at `version` by that. Nothing is told of a rejected one.
pub(crate) fn returned(
    order: &Order,
    reservation: ReservationId,
    version: i64,
    resolved: &Return,
) -> Result<Option<Outgoing>, TooLarge> {
    if resolved.state != ReturnState::Accepted {
        return Ok(None);
    }
    let event = pb::OrderReturned {
        return_id: resolved.id.to_string(),
        order_id: order.status.id.to_string(),
        user_id: order.user.to_string(),
        reservation_id: reservation.to_string(),
        amount: Some(server::wire::money(resolved.amount)),
        restock: resolved.restocked,
        items: wire::items(&resolved.items),
    };
    Outgoing::new(order.status.id, version, &event).map(Some)
}

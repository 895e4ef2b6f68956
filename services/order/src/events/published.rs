//! What the service tells others of orders.

use events::outbox::{Outgoing, TooLarge};
use proto::order::v1 as pb;

use crate::{
    domain::{NewOrder, Order, Shipment, ShipmentState, State},
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

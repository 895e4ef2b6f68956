//! What the service tells others of orders.

use events::outbox::{Outgoing, TooLarge};
use proto::order::v1 as pb;

use crate::{
    domain::{NewOrder, State},
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
        card_id: String::new(),
    };
    Outgoing::new(order.id, 1, &event)
}

/// The step that brought an order where it stands; nothing is told of PENDING ones but that they were placed.
pub(crate) fn step(order: &Locked) -> Result<Option<Outgoing>, TooLarge> {
    let (order_id, user_id) = (order.id.to_string(), order.user.to_string());
    match order.standing.state {
        State::Pending => Ok(None),
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

use values::{ReservationId, UserId};

use super::Wrongs;
use crate::{
    Check,
    known::{lines::Line, orders::Order, reservations::Reservation},
};

/// CONFIRMED and later: its reservation is COMMITTED, with its lines. CANCELLED: its stock is free.
pub(super) fn wrongs(order: &Order, reservation: Option<&Reservation>) -> Wrongs {
    let id = ReservationId::from_uuid(order.reservation);
    let Some(reservation) = reservation else {
        return vec![(Check::OrderStock, format!("has no reservation {id}"))];
    };
    let mut found = Vec::new();
    let is_right = match order.state.as_str() {
        "PENDING" => true,
        "CANCELLED" => ["RELEASED", "RESTOCKED"].contains(&reservation.state.as_str()),
        _ => reservation.state == "COMMITTED",
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
    // The key of every attempt of one request is the same, so that none reserves twice.
    if reservation.key != format!("{}/{}", UserId::from_uuid(order.user), order.request_id) {
        found.push(format!("has the reservation {id} of another request"));
    }
    found.into_iter().map(|wrong| (Check::OrderStock, wrong)).collect()
}

use values::ReturnId;

use super::Wrongs;
use crate::{
    Check,
    known::{orders::Order, payments::Payment, reservations::Reservation},
};

/// What shops took back is refunded, as far as there was something left to refund, and on the shelf if they wanted it
/// there; nothing else is.
pub(super) fn wrongs(order: &Order, payment: &Payment, reservation: &Reservation) -> Wrongs {
    let mut found = Vec::new();
    for made in &order.returns {
        let id = ReturnId::from_uuid(made.id);
        let is_accepted = made.state == "ACCEPTED";
        let refunded = payment.for_returns.get(&made.id).copied();
        let is_all_given_back = payment.refunded + payment.refund_due == payment.amount;
        let is_right = match refunded {
            None => !is_accepted || is_all_given_back,
            Some(refunded) => {
                is_accepted && (refunded == made.amount || refunded < made.amount && is_all_given_back)
            }
        };
        if !is_right {
            found.push(format!("{id} of {} is {}, refunded {refunded:?}", made.amount, made.state));
        }
        let copies: i64 = made.items.iter().map(|item| item.quantity).sum();
        let wanted = if is_accepted && made.is_restocked { copies } else { 0 };
        let returned = reservation.returned.get(&made.id).copied().unwrap_or_default();
        if returned != wanted {
            found.push(format!("{id}: {wanted} copies belong back on the shelf, {returned} are"));
        }
    }
    let is_known = |cause| order.returns.iter().any(|made| made.id == cause);
    for cause in payment.for_returns.keys().chain(reservation.returned.keys()) {
        if !is_known(*cause) {
            found.push(format!("{} of it was settled and is not there", ReturnId::from_uuid(*cause)));
        }
    }
    found.into_iter().map(|wrong| (Check::Returns, wrong)).collect()
}

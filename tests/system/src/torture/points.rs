use crate::Service;

/// Everybody's: of publishing and of handling.
const EVENTS: [&str; 7] = [
    "relay.send",
    "relay.note.commit",
    "relay.mark_lost.commit",
    "attempts.note.commit",
    "attempts.take_back.commit",
    "events.nak",
    "events.give_back",
];

/// Where a process of a service can be told to die: before and after each of its acts that torture comes past.
pub(super) fn of(service: Service) -> Vec<String> {
    if service == Service::Gateway {
        let calls = [
            "order.PlaceOrder",
            "order.CancelOrder",
            "order.GetOrder",
            "identity.CreateUser",
            "payment.TopUp",
        ];
        return sides(calls.iter().map(|call| format!("call.{call}")));
    }
    let (own, consumers): (&[&str], &[&str]) = match service {
        Service::Identity => (
            &[
                "identity.create_user.commit",
                "identity.authenticate_user.commit",
                "identity.create_address.commit",
                "identity.update_address.commit",
                "identity.update_user.commit",
                "identity.logout.commit",
                "identity.delete_user.commit",
            ],
            &[],
        ),
        Service::Inventory => (
            &["inventory.reserve.commit", "inventory.adjust_stock.commit", "inventory.update_book.commit"],
            &["inventory_order_cancelled", "inventory_order_returned"],
        ),
        Service::Order => (
            &[
                "order.place.commit",
                "order.cancel_order.commit",
                "order.update_order_status.commit",
                "order.request_return.commit",
                "order.resolve_return.commit",
                "order.end_unpaid.commit",
                "order.commit_paid.commit",
                "call.identity.GetDeliveryAddress",
                "call.inventory.ReserveStock",
                "call.inventory.CommitReservation",
            ],
            &["order_payment_captured", "order_payment_failed", "order_payment_refunded"],
        ),
        Service::Payment => (
            &[
                "card.memory.commit",
                "payment.withdraw.commit",
                "payment.top_up.commit",
                "payment.refund_payment.commit",
                "payment.add_card.commit",
                "payment.refund.commit",
                "payment.take_due.commit",
                "payment.pay_out.commit",
            ],
            &["payment_order_placed", "payment_order_cancelled", "payment_order_returned"],
        ),
        Service::Notification => (
            &[
                "call.identity.GetContact",
                "notification.take.commit",
                "mail.hand_over",
                "notification.record.commit",
            ],
            &["notification_order_confirmed", "notification_order_cancelled", "notification_order_shipped"],
        ),
        Service::Gateway => (&[], &[]),
    };
    let handled = consumers.iter().flat_map(|name| [format!("{name}.commit"), format!("{name}.ack")]);
    let acts = own.iter().chain(&EVENTS).map(|act| (*act).to_owned()).chain(handled);
    sides(acts)
}

fn sides(acts: impl Iterator<Item = String>) -> Vec<String> {
    acts.flat_map(|act| [format!("{act}.before"), format!("{act}.after")]).collect()
}

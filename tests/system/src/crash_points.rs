//! The points at which services can be told to die (`BOOKSTORE_FAULT`), by service.

use anyhow::{Result, ensure};

use crate::{Service, Shop};

/// What has a point before it and one after it, of all services that a [`Shop`] has.
const ACTS: [(Service, &[&str]); 6] = [
    (
        Service::Identity,
        &[
            "identity.authenticate_user.commit",
            "identity.change_password.commit",
            "identity.create_address.commit",
            "identity.create_user.commit",
            "identity.delete_address.commit",
            "identity.delete_keys.commit",
            "identity.delete_user.commit",
            "identity.first_admin.commit",
            "identity.forget.commit",
            "identity.grant_role.commit",
            "identity.logout.commit",
            "identity.refresh_token.commit",
            "identity.refresh_token_reused.commit",
            "identity.register_key.commit",
            "identity.revoke_role.commit",
            "identity.rotate_signing_key.commit",
            "identity.set_default_address.commit",
            "identity.signing_key.commit",
            "identity.update_address.commit",
            "identity.update_user.commit",
            "relay.forget.commit",
            "relay.mark_lost.commit",
            "relay.note.commit",
            "relay.send",
        ],
    ),
    (
        Service::Inventory,
        &[
            "call.identity.GetJwks",
            "inbox.forget.commit",
            "inventory.add_book.commit",
            "inventory.add_shop_member.commit",
            "inventory.adjust_stock.commit",
            "inventory.announce.commit",
            "inventory.create_location.commit",
            "inventory.delete_book.commit",
            "inventory.expire.commit",
            "inventory.forget.commit",
            "inventory.import_catalogue.commit",
            "inventory.register_shop.commit",
            "inventory.remove_shop_member.commit",
            "inventory.reserve.commit",
            "inventory.settle.commit",
            "inventory.update_book.commit",
            "inventory.update_shop.commit",
            "inventory_order_cancelled.ack",
            "inventory_order_cancelled.commit",
            "inventory_order_returned.ack",
            "inventory_order_returned.commit",
            "inventory_user_deleted.ack",
            "inventory_user_deleted.commit",
            "relay.forget.commit",
            "relay.mark_lost.commit",
            "relay.note.commit",
            "relay.send",
        ],
    ),
    (
        Service::Order,
        &[
            "call.identity.BatchGetRecipients",
            "call.identity.GetContact",
            "call.identity.GetDeliveryAddress",
            "call.identity.GetJwks",
            "call.inventory.BatchCommitReservations",
            "call.inventory.BatchReserveStock",
            "inbox.forget.commit",
            "dead_letters.bury.commit",
            "dead_letters.discard.commit",
            "order.cancel_order.commit",
            "order.commit_paid.commit",
            "order.end_unpaid.commit",
            "order.place.commit",
            "order.postpone.commit",
            "order.refresh.commit",
            "order.request_return.commit",
            "order.resolve_return.commit",
            "order.resolve_return_again.commit",
            "order.update_order_status.commit",
            "order_address_changed.ack",
            "order_address_changed.commit",
            "order_payment_captured.ack",
            "order_payment_captured.commit",
            "order_payment_failed.ack",
            "order_payment_failed.commit",
            "order_payment_refunded.ack",
            "order_payment_refunded.commit",
            "order_profile_updated.ack",
            "order_profile_updated.commit",
            "order_shop_member_changed.ack",
            "order_shop_member_changed.commit",
            "order_user_deleted.ack",
            "order_user_deleted.commit",
            "relay.forget.commit",
            "relay.mark_lost.commit",
            "relay.note.commit",
            "relay.refuse.commit",
            "relay.send",
        ],
    ),
    (
        Service::Payment,
        &[
            "call.identity.GetJwks",
            "card.authorise",
            "card.capture",
            "card.look_up",
            "card.memory.commit",
            "card.pay_out",
            "card.refund",
            "card.void",
            "dead_letters.replay.commit",
            "inbox.forget.commit",
            "payment.add_card.commit",
            "payment.charge.AUTHORISE.commit",
            "payment.charge.CAPTURE.commit",
            "payment.charge.VOID.commit",
            "payment.delete_card.commit",
            "payment.end.commit",
            "payment.pay_out.commit",
            "payment.refund.commit",
            "payment.refund_payment.commit",
            "payment.take.commit",
            "payment.take_due.commit",
            "payment.told.commit",
            "payment.top_up.commit",
            "payment.withdraw.commit",
            "payment_order_cancelled.ack",
            "payment_order_cancelled.commit",
            "payment_order_placed.ack",
            "payment_order_placed.commit",
            "payment_order_returned.ack",
            "payment_order_returned.commit",
            "payment_user_deleted.ack",
            "payment_user_deleted.commit",
            "payment_user_registered.ack",
            "payment_user_registered.commit",
            "relay.forget.commit",
            "relay.mark_lost.commit",
            "relay.note.commit",
            "relay.send",
        ],
    ),
    (
        Service::Notification,
        &[
            "attempts.fail.commit",
            "attempts.note.commit",
            "call.identity.BatchGetContacts",
            "events.nak",
            "inbox.forget.commit",
            "mail.hand_over",
            "notification.first_start.commit",
            "notification.forget.commit",
            "notification.record.commit",
            "notification.take.commit",
            "notification_order_cancelled.ack",
            "notification_order_cancelled.commit",
            "notification_order_confirmed.ack",
            "notification_order_confirmed.commit",
            "notification_order_shipped.ack",
            "notification_order_shipped.commit",
            "notification_payment_refunded.ack",
            "notification_payment_refunded.commit",
            "notification_user_registered.ack",
            "notification_user_registered.commit",
        ],
    ),
    (
        Service::Gateway,
        &[
            "call.identity.CreateUser",
            "call.inventory.ImportCatalogue",
            "call.order.CancelOrder",
            "call.order.PlaceOrder",
            "call.payment.TopUp",
        ],
    ),
];

/// Acts that are done once in a shop's life.
const OF_A_FIRST_START: [&str; 3] =
    ["identity.first_admin.commit", "identity.register_key.commit", "notification.first_start.commit"];

/// What a service does that leaves traces outside of its process: `order.place.commit`, `call.inventory.BatchReserveStock`.
#[must_use]
pub fn acts(service: Service) -> &'static [&'static str] {
    ACTS.iter().find(|(of, _)| *of == service).map_or(&[], |(_, acts)| acts)
}

/// The points at which a service can die: one before each of its acts and one after it.
#[must_use]
pub fn of(service: Service) -> Vec<String> {
    acts(service).iter().flat_map(|act| [format!("{act}.before"), format!("{act}.after")]).collect()
}

/// What a point is the point before or after.
#[must_use]
pub fn act(point: &str) -> &str {
    point.rsplit_once('.').map_or(point, |(act, _)| act)
}

/// Whether a process comes there only when its shop is started for the first time.
#[must_use]
pub fn is_of_a_first_start(point: &str) -> bool {
    OF_A_FIRST_START.contains(&act(point))
}

/// Whether a process comes there only when payments have little time, and the process had more.
#[must_use]
pub fn is_of_a_deadline(point: &str) -> bool {
    act(point) == "order.end_unpaid.commit"
}

/// Fails if a service has come to a point that isn't in the catalogue.
pub async fn are_all_known(shop: &Shop) -> Result<()> {
    let known: Vec<&str> = ACTS.iter().flat_map(|(_, acts)| acts.iter().copied()).collect();
    for service in Service::ALL {
        let mut passed = shop.passed(service).await?;
        passed.retain(|point| !known.contains(&act(point)));
        // It keeps nothing, and all that it asks others for goes through one place.
        if service == Service::Gateway {
            passed.retain(|point| !point.starts_with("call."));
        }
        ensure!(passed.is_empty(), "{} has points that nobody tries: {passed:?}", service.name());
    }
    Ok(())
}

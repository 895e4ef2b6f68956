use std::collections::HashSet;

use anyhow::Result;
use sqlx::query_as;
use uuid::Uuid;

use crate::{Books, Scope, Service};

/// Who must have handled what whose.
const CONSUMERS: [(Service, &str, Service, &str); 20] = [
    (Service::Identity, "bookstore.identity.v1.user_registered", Service::Payment, "payment_user_registered"),
    (Service::Identity, "bookstore.identity.v1.user_deleted", Service::Payment, "payment_user_deleted"),
    (Service::Identity, "bookstore.identity.v1.user_deleted", Service::Order, "order_user_deleted"),
    (Service::Identity, "bookstore.identity.v1.user_deleted", Service::Inventory, "inventory_user_deleted"),
    (Service::Identity, "bookstore.identity.v1.address_changed", Service::Order, "order_address_changed"),
    (Service::Identity, "bookstore.identity.v1.profile_updated", Service::Order, "order_profile_updated"),
    (
        Service::Inventory,
        "bookstore.inventory.v1.shop_member_changed",
        Service::Order,
        "order_shop_member_changed",
    ),
    (Service::Order, "bookstore.order.v1.placed", Service::Payment, "payment_order_placed"),
    (Service::Order, "bookstore.order.v1.cancelled", Service::Payment, "payment_order_cancelled"),
    (Service::Order, "bookstore.order.v1.cancelled", Service::Inventory, "inventory_order_cancelled"),
    (Service::Order, "bookstore.order.v1.returned", Service::Payment, "payment_order_returned"),
    (Service::Order, "bookstore.order.v1.returned", Service::Inventory, "inventory_order_returned"),
    (Service::Payment, "bookstore.payment.v1.captured", Service::Order, "order_payment_captured"),
    (Service::Payment, "bookstore.payment.v1.failed", Service::Order, "order_payment_failed"),
    (Service::Payment, "bookstore.payment.v1.refunded", Service::Order, "order_payment_refunded"),
    (
        Service::Identity,
        "bookstore.identity.v1.user_registered",
        Service::Notification,
        "notification_user_registered",
    ),
    (Service::Order, "bookstore.order.v1.confirmed", Service::Notification, "notification_order_confirmed"),
    (Service::Order, "bookstore.order.v1.shipped", Service::Notification, "notification_order_shipped"),
    (Service::Order, "bookstore.order.v1.cancelled", Service::Notification, "notification_order_cancelled"),
    (
        Service::Payment,
        "bookstore.payment.v1.refunded",
        Service::Notification,
        "notification_payment_refunded",
    ),
];

/// At any moment no dead letter; once all is quiet nothing unpublished and nothing unhandled.
pub(crate) async fn violations(books: &mut Books, scope: &Scope) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for service in Service::ALL {
        let db = books.of(service)?;
        let dead: Vec<(String, Uuid, String)> =
            query_as("SELECT consumer, event_id, error FROM dead_letters WHERE resolution IS NULL")
                .fetch_all(&mut *db)
                .await?;
        found.extend(
            dead.into_iter().map(|(consumer, event, error)| {
                format!("event {event}: a dead letter of {consumer}: {error}")
            }),
        );
        if scope.everything {
            let unpublished: Vec<(Uuid, String, Option<String>)> =
                query_as("SELECT event_id, subject, refused FROM outbox WHERE stream_sequence IS NULL")
                    .fetch_all(db)
                    .await?;
            found.extend(unpublished.into_iter().map(|(event, subject, refused)| {
                format!("event {event}: {subject} is not published ({})", refused.unwrap_or_default())
            }));
        }
    }
    if scope.everything {
        for (publisher, subject, consuming, consumer) in CONSUMERS {
            let said: Vec<(Uuid,)> = query_as("SELECT event_id FROM outbox WHERE subject = $1")
                .bind(subject)
                .fetch_all(books.of(publisher)?)
                .await?;
            let heard: Vec<(Uuid,)> = query_as("SELECT event_id FROM inbox WHERE consumer = $1")
                .bind(consumer)
                .fetch_all(books.of(consuming)?)
                .await?;
            let heard: HashSet<_> = heard.into_iter().collect();
            let missing = said.into_iter().filter(|event| !heard.contains(event));
            found.extend(
                missing.map(|(event,)| format!("event {event}: {consumer} has not handled {subject}")),
            );
        }
    }
    Ok(found)
}

use crate::Service;

/// Who handles what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consumer {
    /// The durable consumer, which the inbox calls so too.
    pub(crate) name: &'static str,
    pub(crate) of: Service,
    pub(crate) publisher: Service,
    pub(crate) subject: &'static str,
}

const fn consumer(name: &'static str, of: Service, publisher: Service, subject: &'static str) -> Consumer {
    Consumer { name, of, publisher, subject }
}

/// All durable consumers of the shop.
pub(crate) const CONSUMERS: [Consumer; 20] = {
    use Service::{Identity, Inventory, Notification, Order, Payment};
    [
        consumer("payment_user_registered", Payment, Identity, "bookstore.identity.v1.user_registered"),
        consumer("payment_user_deleted", Payment, Identity, "bookstore.identity.v1.user_deleted"),
        consumer("order_user_deleted", Order, Identity, "bookstore.identity.v1.user_deleted"),
        consumer("inventory_user_deleted", Inventory, Identity, "bookstore.identity.v1.user_deleted"),
        consumer("order_address_changed", Order, Identity, "bookstore.identity.v1.address_changed"),
        consumer("order_profile_updated", Order, Identity, "bookstore.identity.v1.profile_updated"),
        consumer("order_shop_member_changed", Order, Inventory, "bookstore.inventory.v1.shop_member_changed"),
        consumer("payment_order_placed", Payment, Order, "bookstore.order.v1.placed"),
        consumer("payment_order_cancelled", Payment, Order, "bookstore.order.v1.cancelled"),
        consumer("inventory_order_cancelled", Inventory, Order, "bookstore.order.v1.cancelled"),
        consumer("payment_order_returned", Payment, Order, "bookstore.order.v1.returned"),
        consumer("inventory_order_returned", Inventory, Order, "bookstore.order.v1.returned"),
        consumer("order_payment_captured", Order, Payment, "bookstore.payment.v1.captured"),
        consumer("order_payment_failed", Order, Payment, "bookstore.payment.v1.failed"),
        consumer("order_payment_refunded", Order, Payment, "bookstore.payment.v1.refunded"),
        consumer(
            "notification_user_registered",
            Notification,
            Identity,
            "bookstore.identity.v1.user_registered",
        ),
        consumer("notification_order_confirmed", Notification, Order, "bookstore.order.v1.confirmed"),
        consumer("notification_order_shipped", Notification, Order, "bookstore.order.v1.shipped"),
        consumer("notification_order_cancelled", Notification, Order, "bookstore.order.v1.cancelled"),
        consumer("notification_payment_refunded", Notification, Payment, "bookstore.payment.v1.refunded"),
    ]
};

/// The one of this name.
pub(crate) fn named(name: &str) -> Option<&'static Consumer> {
    CONSUMERS.iter().find(|consumer| consumer.name == name)
}

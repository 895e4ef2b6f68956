use proto::{
    identity::v1 as identity, inventory::v1 as inventory, order::v1 as order, payment::v1 as payment,
};

/// A message of the contract that travels as an event.
pub trait Event: prost::Message + Default + Send + Sync + 'static {
    /// The NATS subject, which is the `CloudEvents` type too.
    const SUBJECT: &'static str;
}

macro_rules! catalogue {
    ($($message:ty => $subject:literal),* $(,)?) => {$(
        impl Event for $message {
            const SUBJECT: &'static str = $subject;
        }
    )*};
}

catalogue! {
    identity::UserRegistered => "bookstore.identity.v1.user_registered",
    identity::UserDeleted => "bookstore.identity.v1.user_deleted",
    identity::SessionRevoked => "bookstore.identity.v1.session_revoked",
    identity::AccessChanged => "bookstore.identity.v1.access_changed",
    inventory::ShopMemberChanged => "bookstore.inventory.v1.shop_member_changed",
    order::OrderPlaced => "bookstore.order.v1.placed",
    order::OrderConfirmed => "bookstore.order.v1.confirmed",
    order::OrderCancelled => "bookstore.order.v1.cancelled",
    payment::PaymentCaptured => "bookstore.payment.v1.captured",
    payment::PaymentFailed => "bookstore.payment.v1.failed",
    payment::PaymentRefunded => "bookstore.payment.v1.refunded",
}

use std::sync::LazyLock;

use prost::Name as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use proto::{
    identity::v1 as identity, inventory::v1 as inventory, order::v1 as order, payment::v1 as payment,
};

/// A message of the contract that travels as an event.
pub trait Event: prost::Message + Default + Send + Sync + 'static {
    /// The NATS subject, which is the `CloudEvents` type too.
    const SUBJECT: &'static str;
}

macro_rules! catalogue {
    ($($message:ty => $subject:literal),* $(,)?) => {
    $(
        impl Event for $message {
            const SUBJECT: &'static str = $subject;
        }
    )*

        /// The message that travels under `subject`, by its full name.
        fn message_of(subject: &str) -> Option<String> {
            match subject {
                $($subject => Some(<$message>::full_name()),)*
                _ => None,
            }
        }
    };
}

catalogue! {
    identity::UserRegistered => "bookstore.identity.v1.user_registered",
    identity::UserDeleted => "bookstore.identity.v1.user_deleted",
    identity::SessionRevoked => "bookstore.identity.v1.session_revoked",
    identity::AccessChanged => "bookstore.identity.v1.access_changed",
    identity::ProfileUpdated => "bookstore.identity.v1.profile_updated",
    identity::AddressChanged => "bookstore.identity.v1.address_changed",
    inventory::ShopMemberChanged => "bookstore.inventory.v1.shop_member_changed",
    order::OrderPlaced => "bookstore.order.v1.placed",
    order::OrderConfirmed => "bookstore.order.v1.confirmed",
    order::OrderCancelled => "bookstore.order.v1.cancelled",
    order::OrderShipped => "bookstore.order.v1.shipped",
    order::OrderDelivered => "bookstore.order.v1.delivered",
    order::ReturnRequested => "bookstore.order.v1.return_requested",
    order::OrderReturned => "bookstore.order.v1.returned",
    payment::PaymentCaptured => "bookstore.payment.v1.captured",
    payment::PaymentFailed => "bookstore.payment.v1.failed",
    payment::PaymentRefunded => "bookstore.payment.v1.refunded",
}

/// The contract, for those who know a message by its name only.
static CONTRACT: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).ok());

/// A body as proto3 JSON; `None` if it can't be read as what travels under `subject`.
#[must_use]
pub fn json(subject: &str, payload: &[u8]) -> Option<String> {
    let message = CONTRACT.as_ref()?.get_message_by_name(&message_of(subject)?)?;
    let message = DynamicMessage::decode(message, payload).ok()?;
    serde_json::to_string(&message).ok()
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn a_body_is_shown_as_the_contract_names_its_fields() {
        let event = identity::AccessChanged { user_id: "usr_1".to_owned(), least_version: 7 };
        let json = json(identity::AccessChanged::SUBJECT, &event.encode_to_vec()).unwrap();
        assert_eq!(json, r#"{"userId":"usr_1","leastVersion":"7"}"#);
    }

    #[test]
    fn what_cannot_be_read_has_no_json() {
        assert_eq!(json(order::OrderPlaced::SUBJECT, b"\xff\xff"), None);
        assert_eq!(json("bookstore.order.v1.unheard_of", b""), None);
    }
}

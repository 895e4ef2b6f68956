//! Dead letters that services have never given up.

use anyhow::Result;
use prost::Message;
use proto::{
    identity::v1::UserRegistered, inventory::v1::ShopMemberChanged, order::v1::OrderCancelled,
    payment::v1::PaymentFailed,
};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use system_tests::{Service, Shop};
use uuid::Uuid;
use values::{Clock, DeadLetterId, EventId};

use super::secrets::Secret;

/// Why all of them were given up.
pub(crate) const REASON: &str = "zxreason: torn";

/// Two of a service's, of the same kind.
pub(crate) struct Letters {
    /// One that its handler can handle, if there is such a one.
    pub(crate) replayed: String,
    /// One to be put aside.
    pub(crate) discarded: String,
}

impl Letters {
    /// About a user, an order that has ended, and a reservation.
    pub(crate) async fn plant(shop: &Shop, service: Service, about: (&str, &str, &str)) -> Result<Self> {
        let (user, order, reservation) = about;
        let (user_id, order_id) = (user.to_owned(), order.to_owned());
        let (consumer, subject, payload) = match service {
            Service::Inventory => {
                let reservation_id = reservation.to_owned();
                let event = OrderCancelled { order_id, user_id, reservation_id, ..Default::default() };
                ("inventory_order_cancelled", "bookstore.order.v1.cancelled", event.encode_to_vec())
            }
            Service::Order => {
                let event = PaymentFailed { order_id, ..Default::default() };
                ("order_payment_failed", "bookstore.payment.v1.failed", event.encode_to_vec())
            }
            Service::Payment => {
                let event = UserRegistered { user_id };
                ("payment_user_registered", "bookstore.identity.v1.user_registered", event.encode_to_vec())
            }
            Service::Notification => {
                let event = UserRegistered { user_id };
                (
                    "notification_user_registered",
                    "bookstore.identity.v1.user_registered",
                    event.encode_to_vec(),
                )
            }
            // It consumes nothing.
            Service::Identity | Service::Gateway => {
                let event = ShopMemberChanged { user_id, ..Default::default() };
                ("identity_nobody", "bookstore.inventory.v1.shop_member_changed", event.encode_to_vec())
            }
        };
        let mut connection = PgConnection::connect(shop.database(service)?.url()).await?;
        let mut ids = Vec::new();
        for _ in 0..2 {
            let (id, event) = (DeadLetterId::new(), Uuid::now_v7());
            let headers = json!({
                "ce-id": [EventId::from_uuid(event).to_string()],
                "ce-subject": [user],
                "ce-sequence": ["1"],
                "ce-time": [Clock::system().now().to_rfc3339()],
            });
            sqlx::query(
                "INSERT INTO dead_letters
                    (dead_letter_id, consumer, event_id, subject, headers, payload, error, attempts)
                VALUES ($1, $2, $3, $4, $5, $6, $7, 1)",
            )
            .bind(id.uuid())
            .bind(consumer)
            .bind(event)
            .bind(subject)
            .bind(headers)
            .bind(&payload)
            .bind(REASON)
            .execute(&mut connection)
            .await?;
            ids.push(id.to_string());
        }
        let [replayed, discarded] = ids.try_into().map_err(|_| anyhow::anyhow!("not two"))?;
        Ok(Self { replayed, discarded })
    }

    pub(crate) fn secrets(&self) -> [Secret; 2] {
        [Secret::text("dead letter", &self.replayed), Secret::text("dead letter", &self.discarded)]
    }
}

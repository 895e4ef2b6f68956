use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use values::{AddressId, Fingerprint, Money, OrderId, RequestId, ReservationId, UserId};

use super::{Actor, CancelReason, Line, Standing, State, names::names};

/// How an order is paid for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub(crate) enum PaymentMethod {
    /// From the customer's wallet.
    Wallet,
}

names!(PaymentMethod { Wallet => "WALLET" });

/// Where an order goes, as the address was when the order was placed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ShippingAddress {
    pub(crate) address_id: AddressId,
    pub(crate) recipient: String,
    pub(crate) lines: Vec<String>,
    pub(crate) city: String,
    pub(crate) region: String,
    pub(crate) postal_code: String,
    pub(crate) country_code: String,
}

/// An order that is about to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewOrder {
    pub(crate) id: OrderId,
    pub(crate) user: UserId,
    pub(crate) request_id: RequestId,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) reservation: ReservationId,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
    pub(crate) payment_method: PaymentMethod,
    pub(crate) shipping_address: ShippingAddress,
}

impl NewOrder {
    /// The order as it is once stored.
    pub(crate) fn placed_at(&self, time: DateTime<Utc>) -> Order {
        Order {
            status: Status { id: self.id, standing: Standing::PLACED, version: 1, updated_at: time },
            lines: self.lines.clone(),
            total: self.total,
            payment_method: self.payment_method,
            shipping_address: self.shipping_address.clone(),
            created_at: time,
        }
    }
}

/// Something bought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Order {
    pub(crate) status: Status,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
    pub(crate) payment_method: PaymentMethod,
    pub(crate) shipping_address: ShippingAddress,
    pub(crate) created_at: DateTime<Utc>,
}

/// Where an order stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Status {
    pub(crate) id: OrderId,
    pub(crate) standing: Standing,
    /// Counts the changes, from 1.
    pub(crate) version: i64,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A step that an order took.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    /// The version of the order that it made.
    pub(crate) version: i64,
    pub(crate) state: State,
    pub(crate) reason: Option<CancelReason>,
    pub(crate) actor: Actor,
    /// In the words of who did it.
    pub(crate) note: String,
    pub(crate) time: DateTime<Utc>,
}

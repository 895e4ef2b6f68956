use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use values::{AddressId, CardId, Fingerprint, Money, OrderId, RequestId, ReservationId, ShopId, UserId};

use super::{Actor, CancelReason, Line, Shipment, Standing, State};

/// How an order is paid for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub(crate) enum PaymentMethod {
    /// From the customer's wallet.
    Wallet,
    /// By this card of the customer's.
    Card(CardId),
}

impl PaymentMethod {
    /// What it is called in the database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Wallet => "WALLET",
            Self::Card(_) => "CARD",
        }
    }

    /// The card that pays, if one does.
    pub(crate) const fn card(self) -> Option<CardId> {
        match self {
            Self::Wallet => None,
            Self::Card(card) => Some(card),
        }
    }
}

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
    pub(crate) customer_name: String,
    pub(crate) shipping_address: ShippingAddress,
}

impl NewOrder {
    /// The order as it is once stored.
    pub(crate) fn placed_at(&self, time: DateTime<Utc>) -> Order {
        let standing = Standing::placed(self.total.minor_units());
        Order {
            status: Status { id: self.id, standing, version: 1, updated_at: time },
            user: self.user,
            lines: self.lines.clone(),
            total: self.total,
            payment_method: self.payment_method,
            customer_name: self.customer_name.clone(),
            shipping_address: self.shipping_address.clone(),
            created_at: time,
            shipments: vec![],
        }
    }
}

/// Something bought.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Order {
    pub(crate) status: Status,
    pub(crate) user: UserId,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
    pub(crate) payment_method: PaymentMethod,
    pub(crate) customer_name: String,
    pub(crate) shipping_address: ShippingAddress,
    pub(crate) created_at: DateTime<Utc>,
    /// In the order of the shops' ids; none before it is CONFIRMED.
    pub(crate) shipments: Vec<Shipment>,
}

impl Order {
    /// A shop's part of it.
    pub(crate) fn lines_of(&self, shop: ShopId) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.shop == shop)
    }
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

//! What one shop sends of an order.

use chrono::{DateTime, Utc};
use values::ShopId;

use super::names::names;

/// Where a shipment stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ShipmentState {
    /// Paid for, to be sent.
    Ready,
    /// On its way.
    Shipped,
    /// Arrived.
    Delivered,
    /// Will not be sent: the order was cancelled.
    Cancelled,
}

names!(ShipmentState {
    Ready => "READY",
    Shipped => "SHIPPED",
    Delivered => "DELIVERED",
    Cancelled => "CANCELLED",
});

impl ShipmentState {
    /// Whether it has left the shop.
    pub(crate) const fn is_sent(self) -> bool {
        matches!(self, Self::Shipped | Self::Delivered)
    }

    /// Whether a shop may say so of a shipment that stands here.
    pub(crate) const fn may_become(self, next: Self) -> bool {
        matches!((self, next), (Self::Ready, Self::Shipped) | (Self::Shipped, Self::Delivered))
    }
}

/// What one shop sends of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Shipment {
    pub(crate) shop: ShopId,
    pub(crate) state: ShipmentState,
    /// Empty before it is SHIPPED.
    pub(crate) tracking_number: String,
    /// May be empty.
    pub(crate) carrier: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) shipped_at: Option<DateTime<Utc>>,
    pub(crate) delivered_at: Option<DateTime<Utc>>,
}

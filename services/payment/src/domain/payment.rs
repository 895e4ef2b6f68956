//! The payment of an order.

use chrono::{DateTime, Utc};
use values::{CardId, Money, OrderId, PaymentId, UserId};

use super::failure::Failure;

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The gateway has not said anything yet.
    Pending,
    /// The card's bank has promised the amount.
    Authorised,
    /// The amount was taken.
    Captured,
    /// Nothing was taken, and nothing will be.
    Failed(Failure),
    /// The amount was taken and given back.
    Refunded,
}

/// What was charged, or was not, for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    /// Its id.
    pub(crate) id: PaymentId,
    /// Which order.
    pub(crate) order: OrderId,
    /// Whose order.
    pub(crate) user: UserId,
    /// The card that pays, if not the wallet.
    pub(crate) card: Option<CardId>,
    /// Where it stands.
    pub(crate) state: State,
    /// The order's total.
    pub(crate) amount: Money,
    /// Given back so far, at most the amount.
    pub(crate) refunded: Money,
    /// When it was attempted.
    pub(crate) created_at: DateTime<Utc>,
    /// When it last changed.
    pub(crate) updated_at: DateTime<Utc>,
}

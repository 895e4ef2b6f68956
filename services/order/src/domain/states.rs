//! Where orders, their payments and their stock may stand, and why.

use super::names::names;

/// Where an order stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum State {
    /// Stock is set aside, payment is under way.
    Pending,
    /// Paid, and the stock is the customer's. The system never takes it back by itself.
    Confirmed,
    /// Ended; whatever was paid is given back.
    Cancelled,
    /// Some shops have sent their part, some have not.
    PartiallyShipped,
    /// Every shop has sent its part.
    Shipped,
    /// Everything has arrived.
    Delivered,
    /// The customer wants to return something; a shop has to say.
    ReturnRequested,
    /// Everything has been returned.
    Returned,
}

/// Why an order was cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum CancelReason {
    CustomerRequest,
    InsufficientFunds,
    PaymentDeclined,
    PaymentTimeout,
    StockLost,
    Staff,
}

/// Why a payment failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum FailureReason {
    InsufficientFunds,
    WalletClosed,
    CardDeclined,
    CardExpired,
    IncorrectCvc,
    CardLostOrStolen,
    SuspectedFraud,
    ProcessingError,
    CardUnknown,
    OrderCancelled,
    /// One that a later release of payment knows.
    Other,
}

/// What an order knows of its payment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum PaymentState {
    Pending,
    Captured,
    Failed,
    Refunded,
}

/// What an order knows of its stock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum StockState {
    Reserved,
    Committed,
    Released,
}

/// Who makes an order take a step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Actor {
    /// The customer who placed it.
    Customer,
    /// The shop's software.
    System,
    /// Somebody who works in a shop.
    Shop,
    /// Somebody who runs the whole.
    Staff,
}

names!(State {
    Pending => "PENDING",
    Confirmed => "CONFIRMED",
    Cancelled => "CANCELLED",
    PartiallyShipped => "PARTIALLY_SHIPPED",
    Shipped => "SHIPPED",
    Delivered => "DELIVERED",
    ReturnRequested => "RETURN_REQUESTED",
    Returned => "RETURNED",
});
names!(CancelReason {
    CustomerRequest => "CUSTOMER_REQUEST",
    InsufficientFunds => "INSUFFICIENT_FUNDS",
    PaymentDeclined => "PAYMENT_DECLINED",
    PaymentTimeout => "PAYMENT_TIMEOUT",
    StockLost => "STOCK_LOST",
    Staff => "STAFF",
});
names!(FailureReason {
    InsufficientFunds => "INSUFFICIENT_FUNDS",
    WalletClosed => "WALLET_CLOSED",
    CardDeclined => "CARD_DECLINED",
    CardExpired => "CARD_EXPIRED",
    IncorrectCvc => "INCORRECT_CVC",
    CardLostOrStolen => "CARD_LOST_OR_STOLEN",
    SuspectedFraud => "SUSPECTED_FRAUD",
    ProcessingError => "PROCESSING_ERROR",
    CardUnknown => "CARD_UNKNOWN",
    OrderCancelled => "ORDER_CANCELLED",
    Other => "OTHER",
});
names!(PaymentState {
    Pending => "PENDING",
    Captured => "CAPTURED",
    Failed => "FAILED",
    Refunded => "REFUNDED",
});
names!(StockState { Reserved => "RESERVED", Committed => "COMMITTED", Released => "RELEASED" });
names!(Actor { Customer => "CUSTOMER", System => "SYSTEM", Shop => "SHOP", Staff => "STAFF" });

impl StockState {
    /// The one state in which an order has its stock like this, if there is just one.
    pub(crate) const fn only_while(self) -> Option<State> {
        match self {
            Self::Reserved => Some(State::Pending),
            Self::Committed => None,
            Self::Released => Some(State::Cancelled),
        }
    }
}

impl FailureReason {
    /// Why an order is cancelled whose payment failed for this reason.
    pub(super) const fn cancels(self) -> CancelReason {
        match self {
            Self::InsufficientFunds => CancelReason::InsufficientFunds,
            Self::WalletClosed
            | Self::CardDeclined
            | Self::CardExpired
            | Self::IncorrectCvc
            | Self::CardLostOrStolen
            | Self::SuspectedFraud
            | Self::ProcessingError
            | Self::CardUnknown
            | Self::OrderCancelled
            | Self::Other => CancelReason::PaymentDeclined,
        }
    }
}

impl State {
    /// Whether a watcher can stop watching. A CONFIRMED order may still be cancelled or sent, but nothing more happens to
    /// it by itself.
    pub(crate) const fn is_settled(self) -> bool {
        !matches!(self, Self::Pending)
    }

    /// Whether nobody has to do anything more for it. A DELIVERED one may still be returned.
    pub(crate) const fn is_end(self) -> bool {
        matches!(self, Self::Cancelled | Self::Delivered | Self::Returned)
    }

    /// Whether its shops may be asked to take books back.
    pub(crate) const fn takes_returns(self) -> bool {
        matches!(self, Self::Delivered | Self::ReturnRequested)
    }

    /// Whether there is a step from here to there. A part of an order may take one while the whole stays where it is.
    pub(crate) const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Confirmed | Self::Cancelled)
                | (Self::Confirmed, Self::Cancelled | Self::PartiallyShipped | Self::Shipped)
                | (Self::PartiallyShipped, Self::Shipped)
                | (Self::Shipped, Self::Delivered)
                | (Self::Delivered, Self::ReturnRequested)
                | (Self::ReturnRequested, Self::Delivered | Self::Returned)
        )
    }
}

//! The steps that an order may take.

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
}

/// Why an order was cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum CancelReason {
    CustomerRequest,
    InsufficientFunds,
    PaymentDeclined,
    PaymentTimeout,
    StockLost,
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
}

names!(State { Pending => "PENDING", Confirmed => "CONFIRMED", Cancelled => "CANCELLED" });
names!(CancelReason {
    CustomerRequest => "CUSTOMER_REQUEST",
    InsufficientFunds => "INSUFFICIENT_FUNDS",
    PaymentDeclined => "PAYMENT_DECLINED",
    PaymentTimeout => "PAYMENT_TIMEOUT",
    StockLost => "STOCK_LOST",
});
names!(PaymentState {
    Pending => "PENDING",
    Captured => "CAPTURED",
    Failed => "FAILED",
    Refunded => "REFUNDED",
});
names!(StockState { Reserved => "RESERVED", Committed => "COMMITTED", Released => "RELEASED" });
names!(Actor { Customer => "CUSTOMER", System => "SYSTEM" });

/// Everything about an order that a step depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub(crate) state: State,
    pub(crate) payment: PaymentState,
    pub(crate) stock: StockState,
    /// Given exactly when the state is CANCELLED.
    pub(crate) reason: Option<CancelReason>,
}

/// Something that happened to an order, as far as the order can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Happening {
    /// The total was taken, and inventory hasn't answered yet.
    Captured,
    /// The total was taken, and inventory took the stock off the shelf.
    CapturedAndCommitted,
    /// The total was taken, and the stock is lost.
    CapturedAndStockLost,
    /// The payment was refused, for this reason.
    PaymentFailed(CancelReason),
    /// What was taken was given back.
    Refunded,
    /// The payment didn't arrive in time.
    PaymentTimedOut,
    /// The customer asked to cancel.
    CancelRequested,
}

/// What a happening does to an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    /// A step to another state, which belongs in the history and is announced.
    Step(Standing),
    /// The state stays; what is known of the payment changes.
    Note(Standing),
    /// Known already, or too late to matter.
    Nothing,
    /// Not allowed where the order stands.
    Illegal,
}

impl Standing {
    /// A new order.
    pub(crate) const PLACED: Self = Self {
        state: State::Pending,
        payment: PaymentState::Pending,
        stock: StockState::Reserved,
        reason: None,
    };

    const fn cancelled(self, reason: CancelReason) -> Self {
        Self { state: State::Cancelled, stock: StockState::Released, reason: Some(reason), ..self }
    }

    const fn paid(self, payment: PaymentState) -> Self {
        Self { payment, ..self }
    }
}

impl State {
    /// Whether a watcher can stop watching. A CONFIRMED order may still be cancelled by its customer, but nothing more
    /// happens to it by itself.
    pub(crate) const fn is_settled(self) -> bool {
        matches!(self, Self::Confirmed | Self::Cancelled)
    }
}

/// The table of steps.
pub(crate) const fn step(now: Standing, happening: Happening) -> Effect {
    use Happening as H;
    match (now.state, happening) {
        (State::Pending, H::CapturedAndCommitted) => Effect::Step(Standing {
            state: State::Confirmed,
            stock: StockState::Committed,
            ..now.paid(PaymentState::Captured)
        }),
        (State::Pending, H::CapturedAndStockLost) => {
            Effect::Step(now.paid(PaymentState::Captured).cancelled(CancelReason::StockLost))
        }
        (State::Pending, H::PaymentFailed(reason)) => {
            Effect::Step(now.paid(PaymentState::Failed).cancelled(reason))
        }
        (State::Pending | State::Confirmed, H::CancelRequested) => {
            Effect::Step(now.cancelled(CancelReason::CustomerRequest))
        }
        // A capture ends the time limit, even while inventory cannot be asked.
        (State::Pending, H::PaymentTimedOut) => match now.payment {
            PaymentState::Pending => Effect::Step(now.cancelled(CancelReason::PaymentTimeout)),
            _ => Effect::Nothing,
        },
        (State::Cancelled, H::CancelRequested) => Effect::Illegal,
        (State::Confirmed | State::Cancelled, H::PaymentTimedOut) => Effect::Nothing,
        // Whatever else is told of the payment is noted, and a refund is the last word on it.
        (_, H::Refunded) => note(now, PaymentState::Refunded),
        (State::Cancelled, H::PaymentFailed(_)) => match now.payment {
            PaymentState::Pending => note(now, PaymentState::Failed),
            _ => Effect::Nothing,
        },
        (State::Pending | State::Cancelled, H::Captured)
        | (State::Cancelled, H::CapturedAndCommitted | H::CapturedAndStockLost) => match now.payment {
            PaymentState::Pending => note(now, PaymentState::Captured),
            _ => Effect::Nothing,
        },
        (
            State::Confirmed,
            H::Captured | H::CapturedAndCommitted | H::CapturedAndStockLost | H::PaymentFailed(_),
        ) => Effect::Nothing,
    }
}

const fn note(now: Standing, payment: PaymentState) -> Effect {
    match (now.payment, payment) {
        (PaymentState::Refunded, _)
        | (PaymentState::Captured, PaymentState::Captured)
        | (PaymentState::Failed, PaymentState::Failed) => Effect::Nothing,
        // A CONFIRMED order is paid for: a refund by staff doesn't change it.
        _ if matches!(now.state, State::Confirmed) => Effect::Nothing,
        _ => Effect::Note(now.paid(payment)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(happenings: &[Happening]) -> Standing {
        happenings.iter().fold(Standing::PLACED, |now, happening| match step(now, *happening) {
            Effect::Step(next) | Effect::Note(next) => next,
            Effect::Nothing | Effect::Illegal => now,
        })
    }

    #[test]
    fn paid_and_committed_is_confirmed() {
        let now = after(&[Happening::CapturedAndCommitted]);

        assert_eq!(
            (now.state, now.payment, now.stock),
            (State::Confirmed, PaymentState::Captured, StockState::Committed)
        );
    }

    #[test]
    fn a_capture_ends_the_time_limit_while_inventory_is_silent() {
        let now = after(&[Happening::Captured, Happening::PaymentTimedOut, Happening::CapturedAndCommitted]);

        assert_eq!(now.state, State::Confirmed);
    }

    #[test]
    fn stock_lost_after_the_capture_cancels() {
        let now = after(&[Happening::Captured, Happening::CapturedAndStockLost]);

        assert_eq!((now.state, now.reason), (State::Cancelled, Some(CancelReason::StockLost)));
    }

    #[test]
    fn a_capture_for_a_cancelled_order_is_only_noted() {
        let now = after(&[Happening::CancelRequested, Happening::CapturedAndCommitted]);

        assert_eq!((now.state, now.payment), (State::Cancelled, PaymentState::Captured));
        assert_eq!(now.reason, Some(CancelReason::CustomerRequest));
    }

    #[test]
    fn a_refund_told_before_its_capture_is_the_last_word() {
        let now = after(&[Happening::CancelRequested, Happening::Refunded, Happening::Captured]);

        assert_eq!(now.payment, PaymentState::Refunded);
    }

    #[test]
    fn a_cancelled_order_cannot_be_cancelled_again() {
        assert_eq!(step(after(&[Happening::PaymentTimedOut]), Happening::CancelRequested), Effect::Illegal);
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            Just(Happening::Captured),
            Just(Happening::CapturedAndCommitted),
            Just(Happening::CapturedAndStockLost),
            Just(Happening::PaymentFailed(CancelReason::InsufficientFunds)),
            Just(Happening::Refunded),
            Just(Happening::PaymentTimedOut),
            Just(Happening::CancelRequested),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_in_whatever_order_the_order_makes_sense(
            happenings in prop::collection::vec(happening(), 0..12)
        ) {
            let mut now = Standing::PLACED;
            for happening in happenings {
                let next = match step(now, happening) {
                    Effect::Step(next) => {
                        prop_assert_ne!(next.state, now.state, "a step goes somewhere");
                        next
                    }
                    Effect::Note(next) => {
                        prop_assert_eq!(next.state, now.state, "a note stays where it is");
                        prop_assert_ne!(next, now, "a note tells something new");
                        next
                    }
                    Effect::Nothing | Effect::Illegal => now,
                };
                prop_assert!(now.state != State::Cancelled || next.state == State::Cancelled, "CANCELLED is final");
                prop_assert!(now.state == State::Pending || next.state != State::Pending, "nothing becomes PENDING");
                prop_assert_eq!(next.reason.is_some(), next.state == State::Cancelled);
                prop_assert!(
                    next.state != State::Confirmed
                        || (next.payment == PaymentState::Captured && next.stock == StockState::Committed)
                );
                now = next;
            }
        }
    }
}

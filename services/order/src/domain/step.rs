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

/// The table of steps: first those to another state, then what is only noted, then what changes nothing.
pub(crate) const fn step(now: Standing, happening: Happening) -> Effect {
    use Happening as H;
    use PaymentState as P;
    use State as S;
    match (now.state, happening, now.payment) {
        (S::Pending, H::CapturedAndCommitted, _) => {
            let stock = StockState::Committed;
            Effect::Step(Standing { state: S::Confirmed, stock, ..now.paid(P::Captured) })
        }
        (S::Pending, H::CapturedAndStockLost, _) => {
            Effect::Step(now.paid(P::Captured).cancelled(CancelReason::StockLost))
        }
        (S::Pending, H::PaymentFailed(reason), P::Pending) => {
            Effect::Step(now.paid(P::Failed).cancelled(reason))
        }
        // A capture has ended the time limit, even while inventory cannot be asked.
        (S::Pending, H::PaymentTimedOut, P::Pending) => {
            Effect::Step(now.cancelled(CancelReason::PaymentTimeout))
        }
        (S::Pending | S::Confirmed, H::CancelRequested, _) => {
            Effect::Step(now.cancelled(CancelReason::CustomerRequest))
        }
        (S::Cancelled, H::CancelRequested, _) => Effect::Illegal,

        (S::Pending, H::Captured, P::Pending)
        | (S::Cancelled, H::Captured | H::CapturedAndCommitted | H::CapturedAndStockLost, P::Pending) => {
            Effect::Note(now.paid(P::Captured))
        }
        (S::Cancelled, H::PaymentFailed(_), P::Pending) => Effect::Note(now.paid(P::Failed)),
        // May be told before the capture, and is the last word. What staff give back of a CONFIRMED order leaves it paid.
        (S::Pending | S::Cancelled, H::Refunded, P::Pending | P::Captured) => {
            Effect::Note(now.paid(P::Refunded))
        }

        (
            _,
            H::Captured
            | H::CapturedAndCommitted
            | H::CapturedAndStockLost
            | H::PaymentFailed(_)
            | H::Refunded
            | H::PaymentTimedOut,
            _,
        ) => Effect::Nothing,
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
                    now.payment == PaymentState::Pending || next.payment != PaymentState::Pending,
                    "what is known of a payment is not forgotten"
                );
                prop_assert!(
                    next.state != State::Confirmed
                        || (next.payment == PaymentState::Captured && next.stock == StockState::Committed)
                );
                now = next;
            }
        }
    }
}

//! The steps that an order may take.

use super::{CancelReason, FailureReason, PaymentState, State, StockState};

/// Everything about an order that a step depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub(crate) state: State,
    pub(crate) payment: PaymentState,
    pub(crate) stock: StockState,
    /// Given exactly when the state is CANCELLED.
    pub(crate) reason: Option<CancelReason>,
    /// Given exactly when the payment FAILED, unless a release before this one noted it.
    pub(crate) failure: Option<FailureReason>,
    /// Given back so far, in minor units.
    pub(crate) refunded: i64,
    /// What the order costs, in minor units.
    pub(crate) total: i64,
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
    PaymentFailed(FailureReason),
    /// So much has been given back altogether, in minor units.
    Refunded(i64),
    /// The payment didn't arrive in time.
    PaymentTimedOut,
    /// The customer or staff asked to cancel: for this reason then.
    CancelRequested(CancelReason),
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
    /// A new order that costs so much, in minor units.
    pub(crate) const fn placed(total: i64) -> Self {
        Self {
            state: State::Pending,
            payment: PaymentState::Pending,
            stock: StockState::Reserved,
            reason: None,
            failure: None,
            refunded: 0,
            total,
        }
    }

    const fn cancelled(self, reason: CancelReason) -> Self {
        Self { state: State::Cancelled, stock: StockState::Released, reason: Some(reason), ..self }
    }

    /// The total was taken; of what was given back already the order has heard first.
    const fn captured(self) -> Self {
        let is_refunded = self.refunded >= self.total;
        Self { payment: if is_refunded { PaymentState::Refunded } else { PaymentState::Captured }, ..self }
    }

    const fn failed(self, reason: FailureReason) -> Self {
        Self { payment: PaymentState::Failed, failure: Some(reason), ..self }
    }

    /// What has been given back is told in any order; it only grows.
    const fn refunded(self, sum: i64) -> Self {
        let payment = if sum >= self.total { PaymentState::Refunded } else { self.payment };
        Self { payment, refunded: sum, ..self }
    }

    /// It has come to this state by its shipments and returns.
    pub(crate) const fn fulfilled(self, state: State) -> Self {
        Self { state, ..self }
    }
}

/// The table of what happens to orders: first steps to another state, then what is only noted, then what changes
/// nothing. What shipments and returns make of an order stands in [`fulfilment`](super::fulfilment).
pub(crate) const fn step(now: Standing, happening: Happening) -> Effect {
    use Happening as H;
    use PaymentState as P;
    use State as S;
    match (now.state, happening, now.payment) {
        (S::Pending, H::CapturedAndCommitted, _) => {
            let stock = StockState::Committed;
            Effect::Step(Standing { state: S::Confirmed, stock, ..now.captured() })
        }
        (S::Pending, H::CapturedAndStockLost, _) => {
            Effect::Step(now.captured().cancelled(CancelReason::StockLost))
        }
        (S::Pending, H::PaymentFailed(reason), P::Pending) => {
            Effect::Step(now.failed(reason).cancelled(reason.cancels()))
        }
        // A capture has ended the time limit, even while inventory cannot be asked.
        (S::Pending, H::PaymentTimedOut, P::Pending) => {
            Effect::Step(now.cancelled(CancelReason::PaymentTimeout))
        }
        (S::Pending | S::Confirmed, H::CancelRequested(reason), _) => Effect::Step(now.cancelled(reason)),
        (
            S::Cancelled | S::PartiallyShipped | S::Shipped | S::Delivered | S::ReturnRequested | S::Returned,
            H::CancelRequested(_),
            _,
        ) => Effect::Illegal,

        (S::Pending, H::Captured, P::Pending)
        | (S::Cancelled, H::Captured | H::CapturedAndCommitted | H::CapturedAndStockLost, P::Pending) => {
            Effect::Note(now.captured())
        }
        (S::Cancelled, H::PaymentFailed(reason), P::Pending) => Effect::Note(now.failed(reason)),
        // May be told before the capture, and in any order: the largest sum is the last word.
        (_, H::Refunded(sum), P::Pending | P::Captured) if sum > now.refunded => {
            Effect::Note(now.refunded(sum))
        }

        (
            _,
            H::Captured
            | H::CapturedAndCommitted
            | H::CapturedAndStockLost
            | H::PaymentFailed(_)
            | H::Refunded(_)
            | H::PaymentTimedOut,
            _,
        ) => Effect::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOTAL: i64 = 20_00;
    const BY_CUSTOMER: Happening = Happening::CancelRequested(CancelReason::CustomerRequest);

    fn after(happenings: &[Happening]) -> Standing {
        happenings.iter().fold(Standing::placed(TOTAL), |now, happening| match step(now, *happening) {
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
        let now = after(&[BY_CUSTOMER, Happening::CapturedAndCommitted]);

        assert_eq!((now.state, now.payment), (State::Cancelled, PaymentState::Captured));
        assert_eq!(now.reason, Some(CancelReason::CustomerRequest));
    }

    #[test]
    fn a_refund_told_before_its_capture_is_the_last_word() {
        let now = after(&[BY_CUSTOMER, Happening::Refunded(TOTAL), Happening::Captured]);

        assert_eq!(now.payment, PaymentState::Refunded);
    }

    #[test]
    fn a_part_given_back_leaves_the_payment_captured() {
        let now = after(&[
            Happening::Refunded(5_00),
            Happening::CapturedAndCommitted,
            Happening::Refunded(9_00),
            Happening::Refunded(7_00),
        ]);

        assert_eq!((now.state, now.payment, now.refunded), (State::Confirmed, PaymentState::Captured, 9_00));
        let Effect::Note(whole) = step(now, Happening::Refunded(TOTAL)) else { panic!("not noted") };
        assert_eq!((whole.state, whole.payment), (State::Confirmed, PaymentState::Refunded));
    }

    #[test]
    fn a_failure_says_why_and_what_for() {
        let poor = after(&[Happening::PaymentFailed(FailureReason::InsufficientFunds)]);
        assert_eq!(poor.reason, Some(CancelReason::InsufficientFunds));
        let lost = after(&[Happening::PaymentFailed(FailureReason::CardLostOrStolen)]);
        assert_eq!(lost.reason, Some(CancelReason::PaymentDeclined));
        let cancelled = after(&[BY_CUSTOMER, Happening::PaymentFailed(FailureReason::OrderCancelled)]);
        assert_eq!(cancelled.reason, Some(CancelReason::CustomerRequest));
        assert_eq!(cancelled.payment, PaymentState::Failed);
    }

    #[test]
    fn a_cancelled_order_cannot_be_cancelled_again() {
        assert_eq!(step(after(&[Happening::PaymentTimedOut]), BY_CUSTOMER), Effect::Illegal);
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            Just(Happening::Captured),
            Just(Happening::CapturedAndCommitted),
            Just(Happening::CapturedAndStockLost),
            Just(Happening::PaymentFailed(FailureReason::InsufficientFunds)),
            Just(Happening::PaymentFailed(FailureReason::OrderCancelled)),
            (1..=TOTAL).prop_map(Happening::Refunded),
            Just(Happening::Refunded(TOTAL)),
            Just(Happening::PaymentTimedOut),
            Just(BY_CUSTOMER),
            Just(Happening::CancelRequested(CancelReason::Staff)),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_in_whatever_order_the_order_makes_sense(
            happenings in prop::collection::vec(happening(), 0..12)
        ) {
            let mut now = Standing::placed(TOTAL);
            for happening in happenings {
                let next = match step(now, happening) {
                    Effect::Step(next) => {
                        prop_assert!(now.state.may_become(next.state), "a step goes where the table says");
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
                        || (matches!(next.payment, PaymentState::Captured | PaymentState::Refunded)
                            && next.stock == StockState::Committed)
                );
                match next.stock.only_while() {
                    Some(state) => prop_assert_eq!(next.state, state),
                    None => prop_assert!(!matches!(next.state, State::Pending | State::Cancelled)),
                }
                prop_assert!(next.refunded >= now.refunded, "what was given back only grows");
                prop_assert_eq!(next.failure.is_some(), next.payment == PaymentState::Failed);
                prop_assert!((next.payment != PaymentState::Refunded) || next.refunded >= TOTAL);
                now = next;
            }
        }
    }
}

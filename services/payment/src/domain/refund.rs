//! Giving back what was taken for a cancelled order.

use crate::domain::charge::Refusal;

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The amount was taken.
    Captured,
    /// Nothing was taken, and nothing will be.
    Failed(Refusal),
    /// The amount was taken and given back.
    Refunded,
    /// The order was cancelled before its charge arrived; the charge will meet this.
    Cancelled,
}

/// What the cancellation of its order means for a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnCancel {
    /// Give this many minor units back.
    Refund(i64),
    /// All is as it should be.
    Nothing,
}

/// Everything that is left of a capture goes back; no other state holds the customer's money.
pub(crate) const fn on_cancel(state: State, amount: i64, refunded: i64) -> OnCancel {
    match state {
        State::Captured => OnCancel::Refund(amount - refunded),
        State::Failed(_) | State::Refunded | State::Cancelled => OnCancel::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_order_gets_back_all_that_is_left_of_its_capture() {
        assert_eq!(on_cancel(State::Captured, 10_00, 0), OnCancel::Refund(10_00));
        assert_eq!(on_cancel(State::Captured, 10_00, 3_00), OnCancel::Refund(7_00));
    }

    #[test]
    fn where_nothing_is_held_nothing_is_given_back() {
        for state in [State::Failed(Refusal::InsufficientFunds), State::Refunded, State::Cancelled] {
            assert_eq!(on_cancel(state, 10_00, 0), OnCancel::Nothing);
        }
    }
}

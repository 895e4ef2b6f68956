//! Giving back what was taken for an order.

use chrono::{DateTime, Utc};
use values::{Money, PaymentId, RefundId};

use super::payment::State;

/// What is recorded for an order, of which only a payment is shown to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The charge was attempted, or is.
    Payment(State),
    /// The order was cancelled before its charge arrived; the charge will meet this.
    Tombstone,
}

/// Why money is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The order was cancelled.
    Cancelled,
    /// Books were returned.
    Returned,
    /// Staff gave it.
    Staff,
}

/// Money that is given back, or is about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refund {
    /// Its id.
    pub(crate) id: RefundId,
    /// Of which payment.
    pub(crate) payment: PaymentId,
    /// Whether it has arrived.
    pub(crate) is_done: bool,
    /// How much.
    pub(crate) amount: Money,
    /// Why.
    pub(crate) cause: Cause,
    /// In the words of who gave it.
    pub(crate) note: String,
    /// When it was decided.
    pub(crate) created_at: DateTime<Utc>,
}

/// What the cancellation of its order means to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnCancel {
    /// So many minor units go back.
    GiveBack(i64),
    /// What is under way is undone.
    GiveUp,
    /// Nothing: it holds nothing of the customer's, and never will.
    Nothing,
}

/// What the cancellation of its order means to a payment of which `decided` minor units have gone back or are about to.
pub(crate) const fn on_cancel(record: Record, amount: i64, decided: i64) -> OnCancel {
    match record {
        Record::Payment(State::Captured) if amount > decided => OnCancel::GiveBack(amount - decided),
        Record::Payment(State::Pending | State::Authorised) => OnCancel::GiveUp,
        Record::Payment(State::Captured | State::Failed(_) | State::Refunded) | Record::Tombstone => {
            OnCancel::Nothing
        }
    }
}

/// Why no money is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// There is nothing to give back, or not yet.
    #[error("nothing was captured")]
    NothingCaptured,
    /// The rest was given back, or is about to be.
    #[error("less than that is left of what was captured")]
    TooMuch,
}

/// How much staff gives back who ask for so many minor units, or for all that is left.
pub(crate) fn given(record: Record, amount: i64, decided: i64, asked: Option<i64>) -> Result<i64, Refused> {
    match record {
        Record::Payment(State::Captured | State::Refunded) => {
            let left = amount - decided;
            let given = asked.unwrap_or(left);
            if given > 0 && given <= left { Ok(given) } else { Err(Refused::TooMuch) }
        }
        Record::Payment(State::Pending | State::Authorised | State::Failed(_)) | Record::Tombstone => {
            Err(Refused::NothingCaptured)
        }
    }
}

/// How much is given back for returned books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnReturn {
    /// So many minor units: their price, or what is left.
    GiveBack(i64),
    /// Nothing is left.
    Nothing,
    /// It isn't known yet that the order was paid.
    TooEarly,
    /// The order was never paid.
    NeverPaid,
}

/// What the return of books for so many minor units means to the payment of their order.
pub(crate) fn on_return(record: Record, amount: i64, decided: i64, price: i64) -> OnReturn {
    match record {
        Record::Payment(State::Captured | State::Refunded) => match price.min(amount - decided) {
            ..=0 => OnReturn::Nothing,
            back => OnReturn::GiveBack(back),
        },
        Record::Payment(State::Pending | State::Authorised) => OnReturn::TooEarly,
        Record::Payment(State::Failed(_)) | Record::Tombstone => OnReturn::NeverPaid,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::failure::Failure;

    const CAPTURED: Record = Record::Payment(State::Captured);
    const FAILED: Record = Record::Payment(State::Failed(Failure::InsufficientFunds));

    #[test]
    fn a_cancelled_order_gets_back_all_that_is_left_of_its_capture() {
        assert_eq!(on_cancel(CAPTURED, 10_00, 0), OnCancel::GiveBack(10_00));
        assert_eq!(on_cancel(CAPTURED, 10_00, 3_00), OnCancel::GiveBack(7_00));
        assert_eq!(on_cancel(CAPTURED, 10_00, 10_00), OnCancel::Nothing);
    }

    #[test]
    fn where_nothing_is_held_nothing_is_given_back() {
        for record in [FAILED, Record::Payment(State::Refunded), Record::Tombstone] {
            assert_eq!(on_cancel(record, 10_00, 0), OnCancel::Nothing);
        }
        for record in [FAILED, Record::Tombstone] {
            assert_eq!(given(record, 10_00, 0, None), Err(Refused::NothingCaptured));
            assert_eq!(on_return(record, 10_00, 0, 1), OnReturn::NeverPaid);
        }
    }

    #[test]
    fn what_is_under_way_is_given_up_and_not_refunded_before_it_is_known() {
        for record in [Record::Payment(State::Pending), Record::Payment(State::Authorised)] {
            assert_eq!(on_cancel(record, 10_00, 0), OnCancel::GiveUp);
            assert_eq!(given(record, 10_00, 0, Some(1)), Err(Refused::NothingCaptured));
            assert_eq!(on_return(record, 10_00, 0, 1), OnReturn::TooEarly);
        }
    }

    proptest! {
        #[test]
        fn refunds_never_exceed_the_capture(
            amount in 1..1_000_i64,
            asked in prop::collection::vec((0..3_u8, prop::option::of(-10..1_200_i64)), 0..20),
        ) {
            let mut decided = 0;
            for (cause, asked) in asked {
                let back = match cause {
                    0 => match on_cancel(CAPTURED, amount, decided) {
                        OnCancel::GiveBack(back) => back,
                        _ => 0,
                    },
                    1 => given(CAPTURED, amount, decided, asked).unwrap_or(0),
                    _ => match on_return(CAPTURED, amount, decided, asked.unwrap_or(1)) {
                        OnReturn::GiveBack(back) => back,
                        _ => 0,
                    },
                };
                prop_assert!(back >= 0);
                decided += back;
                prop_assert!(decided <= amount);
            }
        }
    }
}

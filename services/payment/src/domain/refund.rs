//! Giving back what was taken for a cancelled order.

use super::payment::State;

/// What is recorded for an order, of which only a payment is shown to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The charge was attempted.
    Payment(State),
    /// The order was cancelled before its charge arrived; the charge will meet this.
    Tombstone,
}

/// Minor units to give back when the order is cancelled: all that is left of a capture, since no other state holds
/// the customer's money.
pub(crate) const fn due_on_cancel(record: Record, amount: i64, refunded: i64) -> Option<i64> {
    match record {
        Record::Payment(State::Captured) => Some(amount - refunded),
        Record::Payment(State::Failed(_) | State::Refunded) | Record::Tombstone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::Failure;

    #[test]
    fn a_cancelled_order_gets_back_all_that_is_left_of_its_capture() {
        assert_eq!(due_on_cancel(Record::Payment(State::Captured), 10_00, 0), Some(10_00));
        assert_eq!(due_on_cancel(Record::Payment(State::Captured), 10_00, 3_00), Some(7_00));
    }

    #[test]
    fn where_nothing_is_held_nothing_is_given_back() {
        for record in [
            Record::Payment(State::Failed(Failure::InsufficientFunds)),
            Record::Payment(State::Refunded),
            Record::Tombstone,
        ] {
            assert_eq!(due_on_cancel(record, 10_00, 0), None);
        }
    }
}

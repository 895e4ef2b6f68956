//! Charging cards.

use values::{Money, RequestId};

/// Who charges cards.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Card {
    /// Nobody: every charge succeeds. All there is until a real gateway is connected.
    Simulated,
}

impl Card {
    /// Charges a card. A gateway takes the request's id as its idempotency key, so that a repeated request charges
    /// once.
    ///
    /// The wallet was asked before, but may be closed or filled by another call until the money is booked. A gateway
    /// must therefore authorise here, capture once it is booked, and void what was refused after all.
    pub(crate) fn charge(self, _key: &RequestId, _amount: Money) {
        match self {
            Self::Simulated => {}
        }
    }
}

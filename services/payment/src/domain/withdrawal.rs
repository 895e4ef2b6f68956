//! Money on its way out of a wallet.

use chrono::{DateTime, Utc};
use values::{CardId, Money, WithdrawalId};

/// Where money stands that goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The gateway has not said yet.
    Pending,
    /// It has arrived.
    Done,
    /// The card refused it, so it is back in the wallet.
    Failed,
}

/// Money on its way out of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Withdrawal {
    /// Its id.
    pub(crate) id: WithdrawalId,
    /// Which card.
    pub(crate) card: CardId,
    /// Where it stands.
    pub(crate) state: State,
    /// How much.
    pub(crate) amount: Money,
    /// When it was asked for.
    pub(crate) created_at: DateTime<Utc>,
}

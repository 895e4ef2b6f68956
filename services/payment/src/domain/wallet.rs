//! Wallets: one a user and currency.

use values::Money;

/// The most that a top-up takes, in minor units.
pub(crate) const LARGEST_TOP_UP: i64 = 1_000_000;

/// The most that a wallet may hold after a top-up, in minor units. A refund is booked all the same.
pub(crate) const LIMIT: i64 = 1_000_000_000;

/// Why a wallet takes no money from a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The user is gone.
    #[error("the wallet is closed")]
    Closed,
    /// It would hold more than it may.
    #[error("a wallet holds at most {LIMIT} minor units")]
    Full,
}

/// Why an amount can't be topped up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {LARGEST_TOP_UP} minor units")]
pub(crate) struct AmountError;

/// An amount that a card may be charged with at once.
pub(crate) fn top_up_amount(amount: Money) -> Result<Money, AmountError> {
    if (1..=LARGEST_TOP_UP).contains(&amount.minor_units()) { Ok(amount) } else { Err(AmountError) }
}

#[cfg(test)]
mod tests {
    use values::Currency;

    use super::*;

    #[test]
    fn a_top_up_is_above_zero_and_not_too_large() {
        for (minor_units, taken) in [
            (i64::MIN, false),
            (-1, false),
            (0, false),
            (1, true),
            (LARGEST_TOP_UP, true),
            (LARGEST_TOP_UP + 1, false),
        ] {
            assert_eq!(top_up_amount(Money::new(minor_units, Currency::EUR)).is_ok(), taken, "{minor_units}");
        }
    }
}

//! Wallets: one a user and currency.

/// The most that a top-up takes, in minor units.
pub(crate) const LARGEST_TOP_UP: i64 = 1_000_000;

/// The most that a wallet may hold after a top-up, in minor units. A refund is booked all the same.
pub(crate) const LIMIT: i64 = 1_000_000_000;

/// Why an amount can't be topped up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {LARGEST_TOP_UP} minor units")]
pub(crate) struct AmountError;

/// An amount, in minor units, that a card may be charged with at once.
pub(crate) fn top_up_amount(minor_units: i64) -> Result<i64, AmountError> {
    if (1..=LARGEST_TOP_UP).contains(&minor_units) { Ok(minor_units) } else { Err(AmountError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_top_up_is_above_zero_and_not_too_large() {
        for taken in [1, LARGEST_TOP_UP] {
            assert_eq!(top_up_amount(taken), Ok(taken));
        }
        for refused in [i64::MIN, -1, 0, LARGEST_TOP_UP + 1, i64::MAX] {
            assert_eq!(top_up_amount(refused), Err(AmountError));
        }
    }
}

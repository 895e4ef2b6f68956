//! What is bought, and for how much.

use std::collections::BTreeSet;

use values::{EditionId, Money, OfferId, Quantity, ShopId};

/// A line of an order, at the price of the moment it was reserved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub(crate) offer: OfferId,
    pub(crate) edition: EditionId,
    pub(crate) shop: ShopId,
    pub(crate) title: String,
    pub(crate) quantity: Quantity,
    pub(crate) unit_price: Money,
}

/// Lines that have no total.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum TotalError {
    #[error("an order needs a line")]
    NoLines,
    #[error("all lines of an order must be priced in one currency")]
    SeveralCurrencies,
    #[error("the total is too large")]
    TooLarge,
}

/// The sum of all lines.
pub(crate) fn total(lines: &[Line]) -> Result<Money, TotalError> {
    let (first, rest) = lines.split_first().ok_or(TotalError::NoLines)?;
    rest.iter().try_fold(price(first)?, |sum, line| {
        if line.unit_price.currency() != sum.currency() {
            return Err(TotalError::SeveralCurrencies);
        }
        sum.checked_add(price(line)?).map_err(|_| TotalError::TooLarge)
    })
}

/// The shops that the lines are from, each once.
pub(crate) fn shops(lines: &[Line]) -> BTreeSet<ShopId> {
    lines.iter().map(|line| line.shop).collect()
}

fn price(line: &Line) -> Result<Money, TotalError> {
    line.unit_price.checked_mul(line.quantity.get()).map_err(|_| TotalError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(minor_units: i64, currency: &str, quantity: i32) -> Line {
        Line {
            offer: OfferId::new(),
            edition: EditionId::new(),
            shop: ShopId::new(),
            title: "Emma".to_owned(),
            quantity: Quantity::try_from(quantity).unwrap(),
            unit_price: Money::new(minor_units, currency.parse().unwrap()),
        }
    }

    #[test]
    fn the_total_is_the_sum_of_copies_times_price() {
        assert_eq!(total(&[line(9_99, "EUR", 2), line(5_00, "EUR", 1)]).unwrap().to_string(), "24.98 EUR");
    }

    #[test]
    fn what_has_no_total_is_refused() {
        assert_eq!(total(&[]), Err(TotalError::NoLines));
        assert_eq!(total(&[line(1, "EUR", 1), line(1, "USD", 1)]), Err(TotalError::SeveralCurrencies));
        assert_eq!(total(&[line(i64::MAX, "EUR", 2)]), Err(TotalError::TooLarge));
    }
}

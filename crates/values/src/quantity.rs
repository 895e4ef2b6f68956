use std::fmt;

use serde::{Deserialize, Serialize};

/// How many copies: 1 to 1,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "u32")]
pub struct Quantity(u32);

/// The number is no quantity that can be ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be 1 to {}", Quantity::MAX)]
pub struct QuantityError;

impl Quantity {
    /// The most copies of one thing in one order.
    pub const MAX: u32 = 1000;

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i32> for Quantity {
    type Error = QuantityError;

    fn try_from(number: i32) -> Result<Self, Self::Error> {
        u32::try_from(number).map_err(|_| QuantityError)?.try_into()
    }
}

impl TryFrom<u32> for Quantity {
    type Error = QuantityError;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        if (1..=Self::MAX).contains(&number) { Ok(Self(number)) } else { Err(QuantityError) }
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

impl From<Quantity> for i32 {
    fn from(quantity: Quantity) -> Self {
        quantity.0.cast_signed()
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_a_thousand_can_be_ordered() {
        for (number, valid) in
            [(i32::MIN, false), (-1, false), (0, false), (1, true), (1000, true), (1001, false)]
        {
            assert_eq!(Quantity::try_from(number).is_ok(), valid, "{number}");
        }
    }
}

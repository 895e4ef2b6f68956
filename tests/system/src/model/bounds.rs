use std::{fmt, iter::Sum, ops::Add};

/// Between which numbers one lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) least: i64,
    pub(super) most: i64,
}

impl Bounds {
    pub(super) const fn exactly(number: i64) -> Self {
        Self { least: number, most: number }
    }

    pub(super) const fn between(least: i64, most: i64) -> Self {
        Self { least, most }
    }

    pub(super) const fn holds(self, number: i64) -> bool {
        self.least <= number && number <= self.most
    }
}

impl Add for Bounds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { least: self.least + other.least, most: self.most + other.most }
    }
}

impl Sum for Bounds {
    fn sum<I: Iterator<Item = Self>>(bounds: I) -> Self {
        bounds.fold(Self::exactly(0), Add::add)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.least == self.most {
            write!(formatter, "{}", self.least)
        } else {
            write!(formatter, "{} to {}", self.least, self.most)
        }
    }
}

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Currency;

/// An amount of one currency, counted in its minor unit. May be negative.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Money {
    minor_units: i64,
    currency: Currency,
}

/// Why two amounts don't make a third, or a text doesn't make one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MoneyError {
    /// Amounts of different currencies.
    #[error("{0} and {1} can't be added")]
    Currencies(Currency, Currency),
    /// The result doesn't fit.
    #[error("the amount is too large")]
    Overflow,
    /// Not of the form `12.34 EUR`.
    #[error("must be an amount and its currency, such as 12.34 EUR")]
    Malformed,
    /// `12.345 EUR`: the currency has no unit that small.
    #[error("must have at most {} decimal places for {_0}", .0.exponent())]
    Decimals(Currency),
}

impl Money {
    /// So many of the currency's minor units: cents for EUR, yen for JPY.
    #[must_use]
    pub const fn new(minor_units: i64, currency: Currency) -> Self {
        Self { minor_units, currency }
    }

    /// The amount in the currency's minor unit.
    #[must_use]
    pub const fn minor_units(self) -> i64 {
        self.minor_units
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// Different currencies; overflow.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Currencies(self.currency, other.currency));
        }
        let minor_units = self.minor_units.checked_add(other.minor_units).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor_units, ..self })
    }

    /// The price of so many.
    ///
    /// # Errors
    /// Overflow.
    pub fn checked_mul(self, times: u32) -> Result<Self, MoneyError> {
        let minor_units = self.minor_units.checked_mul(times.into()).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor_units, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor_units < 0 { "-" } else { "" };
        let amount = self.minor_units.unsigned_abs();
        let places = self.currency.exponent();
        let unit = 10_u64.pow(places);
        write!(formatter, "{sign}{}", amount / unit)?;
        if places > 0 {
            write!(formatter, ".{:0width$}", amount % unit, width = places as usize)?;
        }
        write!(formatter, " {}", self.currency)
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// Reads `12.34 EUR`; decimal places may be left out, not added.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (amount, code) = text.trim().rsplit_once(' ').ok_or(MoneyError::Malformed)?;
        let currency: Currency = code.parse().map_err(|_| MoneyError::Malformed)?;
        let (sign, digits) = match amount.trim_end().strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, amount.trim_end()),
        };
        let (whole, decimals) = match digits.split_once('.') {
            Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals),
            Some(_) => return Err(MoneyError::Malformed),
            None => (digits, ""),
        };
        let is_number =
            !whole.is_empty() && whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit());
        if !is_number {
            return Err(MoneyError::Malformed);
        }
        let places = currency.exponent() as usize;
        if decimals.len() > places {
            return Err(MoneyError::Decimals(currency));
        }
        let minor_units = format!("{whole}{decimals:0<places$}");
        // Wider than the result, so that the smallest i64 needs no case of its own.
        let minor_units: i128 = minor_units.parse().map_err(|_| MoneyError::Overflow)?;
        let minor_units = i64::try_from(sign * minor_units).map_err(|_| MoneyError::Overflow)?;
        Ok(Self { minor_units, currency })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn amounts_are_written_in_the_currencys_own_units() {
        for (minor_units, code, text) in [
            (1234, "EUR", "12.34 EUR"),
            (5, "EUR", "0.05 EUR"),
            (-5, "EUR", "-0.05 EUR"),
            (1234, "JPY", "1234 JPY"),
            (1234, "KWD", "1.234 KWD"),
            (i64::MIN, "EUR", "-92233720368547758.08 EUR"),
        ] {
            let money = Money::new(minor_units, currency(code));
            assert_eq!(money.to_string(), text);
            assert_eq!(text.parse(), Ok(money));
        }
    }

    #[test]
    fn people_may_leave_out_decimals() {
        assert_eq!("12 EUR".parse(), Ok(Money::new(1200, Currency::EUR)));
        assert_eq!(" 12.5  EUR ".parse(), Ok(Money::new(1250, Currency::EUR)));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            "12",
            "EUR",
            "12.34EUR",
            "12,34 EUR",
            "12. EUR",
            ".5 EUR",
            "+1 EUR",
            "--1 EUR",
            "1e3 EUR",
            "1 eur",
        ] {
            assert_eq!(text.parse::<Money>(), Err(MoneyError::Malformed), "{text}");
        }
        assert_eq!("1.234 EUR".parse::<Money>(), Err(MoneyError::Decimals(Currency::EUR)));
        assert_eq!("92233720368547758.08 EUR".parse::<Money>(), Err(MoneyError::Overflow));
        assert_eq!(format!("{} EUR", "9".repeat(60)).parse::<Money>(), Err(MoneyError::Overflow));
    }

    #[test]
    fn currencies_do_not_mix() {
        let (euro, dollar) = (Money::new(1, Currency::EUR), Money::new(1, currency("USD")));
        assert_eq!(euro.checked_add(dollar), Err(MoneyError::Currencies(Currency::EUR, currency("USD"))));
    }

    fn any_money() -> impl Strategy<Value = Money> {
        (any::<i64>(), prop::sample::select(vec!["EUR", "JPY", "KWD"]))
            .prop_map(|(minor_units, code)| Money::new(minor_units, currency(code)))
    }

    proptest! {
        #[test]
        fn every_amount_survives_being_written(money in any_money()) {
            prop_assert_eq!(money.to_string().parse(), Ok(money));
            let json = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }

        #[test]
        fn sums_are_exact_or_refused(left: i64, right: i64) {
            let sum = Money::new(left, Currency::EUR).checked_add(Money::new(right, Currency::EUR));
            let exact = i64::try_from(i128::from(left) + i128::from(right));
            prop_assert_eq!(sum.map(Money::minor_units).ok(), exact.ok());
        }

        #[test]
        fn products_are_exact_or_refused(price: i64, times: u32) {
            let product = Money::new(price, Currency::EUR).checked_mul(times);
            let exact = i64::try_from(i128::from(price) * i128::from(times));
            prop_assert_eq!(product.map(Money::minor_units).ok(), exact.ok());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = text.parse::<Money>();
            let _ = format!("{text} EUR").parse::<Money>();
        }
    }
}

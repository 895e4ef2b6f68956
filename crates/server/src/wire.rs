//! Values as the contract writes them.

use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, Utc};
use prost_types::{FieldMask, Timestamp};
use proto::types::v1 as types;
use values::{Currency, Violations};

/// An amount of money.
#[must_use]
pub fn money(money: values::Money) -> types::Money {
    types::Money { minor_units: money.minor_units(), currency_code: money.currency().code().to_owned() }
}

/// Reads a required amount whose minor units pass `rule`; notes all that is wrong with it.
pub fn parse_money<E: fmt::Display>(
    violations: &mut Violations,
    field: &str,
    money: Option<types::Money>,
    rule: impl FnOnce(i64) -> Result<i64, E>,
) -> Option<values::Money> {
    let Some(money) = money else {
        violations.add(field, "is required");
        return None;
    };
    let currency = violations.parse::<Currency>(format!("{field}.currency_code"), &money.currency_code);
    let minor_units = violations.take(format!("{field}.minor_units"), rule(money.minor_units));
    Some(values::Money::new(minor_units?, currency?))
}

/// The rule of prices and totals.
///
/// # Errors
/// Zero, or less.
pub fn above_zero(minor_units: i64) -> Result<i64, &'static str> {
    if minor_units > 0 { Ok(minor_units) } else { Err("must be above zero") }
}

/// Reads a required field mask (AIP-134): the fields to change, all of them among the `known`.
pub fn parse_mask(
    violations: &mut Violations,
    field: &str,
    mask: Option<&FieldMask>,
    known: &[&'static str],
) -> Option<BTreeSet<&'static str>> {
    let paths = mask.map_or(&[][..], |mask| &mask.paths);
    if paths.is_empty() {
        violations.add(field, "is required");
        return None;
    }
    let parsed: Option<BTreeSet<_>> =
        paths.iter().map(|path| known.iter().find(|known| *known == path).copied()).collect();
    if parsed.is_none() {
        violations.add(field, format!("may only name {}", known.join(", ")));
    }
    parsed
}

/// A moment. Those of a leap second are told as the nanosecond before it, which every reader takes.
#[must_use]
pub fn timestamp(time: DateTime<Utc>) -> Timestamp {
    let nanos = time.timestamp_subsec_nanos().min(999_999_999);
    Timestamp { seconds: time.timestamp(), nanos: nanos.cast_signed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(money: Option<types::Money>) -> Vec<String> {
        let mut violations = Violations::new();
        let parsed = parse_money(&mut violations, "price", money, above_zero);
        let Err(wrong) = violations.finish(parsed) else { return Vec::new() };
        wrong.iter().map(|(field, description)| format!("{field}: {description}")).collect()
    }

    #[test]
    fn an_amount_survives_the_wire() {
        let amount = "12.34 EUR".parse::<values::Money>().unwrap();
        let mut violations = Violations::new();
        let parsed = parse_money(&mut violations, "price", Some(money(amount)), above_zero);
        assert_eq!(violations.finish(parsed), Ok(amount));
    }

    #[test]
    fn all_that_is_wrong_with_an_amount_is_named() {
        assert_eq!(wrong(None), ["price: is required"]);
        let amount = |minor_units, code: &str| types::Money { minor_units, currency_code: code.to_owned() };
        assert_eq!(wrong(Some(amount(0, "EUR"))), ["price.minor_units: must be above zero"]);
        let both = wrong(Some(amount(-1, "")));
        assert_eq!(both, ["price.currency_code: is required", "price.minor_units: must be above zero"]);
    }

    #[test]
    fn a_mask_names_known_fields_and_at_least_one() {
        let mask = |paths: &[&str]| {
            let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
            let mut violations = Violations::new();
            let parsed = parse_mask(&mut violations, "update_mask", Some(&mask), &["city", "lines"]);
            violations.finish(parsed).map_err(|wrong| wrong.to_string())
        };
        assert_eq!(mask(&["lines", "city", "lines"]), Ok(BTreeSet::from(["city", "lines"])));
        assert_eq!(mask(&[]), Err("update_mask is required".to_owned()));
        for unknown in [&["city", ""][..], &["City"], &["*"], &["lines.0"]] {
            assert_eq!(mask(unknown), Err("update_mask may only name city, lines".to_owned()));
        }
        assert_eq!(parse_mask(&mut Violations::new(), "update_mask", None, &["city"]), None);
    }

    #[test]
    fn a_leap_second_is_a_timestamp() {
        let leap = DateTime::from_timestamp(1_483_228_799, 1_500_000_000).unwrap();
        assert_eq!(timestamp(leap), Timestamp { seconds: 1_483_228_799, nanos: 999_999_999 });
    }
}

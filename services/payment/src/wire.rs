//! Values as the contract writes them.

use chrono::{DateTime, Utc};
use proto::types::v1 as wire;
use values::{Currency, Money, Violations};

pub(crate) fn money_to_wire(money: Money) -> wire::Money {
    wire::Money { minor_units: money.minor_units(), currency_code: money.currency().to_string() }
}

pub(crate) fn money_from_wire(
    violations: &mut Violations,
    field: &str,
    money: Option<wire::Money>,
) -> Option<Money> {
    let Some(money) = money else {
        violations.add(field, "is required");
        return None;
    };
    let currency = violations.parse::<Currency>(format!("{field}.currency_code"), &money.currency_code)?;
    Some(Money::new(money.minor_units, currency))
}

/// The currency asked for, or the shop's own.
pub(crate) fn currency_or(
    violations: &mut Violations,
    field: &str,
    code: &str,
    shops_own: Currency,
) -> Option<Currency> {
    if code.is_empty() { Some(shops_own) } else { violations.parse(field, code) }
}

pub(crate) fn time_to_wire(time: DateTime<Utc>) -> prost_types::Timestamp {
    // A sub-second part of chrono's is below two thousand million, leap seconds included.
    let nanos = i32::try_from(time.timestamp_subsec_nanos()).unwrap_or(999_999_999);
    prost_types::Timestamp { seconds: time.timestamp(), nanos: nanos.min(999_999_999) }
}

//! Money, currencies, quantities, page sizes.

use values::{Currency, Money, Quantity, page::PageSize};

use crate::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "amounts",
    about: "money, currencies, quantities and page sizes",
    longest: 4096,
    run,
    examples: || {
        crate::texts(&[
            "12.34 EUR",
            "-0.05 USD",
            "1500 JPY",
            "0.123 KWD",
            "  7 EUR ",
            "92233720368547758.07 EUR",
            "-92233720368547758.08 EUR",
            "92233720368547758.08 EUR",
            "170141183460469231731687303715884105728 JPY",
            "12.345 EUR",
            "-0.00 EUR",
            "EUR",
        ])
    },
};

fn run(bytes: &[u8]) {
    if let Some(number) = bytes.first_chunk().map(|bytes| i32::from_be_bytes(*bytes)) {
        let quantity = Quantity::try_from(number);
        assert_eq!(quantity.is_ok(), (1..=1000).contains(&number));
        assert!(quantity.is_ok_and(|quantity| i32::from(quantity) == number) || quantity.is_err());
        assert!(PageSize::parse(number).map_or(number < 0, |size| (1..=200).contains(&size.get())));
    }
    let Some(text) = text::of(bytes) else { return };
    if let Some(currency) = text::round_trip_with_json::<Currency>(text) {
        assert_eq!(currency.code(), text);
    }
    let Some(money) = text::round_trip::<Money>(text) else { return };
    assert_eq!(money.to_string(), in_full(text, money.currency()), "{text:?}");
    let json = serde_json::to_string(&money).unwrap();
    assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
    let doubled = money.minor_units().checked_mul(2);
    assert_eq!(money.checked_add(money).ok().map(Money::minor_units), doubled);
    assert_eq!(money.checked_mul(2).ok().map(Money::minor_units), doubled);
    let _ = money.checked_mul(u32::MAX);
}

/// The same amount as it is written, found in the text alone.
fn in_full(text: &str, currency: Currency) -> String {
    let amount = text.trim().trim_end_matches(currency.code()).trim_end();
    let (sign, digits) = amount.strip_prefix('-').map_or(("", amount), |digits| ("-", digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let places = currency.exponent() as usize;
    let decimals = format!("{decimals:0<places$}");
    let sign = if whole == "0" && decimals.bytes().all(|digit| digit == b'0') { "" } else { sign };
    let point = if places > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{decimals} {currency}")
}

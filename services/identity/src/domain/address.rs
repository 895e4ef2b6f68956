//! What an address is made of, field by field: each function notes what is wrong with its field.

use serde::Serialize;
use values::{CountryCode, Fingerprint, RequestId, Violations, text};

const MAX_LINES: usize = 3;

/// An address that has been found to be in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct NewAddress {
    #[serde(skip)]
    pub(crate) request_id: RequestId,
    pub(crate) recipient: String,
    pub(crate) lines: Vec<String>,
    pub(crate) city: String,
    pub(crate) region: String,
    pub(crate) postal_code: String,
    pub(crate) country: CountryCode,
}

impl NewAddress {
    /// Tells a repeated request from another one that has its id.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self)
    }
}

/// What an address is to say from now on; what is missing stays.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct AddressChange {
    pub(crate) recipient: Option<String>,
    pub(crate) lines: Option<Vec<String>>,
    pub(crate) city: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) postal_code: Option<String>,
    pub(crate) country: Option<CountryCode>,
}

pub(crate) fn recipient(violations: &mut Violations, recipient: &str) -> Option<String> {
    violations.take("recipient", text(recipient, 1..=100))
}

pub(crate) fn lines(violations: &mut Violations, lines: &[String]) -> Option<Vec<String>> {
    if !(1..=MAX_LINES).contains(&lines.len()) {
        violations.add("lines", format!("must have 1 to {MAX_LINES} elements"));
        return None;
    }
    let parsed: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| violations.take(format!("lines[{index}]"), text(line, 1..=100)))
        .collect();
    parsed.into_iter().collect()
}

pub(crate) fn city(violations: &mut Violations, city: &str) -> Option<String> {
    violations.take("city", text(city, 1..=100))
}

pub(crate) fn region(violations: &mut Violations, region: &str) -> Option<String> {
    violations.take("region", text(region, 0..=100))
}

pub(crate) fn postal_code(violations: &mut Violations, postal_code: &str) -> Option<String> {
    violations.take("postal_code", text(postal_code, 0..=16))
}

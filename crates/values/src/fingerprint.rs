use std::fmt;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What a parsed request says, in 32 bytes: tells whether a repeated `request_id` repeats the request too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// The bytes are not a fingerprint's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a fingerprint has 32 bytes")]
pub struct FingerprintError;

impl Fingerprint {
    /// SHA-256 of the request as JSON with sorted keys, so that the order of fields in the type doesn't matter.
    ///
    /// # Panics
    /// If the type cannot be JSON at all (maps with keys that are no strings): a mistake in the request's type.
    #[must_use]
    pub fn of(request: &impl Serialize) -> Self {
        #[expect(clippy::expect_used, reason = "requests are structs of values, all of which serialise")]
        let mut json = serde_json::to_value(request).expect("a request is JSON");
        sort_keys(&mut json);
        Self(Sha256::digest(json.to_string()).into())
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A strong entity tag (RFC 9110, 8.8.3), quotes included: of something's id and version it changes with every
    /// change, and tells nothing else.
    #[must_use]
    pub fn etag(&self) -> String {
        let mut start = [0; 16];
        start.copy_from_slice(&self.0[..16]);
        format!("\"{:032x}\"", u128::from_be_bytes(start))
    }
}

/// `serde_json` keeps keys sorted or as inserted, depending on features that any crate of the build may turn on.
fn sort_keys(json: &mut Value) {
    match json {
        Value::Object(members) => {
            let mut sorted: Vec<_> = std::mem::take(members).into_iter().collect();
            sorted.sort_by(|(before, _), (after, _)| before.cmp(after));
            for (key, mut value) in sorted {
                sort_keys(&mut value);
                members.insert(key, value);
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(sort_keys),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

impl TryFrom<&[u8]> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self).map_err(|_| FingerprintError)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fingerprint(")?;
        self.0[..4].iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))?;
        formatter.write_str("…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Order {
        note: &'static str,
        amount: u32,
    }

    #[derive(Serialize)]
    struct Reordered {
        amount: u32,
        note: &'static str,
    }

    #[test]
    fn the_order_of_fields_does_not_matter_and_their_values_do() {
        let order = Fingerprint::of(&Order { note: "gift", amount: 3 });
        assert_eq!(order, Fingerprint::of(&Reordered { amount: 3, note: "gift" }));
        assert_ne!(order, Fingerprint::of(&Order { note: "gift", amount: 4 }));
    }

    #[test]
    fn it_is_the_hash_of_the_canonical_json() {
        let expected: [u8; 32] = Sha256::digest(r#"{"amount":3,"note":"gift"}"#).into();
        assert_eq!(Fingerprint::of(&Order { note: "gift", amount: 3 }).as_bytes(), expected);
    }

    #[test]
    fn an_etag_changes_with_the_version_and_is_quoted() {
        let etag = |version: i64| Fingerprint::of(&("adr_1", version)).etag();
        assert_eq!(etag(1), etag(1));
        assert_ne!(etag(1), etag(2));
        assert_eq!((etag(1).len(), etag(1).matches('"').count()), (34, 2));
    }

    #[test]
    fn it_survives_being_stored() {
        let order = Fingerprint::of(&"x");
        assert_eq!(Fingerprint::try_from(order.as_bytes()), Ok(order));
        assert_eq!(Fingerprint::try_from(&[1_u8][..]), Err(FingerprintError));
    }
}

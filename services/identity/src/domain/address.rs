use serde::Serialize;
use values::{CountryCode, Fingerprint, RequestId};

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

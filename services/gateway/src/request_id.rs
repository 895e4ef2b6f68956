//! What a call is called in logs and answers.

use http::{HeaderMap, HeaderValue};
use server::headers::{REQUEST_ID, request_id};
use uuid::Uuid;

/// The client's, if it has the form of the contract's own request ids: 1 to 64 of `A-Z a-z 0-9 . _ : -`. Else a new
/// one.
///
/// It names the call and proves nothing: clients choose theirs freely, twice the same as well.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let id = request_id(headers).map(|id| id.to_string());
        let id = id.unwrap_or_else(|| Uuid::now_v7().hyphenated().to_string());
        // Letters, digits and hyphens are a header's value, whatever they say.
        Self(HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("none")))
    }

    /// Writes it into the headers of the request that goes on, or of the answer.
    pub(crate) fn show(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.0.clone());
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ids: &[&'static str]) -> String {
        let headers = ids.iter().map(|id| (REQUEST_ID, HeaderValue::from_static(id))).collect();
        RequestId::of(&headers).as_str().to_owned()
    }

    #[test]
    fn a_well_formed_id_is_kept() {
        assert_eq!(of(&["click-17:a.b_c"]), "click-17:a.b_c");
    }

    #[test]
    fn any_other_is_replaced_by_one_that_is_new() {
        let long = "x".repeat(65).leak();
        for ids in [&[][..], &[""], &["someone@example.org"], &["a b"], &[long], &["one", "two"]] {
            let made = of(ids);
            assert_eq!(made.parse::<Uuid>().unwrap().get_version_num(), 7, "{ids:?}");
        }
    }
}

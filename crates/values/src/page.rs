//! Pages of lists (AIP-158).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// How many things at most are on a page: 1 to 200.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageSize(u64);

/// The number is no page size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must not be negative")]
pub struct PageSizeError;

impl PageSize {
    const DEFAULT: u64 = 50;
    const MAX: u64 = 200;

    /// What the wire's `page_size` means: 0 is the default, and more than the most is the most.
    ///
    /// # Errors
    /// A negative size.
    pub fn parse(page_size: i32) -> Result<Self, PageSizeError> {
        match u64::try_from(page_size) {
            Ok(0) => Ok(Self(Self::DEFAULT)),
            Ok(size) => Ok(Self(size.min(Self::MAX))),
            Err(_) => Err(PageSizeError),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Why a page token isn't taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PageTokenError {
    /// Not something that this service gave out.
    #[error("is not a page token of this list")]
    Malformed,
    /// Given out by another call, or with other filters.
    #[error("belongs to another list; repeat the call that it came from, with the same filters")]
    OtherScope,
}

/// Changes when the layout of tokens does, so that an old token is refused rather than misread.
const VERSION: u8 = 1;
const HEADER: usize = 1 + SCOPE;
const SCOPE: usize = 8;

/// The token that continues a list after `cursor`.
///
/// `scope` names the RPC and its filters: `ListBooks category=poetry`. A token isn't signed: what a cursor may
/// reach is for the query to limit.
///
/// # Panics
/// If the cursor's type cannot be JSON at all: a mistake in the type.
#[must_use]
pub fn encode(scope: &str, cursor: &impl Serialize) -> String {
    let mut token = vec![VERSION];
    token.extend_from_slice(&hash(scope));
    #[expect(
        clippy::expect_used,
        reason = "cursors are structs and tuples of values, all of which serialise"
    )]
    serde_json::to_writer(&mut token, cursor).expect("a cursor is JSON");
    URL_SAFE_NO_PAD.encode(token)
}

/// The cursor in a token; `None` for the empty token, which asks for the first page.
///
/// # Errors
/// A text that is no token, or a token of another scope.
pub fn decode<C: DeserializeOwned>(scope: &str, token: &str) -> Result<Option<C>, PageTokenError> {
    if token.is_empty() {
        return Ok(None);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| PageTokenError::Malformed)?;
    let (header, cursor) = bytes.split_at_checked(HEADER).ok_or(PageTokenError::Malformed)?;
    if header[0] != VERSION {
        return Err(PageTokenError::Malformed);
    }
    if header[1..] != hash(scope) {
        return Err(PageTokenError::OtherScope);
    }
    // serde_json writes escapes for control characters only, which nothing that we store has, and which Postgres
    // doesn't take: a cursor with one is made up.
    if has_unicode_escape(cursor) {
        return Err(PageTokenError::Malformed);
    }
    serde_json::from_slice(cursor).map(Some).map_err(|_| PageTokenError::Malformed)
}

/// Whether a backslash that is not itself escaped stands before a `u`.
fn has_unicode_escape(json: &[u8]) -> bool {
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'\\' && bytes.next() == Some(&b'u') {
            return true;
        }
    }
    false
}

fn hash(scope: &str) -> [u8; SCOPE] {
    let mut start = [0; SCOPE];
    start.copy_from_slice(&Sha256::digest(scope)[..SCOPE]);
    start
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_made_up_cursor_with_a_control_character_is_refused() {
        let token = encode("List", &"\0");
        assert_eq!(decode::<String>("List", &token), Err(PageTokenError::Malformed));
    }

    #[test]
    fn a_backslash_in_a_title_is_no_escape() {
        for title in [r"\u", r"\\u0000", "\"\\\"u"] {
            assert_eq!(decode("List", &encode("List", &title)), Ok(Some(title.to_owned())));
        }
    }

    #[test]
    fn sizes_have_a_default_and_a_limit() {
        for (asked, given) in [(0, Some(50)), (1, Some(1)), (200, Some(200)), (201, Some(200)), (-1, None)] {
            assert_eq!(PageSize::parse(asked).map(PageSize::get).ok(), given);
        }
    }

    #[test]
    fn no_token_asks_for_the_first_page() {
        assert_eq!(decode::<String>("ListBooks", ""), Ok(None));
    }

    #[test]
    fn a_token_of_another_version_is_refused() {
        let mut bytes = URL_SAFE_NO_PAD.decode(encode("ListBooks", &1)).unwrap();
        bytes[0] = VERSION + 1;
        assert_eq!(
            decode::<i32>("ListBooks", &URL_SAFE_NO_PAD.encode(bytes)),
            Err(PageTokenError::Malformed)
        );
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_was(scope: String, title: String, id: u128) {
            let token = encode(&scope, &(&title, id));
            prop_assert_eq!(decode(&scope, &token), Ok(Some((title, id))));
        }

        #[test]
        fn a_token_serves_only_its_own_list(scope: String, other: String, cursor: u32) {
            prop_assume!(scope != other);
            prop_assert_eq!(decode::<u32>(&other, &encode(&scope, &cursor)), Err(PageTokenError::OtherScope));
        }

        #[test]
        fn made_up_tokens_are_refused(token in "\\PC{1,60}") {
            prop_assert!(decode::<(String, u128)>("ListBooks", &token).is_err());
        }

        #[test]
        fn a_cursor_of_another_type_is_refused(title: String) {
            prop_assert_eq!(decode::<u64>("L", &encode("L", &title)), Err(PageTokenError::Malformed));
        }
    }
}

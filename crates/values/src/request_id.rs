use std::fmt;
use std::str::FromStr;

use crate::serde_text::serde_as_text;

/// Chosen by a caller so that sending a request again does not do it again (AIP-155).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(String);

/// The text can't be a request id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be 1 to {} characters of A-Z a-z 0-9 . _ : -", RequestId::MAX_CHARACTERS)]
pub struct RequestIdError;

impl RequestId {
    /// The longest id.
    pub const MAX_CHARACTERS: usize = 64;

    /// The id as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = RequestIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if (1..=Self::MAX_CHARACTERS).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RequestIdError)
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

serde_as_text!(RequestId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_plain_ids_are_taken() {
        let longest = "x".repeat(64);
        for text in ["a", "A.b_c:d-9", longest.as_str()] {
            assert!(text.parse::<RequestId>().is_ok(), "{text}");
        }
        let too_long = "x".repeat(65);
        for text in ["", " ", "a b", "a/b", "ä", "a\n", too_long.as_str()] {
            assert_eq!(text.parse::<RequestId>(), Err(RequestIdError), "{text}");
        }
    }
}

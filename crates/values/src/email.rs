use std::fmt;
use std::str::FromStr;

use email_address::Options;

use crate::serde_text::serde_as_text;

/// An e-mail address as its owner writes it (RFC 5321, RFC 6531), without the white space around it.
///
/// Personal data: `Debug` doesn't show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

/// The text is not an address that mail can be sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EmailAddressError {
    /// Longer than an SMTP path may be.
    #[error("must have at most {} characters", EmailAddress::MAX_CHARACTERS)]
    TooLong,
    /// Not of the form `local@domain`.
    #[error("must be an e-mail address, such as name@example.org")]
    Malformed,
}

impl EmailAddress {
    /// What remains of RFC 5321's path of 256 without its angle brackets.
    pub const MAX_CHARACTERS: usize = 254;

    /// The address as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form by which two spellings of one address are found to be equal.
    #[must_use]
    pub fn canonical(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FromStr for EmailAddress {
    type Err = EmailAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.chars().count() > Self::MAX_CHARACTERS {
            return Err(EmailAddressError::TooLong);
        }
        if text.chars().any(|character| character.is_whitespace() || character.is_control()) {
            return Err(EmailAddressError::Malformed);
        }
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        email_address::EmailAddress::parse_with_options(text, options)
            .map(|_| Self(text.to_owned()))
            .map_err(|_| EmailAddressError::Malformed)
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(…)")
    }
}

serde_as_text!(EmailAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_their_spelling_and_compare_without_case() {
        let address: EmailAddress = "  Ada.Lovelace+books@Example.ORG\n".parse().unwrap();
        assert_eq!(address.as_str(), "Ada.Lovelace+books@Example.ORG");
        assert_eq!(address.canonical(), "ada.lovelace+books@example.org");
    }

    #[test]
    fn what_mail_cannot_be_sent_to_is_refused() {
        for text in
            ["", "ada", "ada@", "@example.org", "ada@localhost", "a b@example.org", "Ada <ada@example.org>"]
        {
            assert_eq!(text.parse::<EmailAddress>(), Err(EmailAddressError::Malformed), "{text}");
        }
        assert_eq!("ada@[127.0.0.1]".parse::<EmailAddress>(), Err(EmailAddressError::Malformed));
        assert_eq!("a\u{0}da@example.org".parse::<EmailAddress>(), Err(EmailAddressError::Malformed));
        let long = format!("ada@{}.org", "a.".repeat(130));
        assert_eq!(long.parse::<EmailAddress>(), Err(EmailAddressError::TooLong));
    }

    #[test]
    fn debug_output_shows_no_address() {
        let address: EmailAddress = "ada@example.org".parse().unwrap();
        assert!(!format!("{address:?}").contains("ada"));
    }
}

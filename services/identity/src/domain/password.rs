use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// What a user proves who they are with. Taken as typed: white space is part of it.
#[derive(Clone)]
pub(crate) struct Password(SecretString);

/// Why a text is no password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    /// Easier to guess than a sentence of a few words (OWASP ASVS 2.1.1).
    #[error("must have {} to {} characters", Password::MIN_CHARACTERS, Password::MAX_CHARACTERS)]
    Length,
    #[error("is required")]
    Missing,
    /// No password is that long, and hashing it would be work for nothing.
    #[error("must have at most {} characters", Password::MAX_CHARACTERS)]
    TooLong,
}

impl Password {
    const MIN_CHARACTERS: usize = 12;
    const MAX_CHARACTERS: usize = 128;

    /// A password that somebody wants to have from now on.
    pub(crate) fn chosen(text: &str) -> Result<Self, PasswordError> {
        match text.chars().count() {
            0 => Err(PasswordError::Missing),
            Self::MIN_CHARACTERS..=Self::MAX_CHARACTERS => Ok(Self(text.into())),
            _ => Err(PasswordError::Length),
        }
    }

    /// A password that somebody says they have: too short a one is wrong like any other, not malformed.
    pub(crate) fn claimed(text: &str) -> Result<Self, PasswordError> {
        match text.chars().count() {
            0 => Err(PasswordError::Missing),
            1..=Self::MAX_CHARACTERS => Ok(Self(text.into())),
            _ => Err(PasswordError::TooLong),
        }
    }

    /// What is hashed.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_password_is_long_and_not_endless() {
        for (text, error) in [
            (String::new(), Some(PasswordError::Missing)),
            ("x".repeat(11), Some(PasswordError::Length)),
            ("ä".repeat(12), None),
            (" ".repeat(128), None),
            ("x".repeat(129), Some(PasswordError::Length)),
        ] {
            assert_eq!(Password::chosen(&text).err(), error, "{} bytes", text.len());
        }
    }

    #[test]
    fn a_claimed_password_may_be_too_short_to_be_right() {
        assert!(Password::claimed("x").is_ok());
        assert_eq!(Password::claimed("").err(), Some(PasswordError::Missing));
        assert_eq!(Password::claimed(&"x".repeat(129)).err(), Some(PasswordError::TooLong));
    }

    #[test]
    fn debug_output_shows_no_password() {
        assert_eq!(format!("{:?}", Password::claimed("secret").unwrap()), "Password(…)");
    }
}

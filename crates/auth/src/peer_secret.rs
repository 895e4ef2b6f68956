use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};

/// What a service shows to another to be told from a user.
#[derive(Clone)]
pub struct PeerSecret {
    /// Only the digest is kept: it is all that comparing takes, and it has one length whatever is compared.
    digest: [u8; 32],
}

/// The secret is too short to keep anybody out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must have at least {} characters", PeerSecret::MIN_CHARACTERS)]
pub struct PeerSecretError;

impl PeerSecret {
    /// The shortest secret.
    pub const MIN_CHARACTERS: usize = 32;

    /// Whether `shown` is the secret, in time that doesn't depend on how much of it is right.
    #[must_use]
    pub fn matches(&self, shown: &str) -> bool {
        verify_slices_are_equal(&self.digest, &sha256(shown)).is_ok()
    }
}

impl TryFrom<SecretString> for PeerSecret {
    type Error = PeerSecretError;

    fn try_from(secret: SecretString) -> Result<Self, Self::Error> {
        let secret = secret.expose_secret();
        if secret.chars().count() < Self::MIN_CHARACTERS {
            return Err(PeerSecretError);
        }
        Ok(Self { digest: sha256(secret) })
    }
}

impl std::fmt::Debug for PeerSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PeerSecret(…)")
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_matches() {
        let text = "0123456789abcdef0123456789abcdef";
        let secret = PeerSecret::try_from(SecretString::from(text)).unwrap();
        assert!(secret.matches(text));
        for other in
            ["", "0123456789abcdef", "0123456789abcdef0123456789abcdee", "0123456789abcdef0123456789abcdef0"]
        {
            assert!(!secret.matches(other), "{other}");
        }
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused() {
        let short = SecretString::from("0123456789abcdef0123456789abcde");
        assert_eq!(PeerSecret::try_from(short).unwrap_err(), PeerSecretError);
    }
}

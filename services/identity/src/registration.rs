//! What is remembered of a registration: enough to know a repeat by, and nothing to know a person by.

use auth::SigningKey;
use aws_lc_rs::hmac;
use secrecy::ExposeSecret as _;

use crate::domain::NewUser;

/// Makes registrations recognisable. With a key, since an e-mail address is easily guessed and tried.
#[derive(Debug)]
pub(crate) struct Registrations {
    key: hmac::Key,
}

/// A registration as it is remembered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Registration {
    /// The request, by its `request_id` and the e-mail address.
    pub(crate) request: Vec<u8>,
    /// What it asked for, but for the password.
    pub(crate) body: Vec<u8>,
}

impl Registrations {
    /// Of identity with this key; with another one a repeat is known by the user it made only.
    pub(crate) fn new(key: &SigningKey) -> Self {
        let secret = key.derive("registrations");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret()) }
    }

    pub(crate) fn of(&self, new: &NewUser) -> Registration {
        let mut request = hmac::Context::with_key(&self.key);
        // No request_id has a blank in it.
        for part in [new.request_id.as_str(), " ", &new.email.canonical()] {
            request.update(part.as_bytes());
        }
        let body = hmac::sign(&self.key, new.fingerprint().as_bytes());
        Registration { request: request.sign().as_ref().to_vec(), body: body.as_ref().to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(request_id: &str, email: &str, display_name: &str) -> NewUser {
        NewUser::parse(request_id, email, "correct horse battery", display_name).unwrap()
    }

    #[test]
    fn a_request_is_known_by_its_id_and_address_however_that_is_spelt() {
        let registrations = Registrations::new(&SigningKey::generate().0);
        let ada = registrations.of(&new("r-1", "ada@example.org", "Ada"));
        assert_eq!(ada, registrations.of(&new("r-1", " ada@example.org", "Ada ")));
        let spelt = registrations.of(&new("r-1", "Ada@Example.org", "Ada"));
        let renamed = registrations.of(&new("r-1", "ada@example.org", "Ada L."));
        for (other, what) in [(spelt, "spelling"), (renamed, "name")] {
            assert_eq!(other.request, ada.request, "{what}");
            assert_ne!(other.body, ada.body, "{what}");
        }
        for other in [new("r-2", "ada@example.org", "Ada"), new("r-1", "grace@example.org", "Ada")] {
            assert_ne!(registrations.of(&other).request, ada.request);
        }
    }

    #[test]
    fn who_has_no_key_cannot_try_addresses() {
        let [ours, theirs] = [(); 2].map(|()| Registrations::new(&SigningKey::generate().0));
        let ada = new("r-1", "ada@example.org", "Ada");
        assert_ne!(ours.of(&ada).request, theirs.of(&ada).request);
        assert_ne!(ours.of(&ada).body, theirs.of(&ada).body);
    }
}

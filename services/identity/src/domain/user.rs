use serde::Serialize;
use values::Violations;
use values::{EmailAddress, Fingerprint, RequestId, text};

use super::Password;
use crate::config::Account;

/// A registration that has been found to be in order.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NewUser {
    #[serde(skip)]
    pub(crate) request_id: RequestId,
    pub(crate) email: EmailAddress,
    /// No part of the fingerprint: a stored hash of a password must be slow, and a fingerprint is fast.
    #[serde(skip)]
    pub(crate) password: Password,
    pub(crate) display_name: String,
}

impl NewUser {
    /// Reads what the caller sent; names every field that is wrong.
    pub(crate) fn parse(
        request_id: &str,
        email: &str,
        password: &str,
        display_name: &str,
    ) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", request_id);
        let email = violations.parse("email", email);
        let password = violations.take("password", Password::chosen(password));
        let display_name = violations.take("display_name", text(display_name, 1..=100));
        let parsed = (|| {
            Some(Self {
                request_id: request_id?,
                email: email?,
                password: password?,
                display_name: display_name?,
            })
        })();
        violations.finish(parsed)
    }

    /// The registration of the admin whom the configuration names.
    pub(crate) fn first_admin(account: Account) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", "first-admin");
        let Account { email, password } = account;
        let display_name = "Admin".to_owned();
        violations.finish(request_id.map(|request_id| Self { request_id, email, password, display_name }))
    }

    /// Tells a repeated request from another one that has its id, but for the password.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(email: &str, password: &str, display_name: &str) -> NewUser {
        NewUser::parse("r-1", email, password, display_name).unwrap()
    }

    #[test]
    fn the_fingerprint_is_of_what_was_meant_and_tells_nothing_of_the_password() {
        let ada = parse("ada@example.org", "correct horse battery", "Ada");
        let with_blanks = parse(" ada@example.org ", "another password", " Ada\n");
        let renamed = parse("ada@example.org", "correct horse battery", "Ada L.");
        assert_eq!(ada.fingerprint(), with_blanks.fingerprint());
        assert_ne!(ada.fingerprint(), renamed.fingerprint());
    }

    #[test]
    fn every_wrong_field_is_named() {
        let refused = NewUser::parse("", "ada", "short", "").unwrap_err();
        let fields: Vec<_> = refused.iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["request_id", "email", "password", "display_name"]);
    }
}

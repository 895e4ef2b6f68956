//! Secrets that are made once, and then are what they are.

use auth::SigningKey;
use aws_lc_rs::rand;

use crate::wanted::Wanted;

use super::{Data, OPAQUE, Refused, Secrets, Step};

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LETTERS_AND_DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// 190 bits.
const PASSWORD_LENGTH: usize = 32;

pub(super) fn plan(steps: &mut Vec<Step>, found: &Secrets, wanted: &Wanted) -> Result<(), Refused> {
    for account in &wanted.accounts {
        steps.push(keep(found, &account.secret, &["username", "password", "url"], || {
            let password = password();
            [("username", account.username.clone()), ("url", account.url(&password)), ("password", password)]
                .into()
        })?);
    }
    if let Some(secret) = &wanted.signing_key {
        let key = "signing-key.pem";
        steps.push(keep(found, secret, &[key], || vec![(key, SigningKey::generate().1)])?);
    }
    if let Some(admin) = &wanted.admin {
        steps.push(keep(found, &admin.secret, &["email", "password"], || {
            vec![("email", admin.email.clone()), ("password", password())]
        })?);
    }
    Ok(())
}

/// Makes a Secret if it is missing. One that is there must have what is read from it, whoever made it.
fn keep(
    found: &Secrets,
    secret: &str,
    keys: &[&str],
    make: impl FnOnce() -> Vec<(&'static str, String)>,
) -> Result<Step, Refused> {
    let step =
        |data, told: &str| Step { secret: secret.to_owned(), kind: OPAQUE, data, told: told.to_owned() };
    let Some(there) = found.get(secret) else {
        let data: Data = make().into_iter().map(|(key, text)| (key.to_owned(), text.into_bytes())).collect();
        return Ok(step(Some(data), "made"));
    };
    if keys.iter().any(|key| there.data.get(*key).is_none_or(Vec::is_empty)) {
        return Err(Refused::Unusable {
            secret: secret.to_owned(),
            problem: "is there but lacks a key that is read from it (an account's: username, password, url; the \
                      signing key's: signing-key.pem; the admin's: email, password): add it, or delete the Secret and \
                      it is made",
        });
    }
    Ok(step(None, "kept"))
}

/// Of letters and digits, a letter first: nothing that reads it takes it for a number, an option or a part of a URL.
fn password() -> String {
    let first = character(LETTERS);
    std::iter::once(first)
        .chain(std::iter::repeat_with(|| character(LETTERS_AND_DIGITS)))
        .take(PASSWORD_LENGTH)
        .collect()
}

/// Each as likely as the others.
fn character(of: &[u8]) -> char {
    let fair = 256 - 256 % of.len();
    loop {
        let mut byte = [0];
        #[expect(
            clippy::expect_used,
            reason = "without randomness nothing can be secret; no caller could go on"
        )]
        rand::fill(&mut byte).expect("the machine has randomness");
        if usize::from(byte[0]) < fair {
            return char::from(of[usize::from(byte[0]) % of.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn passwords_begin_with_a_letter_and_are_never_the_same() {
        let passwords: HashSet<String> = std::iter::repeat_with(password).take(500).collect();
        assert_eq!(passwords.len(), 500);
        for password in &passwords {
            assert_eq!(password.len(), PASSWORD_LENGTH);
            assert!(password.starts_with(|c: char| c.is_ascii_alphabetic()), "{password}");
            assert!(password.chars().all(|c| c.is_ascii_alphanumeric()), "{password}");
        }
        let used: HashSet<char> = passwords.iter().flat_map(|password| password.chars()).collect();
        assert_eq!(used.len(), LETTERS_AND_DIGITS.len());
    }
}

//! Which user calls, by the token that came along.

use std::time::Duration;

use auth::{Caller, Verifier};
use http::{HeaderMap, header::AUTHORIZATION};
use tonic::Status;
use values::Clock;

use crate::status;

/// When to come back while tokens can't be verified.
const KEYS_MISSING: Duration = Duration::from_secs(1);

pub(crate) struct Callers {
    pub(crate) verifier: Verifier,
    pub(crate) clock: Clock,
}

impl Callers {
    /// A wrong token is refused even where none is needed, so that its owner hears of it.
    pub(crate) async fn identify(&self, headers: &HeaderMap) -> Result<Caller, Status> {
        match token(headers)? {
            None => Ok(Caller::Anonymous),
            Some(token) => {
                let customer = self.verifier.verify(token, self.clock.now()).await.map_err(refusal)?;
                Ok(Caller::Customer(customer))
            }
        }
    }
}

fn token(headers: &HeaderMap) -> Result<Option<&str>, Status> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| status::unauthenticated("TOKEN_MALFORMED"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && values.next().is_none() => {
            Ok(Some(token.trim()))
        }
        _ => Err(status::unauthenticated("TOKEN_MALFORMED")),
    }
}

fn refusal(error: auth::Error) -> Status {
    match error {
        auth::Error::Malformed => status::unauthenticated("TOKEN_MALFORMED"),
        auth::Error::Expired => status::unauthenticated("TOKEN_EXPIRED"),
        auth::Error::UnknownKey | auth::Error::Signature => status::unauthenticated("TOKEN_INVALID"),
        auth::Error::Revoked => status::unauthenticated("SESSION_REVOKED"),
        auth::Error::KeysUnavailable => status::unavailable(KEYS_MISSING),
    }
}

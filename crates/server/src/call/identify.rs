//! Who calls: a user with a token, a service with the shared secret, or nobody.

use std::time::Duration;

use auth::{Caller, PeerSecret, Verifier};
use http::{HeaderMap, Request, header::AUTHORIZATION};
use tonic::{Status, body::Body};
use values::Clock;

use crate::{caller::Peer, status};

/// When to come back while tokens can't be verified.
const KEYS_MISSING: Duration = Duration::from_secs(1);

pub(crate) struct Callers {
    verifier: Verifier,
    peer_secret: PeerSecret,
    clock: Clock,
}

impl Callers {
    pub(crate) const fn new(verifier: Verifier, peer_secret: PeerSecret, clock: Clock) -> Self {
        Self { verifier, peer_secret, clock }
    }

    /// Notes the caller in the request's extensions, and takes the secret off it so that no handler sees it.
    ///
    /// A wrong secret makes nobody a service; a wrong token is refused even where none is needed, so that its owner
    /// hears of it.
    pub(crate) async fn identify(&self, request: &mut Request<Body>) -> Result<(), Status> {
        if let Some(shown) = request.headers_mut().remove(mesh::PEER_SECRET)
            && shown.to_str().is_ok_and(|shown| self.peer_secret.matches(shown))
        {
            request.extensions_mut().insert(Peer);
        }
        let caller = match token(request.headers())? {
            None => Caller::Anonymous,
            Some(token) => {
                Caller::Customer(self.verifier.verify(token, self.clock.now()).await.map_err(refusal)?)
            }
        };
        request.extensions_mut().insert(caller);
        Ok(())
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
        auth::Error::KeysUnavailable => status::unavailable(KEYS_MISSING),
    }
}

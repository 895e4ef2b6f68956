use auth::{Access, Issuer, Revocations, SigningKey, Verifier};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use secrecy::ExposeSecret as _;
use tonic::Code;
use tonic_types::StatusExt as _;
use values::{Clock, SessionId, UserId};

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// The sign-in of a user with a fresh token, and where it may be revoked.
pub(crate) async fn signed_in(session: SessionId) -> (Session, Revocations) {
    let (key, _) = SigningKey::generate();
    let issued = Issuer::new(key.clone(), auth::AccessToken::LONGEST)
        .issue(UserId::new(), session, &Access::default(), now())
        .unwrap();
    let revocations = Revocations::new();
    let verifier = Verifier::with_keys(vec![key.public().clone()]).with_revocations(revocations.clone());
    let customer = verifier.verify(issued.token.expose_secret(), now()).await.unwrap();
    let callers = Callers { verifier, clock: Clock::manual(now()) };
    (Session::of(&Caller::Customer(customer), &callers), revocations)
}

fn told(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_ends_when_it_is_revoked() {
    let id = SessionId::new();
    let (session, revocations) = signed_in(id).await;
    let mut end = session.end().unwrap();
    assert!(end.as_mut().now_or_never().is_none());

    revocations.revoke_session(id, now());

    assert_eq!(told(&end.await), (Code::Unauthenticated, "SESSION_REVOKED".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_ends_with_its_token() {
    let (session, _revocations) = signed_in(SessionId::new()).await;
    let began = tokio::time::Instant::now();

    let end = session.end().unwrap().await;

    assert_eq!(told(&end), (Code::Unauthenticated, "TOKEN_EXPIRED".to_owned()));
    assert!(began.elapsed() >= auth::AccessToken::LONGEST);
}

#[tokio::test]
async fn who_is_not_signed_in_has_no_sign_in_that_ends() {
    let callers = Callers { verifier: Verifier::with_keys(Vec::new()), clock: Clock::system() };
    assert!(Session::of(&Caller::Anonymous, &callers).end().is_none());
}

use std::num::NonZeroU16;
use std::time::Duration;

use anyhow::{Context, Result};
use auth::{Error, PublicKey, Verifier};
use chrono::{DateTime, TimeDelta};
use proto::identity::v1::{GetJwksRequest, GetUserRequest};
use tonic::Code;
use tonic_types::StatusExt;
use values::Clock;

use crate::desk::{Desk, PASSWORD, reason, refused, registration, sign_in, status_of, wrong_fields};

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_get_the_same_answer() -> Result<()> {
    let desk = Desk::open().await?;
    let mut client = desk.client.clone();
    client.create_user(registration("r-1", "ada@example.org")).await?;

    let wrong = client.authenticate_user(sign_in("ada@example.org", "wrong horse battery")).await;
    let unknown = client.authenticate_user(sign_in("grace@example.org", PASSWORD)).await;
    let too_short = client.authenticate_user(sign_in("ada@example.org", "x")).await;

    let wrong = status_of(wrong)?;
    assert_eq!(reason(&wrong, Code::Unauthenticated)?, "WRONG_CREDENTIALS");
    for other in [status_of(unknown)?, status_of(too_short)?] {
        assert_eq!((wrong.code(), wrong.message()), (other.code(), other.message()));
        assert_eq!(wrong.details(), other.details());
    }
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() -> Result<()> {
    let desk = Desk::open().await?;
    let mut client = desk.client.clone();
    let fields = ["email", "password"];
    assert_eq!(wrong_fields(client.authenticate_user(sign_in("", "")).await)?, fields);
    let oversized = sign_in(&format!("{}@example.org", "a".repeat(250)), &"x".repeat(129));
    assert_eq!(wrong_fields(client.authenticate_user(oversized).await)?, fields);
    Ok(())
}

#[tokio::test]
async fn a_token_verifies_with_the_served_keys_until_its_time_is_up() -> Result<()> {
    let desk = Desk::open_with(|config| config.token_ttl = Duration::from_mins(10)).await?;
    let mut client = desk.client.clone();
    let user = client.create_user(registration("r-1", "ada@example.org")).await?.into_inner();
    let signed_in = client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await?.into_inner();

    let keys = client.get_jwks(GetJwksRequest {}).await?.into_inner().keys;
    assert_eq!(keys.len(), 1);
    assert_eq!(
        (keys[0].kty.as_str(), keys[0].crv.as_str(), keys[0].alg.as_str()),
        ("OKP", "Ed25519", "EdDSA")
    );
    let keys = keys.into_iter().map(|key| PublicKey { kid: key.kid, x: key.x }).collect();
    let verifier = Verifier::with_keys(keys);

    let expire_time = signed_in.expire_time.context("no expire_time")?;
    let end = DateTime::from_timestamp(expire_time.seconds, 0).context("a time")?;
    let left = end - Clock::system().now();
    assert!(left > TimeDelta::minutes(9) && left <= TimeDelta::minutes(10), "{left}");
    let token = &signed_in.access_token;
    let customer = verifier.verify(token, end - TimeDelta::seconds(1)).await?;
    assert_eq!(customer.user_id.to_string(), user.user_id);
    assert_eq!(verifier.verify(token, end + TimeDelta::seconds(5)).await.err(), Some(Error::Expired));
    Ok(())
}

#[tokio::test]
async fn each_sign_in_is_a_session_of_its_own() -> Result<()> {
    let desk = Desk::open().await?;
    let mut client = desk.client.clone();
    client.create_user(registration("r-1", "ada@example.org")).await?;
    let verifier = Verifier::with_keys(vec![desk.key.public().clone()]);
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let token =
            client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await?.into_inner().access_token;
        sessions.push(verifier.verify(&token, Clock::system().now()).await?.session_id);
    }
    assert_ne!(sessions[0], sessions[1]);
    Ok(())
}

#[tokio::test]
async fn who_finds_too_many_signing_in_is_told_when_to_come_back() -> Result<()> {
    let one = NonZeroU16::MIN;
    let desk = Desk::open_with(|config| config.password_hashes = one).await?;
    desk.client.clone().create_user(registration("r-1", "ada@example.org")).await?;
    let calls = (0..100).map(|_| {
        let mut client = desk.client.clone();
        tokio::spawn(async move { client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await })
    });
    let (mut signed_in, mut refusals) = (0, Vec::new());
    for call in calls.collect::<Vec<_>>() {
        match call.await? {
            Ok(_) => signed_in += 1,
            Err(status) => refusals.push(status),
        }
    }
    // One hashes and sixteen wait.
    assert!(signed_in >= 17, "{signed_in} signed in");
    assert!(!refusals.is_empty());
    for status in refusals {
        let retry = status.get_details_retry_info().context("no RetryInfo")?;
        assert!(retry.retry_delay.is_some_and(|delay| !delay.is_zero()));
        assert_eq!(reason(&status, Code::ResourceExhausted)?, "TOO_MANY_SIGN_INS");
    }
    desk.client.clone().authenticate_user(sign_in("ada@example.org", PASSWORD)).await?;
    Ok(())
}

#[tokio::test]
async fn what_needs_a_sign_in_is_refused_without_one_and_with_a_forged_one() -> Result<()> {
    let desk = Desk::open().await?;
    let mut client = desk.client.clone();
    assert_eq!(
        refused(client.get_user(GetUserRequest::default()).await, Code::Unauthenticated)?,
        "SIGN_IN_REQUIRED"
    );
    let other = Desk::open().await?;
    let stranger = other.reader("ada@example.org").await?;
    let forged = testkit::as_user(&stranger.token, GetUserRequest::default())?;
    refused(client.get_user(forged).await, Code::Unauthenticated)?;
    Ok(())
}

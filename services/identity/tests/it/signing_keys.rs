use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use auth::{FetchError, KeySource, PublicKey, SigningKey, Verifier};
use proto::identity::v1::{GetJwksRequest, RotateSigningKeyRequest, RotateSigningKeyResponse};
use testkit::{as_user, eventually};
use tonic::Code;
use values::Clock;

use crate::desk::{ADMIN, Client, Desk, PASSWORD, Reader, SOON, refused, sign_in, whoami, wrong_fields};

/// How another service gets the keys.
struct Jwks {
    client: Client,
    fetches: Arc<AtomicUsize>,
}

impl KeySource for Jwks {
    async fn fetch(&self) -> Result<Vec<PublicKey>, FetchError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let answer = self.client.clone().get_jwks(GetJwksRequest {}).await;
        let keys = answer.map_err(|status| FetchError::new(status.to_string()))?.into_inner().keys;
        Ok(keys.into_iter().map(|key| PublicKey { kid: key.kid, x: key.x }).collect())
    }
}

/// Verifies as another service does, and counts how often it asks for keys.
fn another_service(desk: &Desk) -> (Verifier, Arc<AtomicUsize>) {
    let fetches = Arc::new(AtomicUsize::new(0));
    (Verifier::fetching(Jwks { client: desk.client.clone(), fetches: Arc::clone(&fetches) }), fetches)
}

async fn is_accepted(verifier: &Verifier, token: &str) -> bool {
    verifier.verify(token, Clock::system().now()).await.is_ok()
}

async fn rotate(client: &Client, admin: &Reader, request_id: &str) -> Result<RotateSigningKeyResponse> {
    let request = RotateSigningKeyRequest { request_id: request_id.to_owned() };
    Ok(client.clone().rotate_signing_key(as_user(&admin.token, request)?).await?.into_inner())
}

/// The names of the keys that a replica serves, the oldest first.
async fn served(client: &Client) -> Result<Vec<String>> {
    let keys = client.clone().get_jwks(GetJwksRequest {}).await?.into_inner().keys;
    Ok(keys.into_iter().map(|key| key.kid).collect())
}

async fn until_served(client: &Client, keys: &[&str]) -> Result<()> {
    eventually("the keys are served", SOON, async || (served(client).await.ok()? == keys).then_some(())).await
}

/// Lets the time of all keys pass, as the database sees it.
async fn age(desk: &Desk, interval: &str) -> Result<()> {
    desk.database
        .execute(&format!("UPDATE signing_keys SET active_at = active_at - interval '{interval}'"))
        .await
}

/// A fresh access token, and the key that signed it.
async fn signed_by(client: &Client, email: &str) -> Result<(String, String)> {
    let token = client.clone().authenticate_user(sign_in(email, PASSWORD)).await?.into_inner().access_token;
    for kid in served(client).await? {
        let keys = client.clone().get_jwks(GetJwksRequest {}).await?.into_inner().keys;
        let only = keys.into_iter().filter(|key| key.kid == kid);
        let only = only.map(|key| PublicKey { kid: key.kid, x: key.x }).collect();
        if is_accepted(&Verifier::with_keys(only), &token).await {
            return Ok((token, kid));
        }
    }
    anyhow::bail!("signed by a key that isn't served")
}

#[tokio::test]
async fn tokens_from_before_during_and_after_a_rotation_are_accepted_by_a_service_that_asks_rarely()
-> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    desk.reader("ada@example.org").await?;
    let old = desk.key.kid();
    let replica = desk.replica().await?;
    let (before, signer) = signed_by(&desk.client, "ada@example.org").await?;
    assert_eq!(signer, old);

    let made = rotate(&desk.client, &admin, "k-1").await?;
    let active = made.active_time.context("a time")?.seconds - Clock::system().now().timestamp();
    assert!((5 * 60..=10 * 60).contains(&active), "in {active} s");
    assert_eq!(served(&desk.client).await?, [old, &made.kid]);
    until_served(&replica.client, &[old, &made.kid]).await?;
    // It asks within the time between publication and first use, and not again.
    let (service, fetches) = another_service(&desk);
    assert!(is_accepted(&service, &before).await);

    let mut during = Vec::new();
    for client in [&desk.client, &replica.client] {
        let (token, signer) = signed_by(client, "ada@example.org").await?;
        assert_eq!(signer, old, "nobody is ahead");
        during.push(token);
    }
    age(&desk, "10 minutes").await?;
    let mut after = Vec::new();
    for client in [&desk.client, &replica.client] {
        let (token, signer) = signed_by(client, "ada@example.org").await?;
        assert_eq!(signer, made.kid, "nobody is behind");
        after.push(token);
    }
    for token in during.iter().chain(&after).chain([&before]) {
        assert!(is_accepted(&service, token).await);
        for client in [&desk.client, &replica.client] {
            whoami(client, token).await?;
        }
    }
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
    Ok(())
}

#[tokio::test]
async fn a_key_goes_when_its_last_token_has_expired() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    desk.reader("ada@example.org").await?;
    let (before, _) = signed_by(&desk.client, "ada@example.org").await?;
    let made = rotate(&desk.client, &admin, "k-1").await?;
    // It has signed for a quarter of an hour, and then for ten minutes more.
    age(&desk, "25 minutes").await?;
    let replica = desk.replica().await?;
    assert_eq!(served(&replica.client).await?, [desk.key.kid(), &made.kid]);
    whoami(&replica.client, &before).await?;

    age(&desk, "10 minutes").await?;
    let sweeps_at_its_start = desk.replica().await?;
    for client in [&desk.client, &replica.client, &sweeps_at_its_start.client] {
        until_served(client, &[&made.kid]).await?;
        assert_eq!(refused(whoami(client, &before).await, Code::Unauthenticated)?, "TOKEN_INVALID");
        let (token, signer) = signed_by(client, "ada@example.org").await?;
        assert_eq!(signer, made.kid);
        whoami(client, &token).await?;
    }
    eventually("it is deleted", SOON, async || (desk.count("signing_keys").await.ok()? == 1).then_some(()))
        .await
}

#[tokio::test]
async fn replicas_that_find_the_key_old_at_once_make_one() -> Result<()> {
    let (desk, _) = Desk::open_with_admin().await?;
    age(&desk, "31 days").await?;
    // All of them look while the first one writes.
    desk.slow_down("INSERT", "signing_keys").await?;
    let _sweep_at_their_start =
        tokio::try_join!(desk.replica(), desk.replica(), desk.replica(), desk.replica())?;
    eventually("a new key", SOON, async || (served(&desk.client).await.ok()?.len() == 2).then_some(()))
        .await?;
    let _sweeps_too = desk.replica().await?;
    eventually("nobody is about to make another", SOON, async || {
        let busy = "pg_stat_activity WHERE datname = current_database()
                    AND (wait_event = 'PgSleep' OR wait_event_type = 'Lock')";
        (desk.count(busy).await.ok()? == 0).then_some(())
    })
    .await?;
    assert_eq!(desk.count("signing_keys").await?, 2);
    assert_eq!(desk.count("signing_keys WHERE sealed IS NULL").await?, 1);
    assert_eq!(
        desk.count("signing_keys WHERE requested_by IS NULL AND active_at > now() + interval '5 minutes'")
            .await?,
        1
    );
    Ok(())
}

#[tokio::test]
async fn the_same_request_makes_one_key_however_often_it_is_sent() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let replica = desk.replica().await?;
    let mut calls = Vec::new();
    for client in [&desk.client, &replica.client].into_iter().cycle().take(8) {
        let (client, admin) = (client.clone(), admin.clone());
        calls.push(tokio::spawn(async move { rotate(&client, &admin, "k-1").await }));
    }
    let mut made = Vec::new();
    for call in calls {
        made.push(call.await??);
    }
    assert!(made.iter().all(|key| *key == made[0]));
    assert_ne!(rotate(&replica.client, &admin, "k-2").await?.kid, made[0].kid);
    assert_eq!(desk.count("signing_keys").await?, 3);
    assert_eq!(desk.count("audit_log WHERE action = 'SIGNING_KEY_ROTATED'").await?, 2);
    Ok(())
}

#[tokio::test]
async fn who_may_not_rotate_keys_does_not() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let request = || RotateSigningKeyRequest { request_id: "k-1".to_owned() };
    let answer = client.rotate_signing_key(as_user(&ada.token, request())?).await;
    assert_eq!(refused(answer, Code::PermissionDenied)?, "PERMISSION_MISSING");
    let malformed = as_user(&admin.token, RotateSigningKeyRequest::default())?;
    assert_eq!(wrong_fields(client.rotate_signing_key(malformed).await)?, ["request_id"]);

    // Signed out, where that is not known yet.
    let replica = desk.replica().await?;
    desk.broker.stop().await?;
    client.logout(as_user(&admin.token, proto::identity::v1::LogoutRequest {})?).await?;
    let answer = replica.client.clone().rotate_signing_key(as_user(&admin.token, request())?).await;
    assert_eq!(refused(answer, Code::PermissionDenied)?, "PERMISSION_MISSING");
    assert_eq!(desk.count("signing_keys").await?, 1);
    Ok(())
}

#[tokio::test]
async fn another_configured_key_signs_at_once_beside_the_one_from_before() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let rotated = rotate(&desk.client, &admin, "k-1").await?.kid;
    let (key, _) = SigningKey::generate();
    let new = desk.replica_with_key(&key).await?;
    let (token, signer) = signed_by(&new.client, ADMIN).await?;
    assert_eq!(signer, key.kid());
    eventually("its tokens are accepted by the others", SOON, async || {
        whoami(&desk.client, &token).await.ok()
    })
    .await?;
    whoami(&new.client, &admin.token).await?;

    // It can't open the key that the other one made, and signs on with its own.
    age(&desk, "10 minutes").await?;
    assert_eq!(signed_by(&new.client, ADMIN).await?.1, key.kid());
    assert_eq!(signed_by(&desk.client, ADMIN).await?.1, rotated);
    Ok(())
}

#[tokio::test]
async fn a_key_that_was_taken_out_of_the_table_by_hand_is_used_no_more_and_the_configured_one_steps_in()
-> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    rotate(&desk.client, &admin, "k-1").await?;
    age(&desk, "10 minutes").await?;
    let (token, _) = signed_by(&desk.client, ADMIN).await?;
    desk.database.execute("DELETE FROM signing_keys").await?;
    until_served(&desk.client, &[desk.key.kid()]).await?;
    assert_eq!(refused(whoami(&desk.client, &token).await, Code::Unauthenticated)?, "TOKEN_INVALID");
    assert_eq!(signed_by(&desk.client, ADMIN).await?.1, desk.key.kid());
    Ok(())
}

use std::time::{Duration, Instant};

use anyhow::Result;
use proto::identity::v1::{LogoutRequest, SessionRevoked};
use testkit::{as_user, eventually, published};
use tonic::Code;

use crate::desk::{Client, Desk, PASSWORD, Reader, refused, sign_in, whoami};

const SOON: Duration = Duration::from_secs(20);

async fn sign_out(client: &Client, token: &str) -> Result<()> {
    client.clone().logout(as_user(token, LogoutRequest {})?).await?;
    Ok(())
}

/// How long the replica goes on accepting the token.
async fn until_refused(client: &Client, token: &str) -> Result<Duration> {
    let start = Instant::now();
    let reason = eventually("the token is refused", SOON, async || whoami(client, token).await.err()).await?;
    let took = start.elapsed();
    assert_eq!(refused(Err::<(), _>(reason), Code::Unauthenticated)?, "SESSION_REVOKED");
    Ok(took)
}

#[tokio::test]
async fn a_sign_in_is_a_row_of_its_own() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    desk.sign_in("ada@example.org").await?;
    let (user, session) = (ada.id.uuid(), desk.told_by(&ada.token).await?.session_id.uuid());
    assert_eq!(desk.count(&format!("sessions WHERE user_id = '{user}' AND ended_at IS NULL")).await?, 2);
    assert_eq!(desk.count(&format!("sessions WHERE id = '{session}'")).await?, 1);

    let wrong =
        desk.client.clone().authenticate_user(sign_in("ada@example.org", "wrong horse battery")).await;
    refused(wrong, Code::Unauthenticated)?;
    assert_eq!(desk.count("sessions").await?, 2);
    Ok(())
}

#[tokio::test]
async fn who_signs_out_is_signed_out_at_once_and_only_there() -> Result<()> {
    let desk = Desk::open().await?;
    let desktop = desk.reader("ada@example.org").await?;
    let phone = desk.sign_in("ada@example.org").await?;
    let grace = desk.reader("grace@example.org").await?;

    sign_out(&desk.client, &phone.token).await?;
    assert_eq!(refused(whoami(&desk.client, &phone.token).await, Code::Unauthenticated)?, "SESSION_REVOKED");
    whoami(&desk.client, &desktop.token).await?;
    whoami(&desk.client, &grace.token).await?;
    assert_eq!(desk.count("sessions WHERE ended_at IS NOT NULL").await?, 1);
    desk.client.clone().authenticate_user(sign_in("ada@example.org", PASSWORD)).await?;
    Ok(())
}

#[tokio::test]
async fn signing_out_with_one_token_from_many_windows_at_once_happens_once() -> Result<()> {
    let desk = Desk::open().await?;
    let (ada, replica) = (desk.reader("ada@example.org").await?, desk.replica().await?);
    let mut calls = Vec::new();
    for client in [&desk.client, &replica.client].into_iter().cycle().take(16) {
        let (mut client, request) = (client.clone(), as_user(&ada.token, LogoutRequest {})?);
        calls.push(tokio::spawn(async move { client.logout(request).await }));
    }
    let mut signed_out = 0;
    for call in calls {
        match call.await? {
            Ok(_) => signed_out += 1,
            // It came after the others.
            answer => assert_eq!(refused(answer, Code::Unauthenticated)?, "SESSION_REVOKED"),
        }
    }
    assert!(signed_out > 0);
    assert_eq!(desk.count("outbox WHERE subject = 'bookstore.identity.v1.session_revoked'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn other_services_learn_of_it() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    let session = desk.told_by(&ada.token).await?.session_id;
    sign_out(&desk.client, &ada.token).await?;
    let events = eventually("session_revoked in the IDENTITY stream", SOON, async || {
        published::<SessionRevoked>(&desk.broker).await.ok().filter(|events| !events.is_empty())
    })
    .await?;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event.session_id, session.to_string());
    assert_eq!(events[0].aggregate_id, session.to_string());
    Ok(())
}

#[tokio::test]
async fn another_replica_refuses_the_session_within_a_second_and_so_does_one_that_starts_afterwards()
-> Result<()> {
    let desk = Desk::open().await?;
    let other = desk.replica().await?;
    let mut took = Vec::new();
    let mut ended = Vec::new();
    for index in 0..3 {
        let Reader { token, .. } = desk.reader(&format!("ada-{index}@example.org")).await?;
        whoami(&other.client, &token).await?;
        sign_out(&desk.client, &token).await?;
        took.push(until_refused(&other.client, &token).await?);
        ended.push(token);
    }
    // The quickest: a machine busy with other tests may be slow once.
    assert!(took.iter().min() < Some(&Duration::from_secs(1)), "took {took:?}");

    let late = desk.replica().await?;
    for token in ended {
        assert_eq!(refused(whoami(&late.client, &token).await, Code::Unauthenticated)?, "SESSION_REVOKED");
    }
    Ok(())
}

#[tokio::test]
async fn a_role_that_is_given_outdates_tokens_at_every_replica() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let (other, ada) = (desk.replica().await?, desk.reader("ada@example.org").await?);
    whoami(&other.client, &ada.token).await?;
    desk.grant(&admin, ada.id, "shop_owner").await?;
    until_refused(&other.client, &ada.token).await?;

    let late = desk.replica().await?;
    assert_eq!(refused(whoami(&late.client, &ada.token).await, Code::Unauthenticated)?, "SESSION_REVOKED");
    let ada = desk.sign_in("ada@example.org").await?;
    for client in [&desk.client, &other.client, &late.client] {
        whoami(client, &ada.token).await?;
    }
    Ok(())
}

#[tokio::test]
async fn while_the_broker_is_away_users_sign_out_and_the_other_replicas_learn_of_it_later() -> Result<()> {
    let desk = Desk::open().await?;
    let (ada, other) = (desk.reader("ada@example.org").await?, desk.replica().await?);
    desk.broker.stop().await?;
    sign_out(&desk.client, &ada.token).await?;
    assert_eq!(refused(whoami(&desk.client, &ada.token).await, Code::Unauthenticated)?, "SESSION_REVOKED");
    whoami(&other.client, &ada.token).await?;
    desk.broker.start_again().await?;
    until_refused(&other.client, &ada.token).await?;
    Ok(())
}

#[tokio::test]
async fn a_session_that_was_never_recorded_can_be_ended() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    let token = desk.token_of(ada.id)?;
    whoami(&desk.client, &token).await?;
    sign_out(&desk.client, &token).await?;
    assert_eq!(refused(whoami(&desk.client, &token).await, Code::Unauthenticated)?, "SESSION_REVOKED");
    assert_eq!(desk.count("sessions WHERE ended_at IS NOT NULL").await?, 1);

    let gone = desk.client.clone().logout(as_user(&desk.token_of_nobody()?, LogoutRequest {})?).await;
    assert_eq!(refused(gone, Code::Unauthenticated)?, "USER_UNKNOWN");
    Ok(())
}

#[tokio::test]
async fn sessions_are_kept_for_a_month() -> Result<()> {
    let desk = Desk::open().await?;
    let (ada, grace) = (desk.reader("ada@example.org").await?, desk.reader("grace@example.org").await?);
    let ages = format!(
        "UPDATE sessions SET last_issued_at = now() - interval '30 days 1 minute' WHERE user_id = '{}';
         UPDATE sessions SET last_issued_at = now() - interval '29 days', ended_at = now() WHERE user_id = '{}'",
        ada.id.uuid(),
        grace.id.uuid()
    );
    desk.database.execute(&ages).await?;
    let _sweeps_at_its_start = desk.replica().await?;
    eventually("the old session is gone", SOON, async || {
        (desk.count("sessions").await.ok()? == 1).then_some(())
    })
    .await?;
    assert_eq!(desk.count("sessions WHERE ended_at IS NOT NULL").await?, 1);
    Ok(())
}

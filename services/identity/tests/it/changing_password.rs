use std::num::NonZeroU16;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use proto::identity::v1::{
    ChangePasswordRequest, DeleteUserRequest, RefreshTokenRequest, SessionRevoked, UpdateUserRequest,
};
use testkit::{as_user, eventually};
use tonic::Code;
use tonic_types::StatusExt;

use crate::desk::{Desk, PASSWORD, SOON, events, mask, reason, refused, sign_in, whoami, wrong_fields};

const NEW: &str = "staple battery horse correct";

fn change(current: &str, new: &str) -> ChangePasswordRequest {
    ChangePasswordRequest { current_password: current.to_owned(), new_password: new.to_owned() }
}

#[tokio::test]
async fn the_new_password_is_the_only_one_and_every_other_session_has_ended() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, other) = (desk.client.clone(), desk.replica().await?);
    let ada = desk.reader("ada@example.org").await?;
    let thief = desk.sign_in("ada@example.org").await?;
    let grace = desk.reader("grace@example.org").await?;
    let session = desk.told_by(&thief.token).await?.session_id;

    client.change_password(as_user(&ada.token, change(PASSWORD, NEW))?).await?;
    assert_eq!(refused(whoami(&client, &thief.token).await, Code::Unauthenticated)?, "SESSION_REVOKED");
    eventually("another replica refuses it", SOON, async || whoami(&other.client, &thief.token).await.err())
        .await?;
    let request = RefreshTokenRequest { request_id: "r-1".to_owned(), refresh_token: thief.refresh_token };
    assert_eq!(refused(client.refresh_token(request).await, Code::Unauthenticated)?, "SESSION_REVOKED");
    let told = events::<SessionRevoked>(&desk.broker, 1).await?;
    assert_eq!((told.len(), told[0].event.session_id.clone()), (1, session.to_string()));

    whoami(&client, &ada.token).await?;
    whoami(&client, &grace.token).await?;
    client.authenticate_user(sign_in("ada@example.org", NEW)).await?;
    let old = client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await;
    assert_eq!(refused(old, Code::Unauthenticated)?, "WRONG_CREDENTIALS");
    assert_eq!(desk.count("audit_log WHERE action = 'PASSWORD_CHANGED'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_repeat_changes_nothing_and_ends_what_began_since() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    client.change_password(as_user(&ada.token, change(PASSWORD, NEW))?).await?;
    let since = client.authenticate_user(sign_in("ada@example.org", NEW)).await?.into_inner();
    for _ in 0..2 {
        client.change_password(as_user(&ada.token, change(PASSWORD, NEW))?).await?;
        let refused = refused(whoami(&client, &since.access_token).await, Code::Unauthenticated)?;
        assert_eq!(refused, "SESSION_REVOKED");
    }
    whoami(&client, &ada.token).await?;
    assert_eq!(desk.count("sessions WHERE ended_at IS NULL").await?, 1);
    assert_eq!(desk.count("audit_log WHERE action = 'PASSWORD_CHANGED'").await?, 1);
    assert_eq!(events::<SessionRevoked>(&desk.broker, 1).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn whoever_is_told_that_the_password_is_theirs_already_is_alone_with_it() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, other) = (desk.client.clone(), desk.replica().await?);
    let ada = desk.reader("ada@example.org").await?;
    let thief = desk.sign_in("ada@example.org").await?;
    // Mistyped where the password is asked for, and typed where the next one is.
    client.change_password(as_user(&ada.token, change("wrong horse battery", PASSWORD))?).await?;
    assert_eq!(refused(whoami(&client, &thief.token).await, Code::Unauthenticated)?, "SESSION_REVOKED");
    eventually("another replica refuses it", SOON, async || whoami(&other.client, &thief.token).await.err())
        .await?;
    let request = RefreshTokenRequest { request_id: "r-1".to_owned(), refresh_token: thief.refresh_token };
    assert_eq!(refused(client.refresh_token(request).await, Code::Unauthenticated)?, "SESSION_REVOKED");
    whoami(&client, &ada.token).await?;
    client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await?;
    Ok(())
}

#[tokio::test]
async fn who_does_not_know_the_password_changes_nothing() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let phone = desk.sign_in("ada@example.org").await?;
    let answer = client.change_password(as_user(&ada.token, change("wrong horse battery", NEW))?).await;
    assert_eq!(refused(answer, Code::FailedPrecondition)?, "WRONG_PASSWORD");
    client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await?;
    whoami(&client, &phone.token).await?;

    let answer = client.change_password(as_user(&ada.token, change("", "too short"))?).await;
    assert_eq!(wrong_fields(answer)?, ["current_password", "new_password"]);
    Ok(())
}

#[tokio::test]
async fn whoever_signs_in_with_the_old_password_meanwhile_is_out_too() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    let mut calls = Vec::new();
    for _ in 0..12 {
        let mut client = desk.client.clone();
        calls.push(tokio::spawn(async move {
            client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await
        }));
    }
    desk.client.clone().change_password(as_user(&ada.token, change(PASSWORD, NEW))?).await?;
    for call in calls {
        match call.await? {
            Ok(answer) => {
                let token = answer.into_inner().access_token;
                assert_eq!(
                    refused(whoami(&desk.client, &token).await, Code::Unauthenticated)?,
                    "SESSION_REVOKED"
                );
            }
            refusal => assert_eq!(refused(refusal, Code::Unauthenticated)?, "WRONG_CREDENTIALS"),
        }
    }
    assert_eq!(desk.count("sessions WHERE ended_at IS NULL").await?, 1);
    Ok(())
}

#[tokio::test]
async fn of_many_changes_at_once_one_is_made() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    let mut calls = Vec::new();
    for index in 0..6 {
        let request = as_user(&ada.token, change(PASSWORD, &format!("{NEW} {index}")))?;
        let mut client = desk.client.clone();
        calls.push(tokio::spawn(async move { client.change_password(request).await }));
    }
    let mut made = 0;
    for call in calls {
        match call.await? {
            Ok(_) => made += 1,
            // Who found two of them being checked already is to come back.
            Err(status) if status.code() == Code::ResourceExhausted => {
                assert_eq!(
                    refused(Err::<(), _>(status), Code::ResourceExhausted)?,
                    "TOO_MANY_PASSWORD_CHECKS"
                );
            }
            refusal => assert_eq!(refused(refusal, Code::FailedPrecondition)?, "WRONG_PASSWORD"),
        }
    }
    assert_eq!(made, 1);
    Ok(())
}

#[tokio::test]
async fn who_holds_many_changes_open_keeps_nobody_from_signing_in() -> Result<()> {
    let desk = Desk::open_with(|config| config.password_hashes = NonZeroU16::MIN).await?;
    let (ada, _grace) = (desk.reader("ada@example.org").await?, desk.reader("grace@example.org").await?);
    let calls = (0..60).map(|index| {
        let (mut client, token) = (desk.client.clone(), ada.token.clone());
        async move {
            let by_mistake = "wrong horse battery";
            let refusal = match index % 3 {
                0 => client.change_password(as_user(&token, change(by_mistake, NEW))?).await.err(),
                1 => {
                    let request =
                        DeleteUserRequest { user_id: String::new(), current_password: by_mistake.to_owned() };
                    client.delete_user(as_user(&token, request)?).await.err()
                }
                _ => {
                    let request = UpdateUserRequest {
                        email: "countess@example.org".to_owned(),
                        current_password: by_mistake.to_owned(),
                        update_mask: Some(mask(&["email"])),
                        ..UpdateUserRequest::default()
                    };
                    client.update_user(as_user(&token, request)?).await.err()
                }
            };
            let status = refusal.context("done without the password")?;
            if status.code() == Code::FailedPrecondition {
                return anyhow::Ok(None);
            }
            ensure!(status.get_details_retry_info().is_some(), "no RetryInfo: {status:?}");
            reason(&status, Code::ResourceExhausted).map(Some)
        }
    });
    let sign_in = desk.sign_in("grace@example.org");
    let (refusals, signed_in) = tokio::join!(try_join_all(calls), sign_in);
    signed_in?;
    let refusals = refusals?;
    let busy: Vec<_> = refusals.iter().flatten().collect();
    assert!(busy.len() < refusals.len(), "none was checked");
    assert!(!busy.is_empty() && busy.iter().all(|reason| *reason == "TOO_MANY_PASSWORD_CHECKS"), "{busy:?}");
    Ok(())
}

use std::time::Duration;

use anyhow::{Context, Result};
use proto::identity::v1::{AuthenticateUserResponse, LogoutRequest, RefreshTokenRequest, SessionRevoked};
use testkit::{as_user, eventually};
use tonic::{Code, Status};
use values::Clock;

use proptest::collection::vec;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use crate::desk::{Client, Desk, Reader, SOON, events, reader, refused, user_of, whoami, wrong_fields};

async fn refresh(client: &Client, request_id: &str, token: &str) -> Result<AuthenticateUserResponse, Status> {
    let request = RefreshTokenRequest { request_id: request_id.to_owned(), refresh_token: token.to_owned() };
    Ok(client.clone().refresh_token(request).await?.into_inner())
}

async fn refreshed(desk: &Desk, request_id: &str, before: &Reader) -> Result<Reader> {
    reader(refresh(&desk.client, request_id, &before.refresh_token).await?)
}

#[tokio::test]
async fn a_session_goes_on_with_its_refresh_token() -> Result<()> {
    let desk = Desk::open().await?;
    let first = desk.reader("ada@example.org").await?;
    let answer = refresh(&desk.client, "r-1", &first.refresh_token).await?;
    let end = answer.refresh_expire_time.context("no refresh_expire_time")?.seconds;
    let left = end - Clock::system().now().timestamp();
    assert!((29 * 86_400..=30 * 86_400).contains(&left), "{left} s");
    assert!(answer.expire_time.is_some());
    assert_eq!(user_of(answer.user.clone())?, whoami(&desk.client, &first.token).await?);

    let second = reader(answer)?;
    let third = refreshed(&desk, "r-2", &second).await?;
    let session = desk.told_by(&first.token).await?.session_id;
    for next in [&second.token, &third.token] {
        assert_eq!(desk.told_by(next).await?.session_id, session);
    }
    whoami(&desk.client, &third.token).await?;
    assert_eq!(desk.count("sessions").await?, 1);
    assert_eq!(desk.count("refresh_tokens WHERE used_by IS NULL").await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_again_until_its_token_is_used() -> Result<()> {
    let desk = Desk::open().await?;
    let (first, replica) = (desk.reader("ada@example.org").await?, desk.replica().await?);
    let second = refreshed(&desk, "r-1", &first).await?;
    // Another replica answers alike.
    let again = reader(refresh(&replica.client, "r-1", &first.refresh_token).await?)?;
    assert_eq!(again.refresh_token, second.refresh_token);
    whoami(&desk.client, &again.token).await?;

    let third = refreshed(&desk, "r-2", &second).await?;
    let late = refresh(&desk.client, "r-1", &first.refresh_token).await;
    assert_eq!(refused(late, Code::Unauthenticated)?, "REFRESH_TOKEN_REUSED");
    // It was the same request, arriving late: nothing was stolen.
    refreshed(&desk, "r-3", &third).await?;
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_shown_again_ends_the_session_everywhere() -> Result<()> {
    let desk = Desk::open().await?;
    let (first, other) = (desk.reader("ada@example.org").await?, desk.replica().await?);
    let phone = desk.sign_in("ada@example.org").await?;
    let second = refreshed(&desk, "r-1", &first).await?;
    let third = refreshed(&desk, "r-2", &second).await?;

    let stolen = refresh(&desk.client, "thief", &first.refresh_token).await;
    assert_eq!(refused(stolen, Code::Unauthenticated)?, "REFRESH_TOKEN_REUSED");
    for token in [&first.token, &second.token, &third.token] {
        assert_eq!(refused(whoami(&desk.client, token).await, Code::Unauthenticated)?, "SESSION_REVOKED");
    }
    for token in [&third.refresh_token, &second.refresh_token, &first.refresh_token] {
        let answer = refresh(&desk.client, "r-3", token).await;
        assert_eq!(refused(answer, Code::Unauthenticated)?, "SESSION_REVOKED");
    }
    eventually("another replica refuses it", SOON, async || whoami(&other.client, &third.token).await.err())
        .await?;

    let session = desk.told_by(&third.token).await?.session_id;
    let told = events::<SessionRevoked>(&desk.broker, 1).await?;
    assert_eq!((told.len(), told[0].event.session_id.as_str()), (1, session.to_string().as_str()));
    assert_eq!(desk.count("audit_log WHERE action = 'REFRESH_TOKEN_REUSED' AND actor IS NULL").await?, 1);
    whoami(&desk.client, &phone.token).await?;
    refreshed(&desk, "r-1", &phone).await?;
    Ok(())
}

#[tokio::test]
async fn of_two_exchanges_of_one_token_at_once_one_is_a_theft() -> Result<()> {
    let desk = Desk::open().await?;
    let (ada, replica) = (desk.reader("ada@example.org").await?, desk.replica().await?);
    let calls =
        [&desk.client, &replica.client].into_iter().cycle().take(16).enumerate().map(|(index, client)| {
            let (client, token) = (client.clone(), ada.refresh_token.clone());
            tokio::spawn(async move { refresh(&client, &format!("r-{index}"), &token).await })
        });
    let mut won = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        match call.await? {
            Ok(answer) => won.push(reader(answer)?),
            Err(status) => {
                let reason = refused(Err::<(), _>(status), Code::Unauthenticated)?;
                assert!(["REFRESH_TOKEN_REUSED", "SESSION_REVOKED"].contains(&reason.as_str()), "{reason}");
            }
        }
    }
    assert_eq!(won.len(), 1);
    let answer = refresh(&desk.client, "r-next", &won[0].refresh_token).await;
    assert_eq!(refused(answer, Code::Unauthenticated)?, "SESSION_REVOKED");
    assert_eq!(desk.count("outbox WHERE subject = 'bookstore.identity.v1.session_revoked'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn one_exchange_sent_many_times_at_once_has_one_successor() -> Result<()> {
    let desk = Desk::open().await?;
    let (ada, replica) = (desk.reader("ada@example.org").await?, desk.replica().await?);
    let calls = [&desk.client, &replica.client].into_iter().cycle().take(16).map(|client| {
        let (client, token) = (client.clone(), ada.refresh_token.clone());
        tokio::spawn(async move { refresh(&client, "r-1", &token).await })
    });
    let mut successors = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        successors.push(reader(call.await??)?.refresh_token);
    }
    assert!(successors.iter().all(|token| *token == successors[0]));
    assert_eq!(desk.count("refresh_tokens").await?, 2);
    Ok(())
}

#[tokio::test]
async fn another_role_is_told_by_the_next_access_token() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let ada = desk.reader("ada@example.org").await?;
    desk.grant(&admin, ada.id, "shop_owner").await?;
    assert_eq!(refused(whoami(&desk.client, &ada.token).await, Code::Unauthenticated)?, "SESSION_REVOKED");
    let answer = refresh(&desk.client, "r-1", &ada.refresh_token).await?;
    assert_eq!(user_of(answer.user.clone())?.roles, ["customer", "shop_owner"]);
    let ada = reader(answer)?;
    assert!(desk.told_by(&ada.token).await?.may(auth::Permission::SHOPS_REGISTER));
    whoami(&desk.client, &ada.token).await?;
    Ok(())
}

#[tokio::test]
async fn who_signed_out_does_not_go_on() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    desk.client.clone().logout(as_user(&ada.token, LogoutRequest {})?).await?;
    let answer = refresh(&desk.client, "r-1", &ada.refresh_token).await;
    assert_eq!(refused(answer, Code::Unauthenticated)?, "SESSION_REVOKED");
    Ok(())
}

#[tokio::test]
async fn a_session_that_nobody_goes_on_with_ends_by_itself() -> Result<()> {
    let desk = Desk::open_with(|config| config.refresh_token_ttl = Duration::from_secs(1)).await?;
    let ada = desk.reader("ada@example.org").await?;
    eventually("the token has expired", SOON, async || {
        (desk.count("refresh_tokens WHERE expires_at <= now()").await.ok()? == 1).then_some(())
    })
    .await?;
    let answer = refresh(&desk.client, "r-1", &ada.refresh_token).await;
    assert_eq!(refused(answer, Code::Unauthenticated)?, "REFRESH_TOKEN_EXPIRED");

    let _sweeps_at_its_start = desk.replica().await?;
    eventually("the token is swept", SOON, async || {
        (desk.count("refresh_tokens").await.ok()? == 0).then_some(())
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn what_never_was_a_refresh_token_gets_nothing() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    let stranger = Desk::open().await?.reader("ada@example.org").await?;
    for token in [&ada.token, &stranger.refresh_token, "x", &"x".repeat(10_000)] {
        let answer = refresh(&desk.client, "r-1", token).await;
        assert_eq!(refused(answer, Code::Unauthenticated)?, "REFRESH_TOKEN_INVALID");
    }
    let missing = refresh(&desk.client, "with blank", "").await;
    assert_eq!(wrong_fields(missing)?, ["request_id", "refresh_token"]);
    Ok(())
}

#[tokio::test]
async fn no_refresh_token_is_stored_readably() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    let next = refreshed(&desk, "r-1", &ada).await?;
    for token in [ada.refresh_token, next.refresh_token] {
        let stored = format!(
            "refresh_tokens WHERE hash = sha256(decode(translate('{token}', '-_', '+/') || '=', 'base64'))"
        );
        assert_eq!(desk.count(&stored).await?, 1);
        assert_eq!(
            desk.count(&format!("refresh_tokens WHERE refresh_tokens::text LIKE '%{token}%'")).await?,
            0
        );
    }
    Ok(())
}

/// What a session's refresh tokens are to do.
#[derive(Default)]
struct Family {
    tokens: Vec<String>,
    /// By which request each was exchanged; all have been but the last.
    used_by: Vec<usize>,
    has_ended: bool,
}

impl Family {
    /// What the answer is to be: the place of the refresh token in it, or why it is refused.
    fn show(&mut self, token: usize, request: usize) -> Result<usize, &'static str> {
        if self.has_ended {
            return Err("SESSION_REVOKED");
        }
        match self.used_by.get(token) {
            None => {
                self.used_by.push(request);
                Ok(token + 1)
            }
            Some(earlier) if *earlier == request && token + 1 == self.used_by.len() => Ok(token + 1),
            Some(earlier) => {
                self.has_ended = *earlier != request;
                Err("REFRESH_TOKEN_REUSED")
            }
        }
    }
}

#[tokio::test]
async fn whatever_is_shown_in_whatever_order_a_session_goes_on_in_one_way_or_ends() -> Result<()> {
    const SESSIONS: usize = 30;
    let desk = Desk::open().await?;
    desk.reader("ada@example.org").await?;
    let mut random = TestRunner::deterministic();
    // Mostly the last token, and few names for requests, so that repeats are frequent.
    let steps = vec((0_usize..6, 0_usize..3), 1..16);
    for _ in 0..SESSIONS {
        let steps = steps.new_tree(&mut random).map_err(anyhow::Error::msg)?.current();
        let mut family = Family::default();
        family.tokens.push(desk.sign_in("ada@example.org").await?.refresh_token);
        for (back, request) in &steps {
            let token = family.used_by.len().saturating_sub(back.saturating_sub(3));
            let answer = refresh(&desk.client, &format!("r-{request}"), &family.tokens[token]).await;
            match family.show(token, *request) {
                Ok(next) => {
                    let refresh_token = answer.with_context(|| format!("{steps:?}"))?.refresh_token;
                    if next == family.tokens.len() {
                        family.tokens.push(refresh_token.clone());
                    }
                    assert_eq!(family.tokens[next], refresh_token, "{steps:?}");
                }
                Err(reason) => {
                    assert_eq!(refused(answer, Code::Unauthenticated)?, reason, "{steps:?}");
                }
            }
        }
    }
    Ok(())
}

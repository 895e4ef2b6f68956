use anyhow::{Context, Result};
use proto::identity::v1::{LogoutRequest, RevokeRoleRequest, ValidateTokenRequest, ValidateTokenResponse};
use testkit::as_user;

use crate::desk::{Client, Desk, wrong_fields};

async fn validate(client: &Client, token: &str) -> Result<ValidateTokenResponse> {
    let request = ValidateTokenRequest { access_token: token.to_owned() };
    Ok(client.clone().validate_token(request).await?.into_inner())
}

#[tokio::test]
async fn a_good_token_says_whose_it_is_and_what_for() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let ada = desk.reader("ada@example.org").await?;
    let told = desk.told_by(&ada.token).await?;
    let answer = validate(&desk.client, &ada.token).await?;
    assert!(answer.active);
    assert_eq!(answer.user_id, ada.id.to_string());
    assert_eq!(answer.session_id, told.session_id.to_string());
    assert_eq!(answer.expire_time.context("a time")?.seconds, told.expires_at().timestamp());
    assert_eq!(answer.permissions, ["orders.place"]);
    let permissions = validate(&desk.client, &admin.token).await?.permissions;
    assert_eq!(permissions.len(), auth::Permission::ALL.len());
    assert!(permissions.is_sorted());
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_not_good_tells_nothing() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    let stranger = Desk::open().await?.reader("ada@example.org").await?;
    for token in [&stranger.token, &ada.refresh_token, &desk.token_of_nobody()?, "x", &ada.token[1..]] {
        assert_eq!(validate(&desk.client, token).await?, ValidateTokenResponse::default(), "{token}");
    }
    let missing = desk.client.clone().validate_token(ValidateTokenRequest::default()).await;
    assert_eq!(wrong_fields(missing)?, ["access_token"]);
    Ok(())
}

#[tokio::test]
async fn a_replica_that_has_not_heard_of_it_knows_from_the_database() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let (ada, grace) = (desk.reader("ada@example.org").await?, desk.reader("grace@example.org").await?);
    let other = desk.replica().await?;
    desk.broker.stop().await?;
    desk.client.clone().logout(as_user(&ada.token, LogoutRequest {})?).await?;
    let dismiss = RevokeRoleRequest { user_id: grace.id.to_string(), role: "customer".to_owned() };
    desk.client.clone().revoke_role(as_user(&admin.token, dismiss)?).await?;

    for token in [&ada.token, &grace.token] {
        assert_eq!(validate(&other.client, token).await?, ValidateTokenResponse::default());
    }
    assert!(validate(&other.client, &admin.token).await?.active);
    Ok(())
}

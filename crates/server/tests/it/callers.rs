//! Who is calling.

use anyhow::Result;
use proto::order::v1::order_service_client::OrderServiceClient;
use testkit::{TestIdentity, as_user, mesh_client};
use tonic::{Code, Request, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_types::StatusExt as _;
use values::UserId;

use crate::shop::{self, Grounds, order};

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[tokio::test]
async fn a_token_names_its_user_to_the_handler() -> Result<()> {
    let shop = shop::start().await?;
    let user = UserId::new();

    let answer = shop.orders()?.get_order(as_user(&shop.identity.token(user)?, order("mine"))?).await?;

    assert_eq!(answer.into_inner().order_id, user.to_string());
    shop.stopped().await
}

#[tokio::test]
async fn without_a_token_a_users_call_is_unauthenticated() -> Result<()> {
    let shop = shop::start().await?;

    let mut anonymous = OrderServiceClient::new(shop.channel_as("gateway")?);
    let refused = anonymous.get_order(order("mine")).await.unwrap_err();

    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "SIGN_IN_REQUIRED"));
    shop.stopped().await
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_refused_even_where_none_is_needed() -> Result<()> {
    let shop = shop::start().await?;
    let stranger = TestIdentity::start().await?;
    let token = shop.identity.token(UserId::new())?;
    let (head, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", "A".repeat(86));

    for (token, wanted) in [
        (stranger.token(UserId::new())?, "TOKEN_INVALID"),
        (forged, "TOKEN_INVALID"),
        ("abc".to_owned(), "TOKEN_MALFORMED"),
    ] {
        let refused = shop.orders()?.get_order(as_user(&token, order("any"))?).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, wanted));
    }
    let mut basic = Request::new(order("any"));
    basic.metadata_mut().insert("authorization", "Basic YTpi".parse()?);
    let refused = shop.orders()?.get_order(basic).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "TOKEN_MALFORMED"));
    shop.stopped().await
}

#[tokio::test]
async fn tokens_are_verified_with_the_keys_that_identity_serves() -> Result<()> {
    let identity = TestIdentity::start().await?;
    let verifier = server::jwks(mesh_client("shop", "identity", identity.address())?);
    let shop = Grounds { verifier: Some(verifier), ..Grounds::new().await? }.start(|_| {}).await?;
    shop.becomes(ServingStatus::Serving).await?;
    let user = UserId::new();

    let answer = shop.orders()?.get_order(as_user(&identity.token(user)?, order("mine"))?).await?;

    assert_eq!(answer.into_inner().order_id, user.to_string());
    shop.stopped().await
}

#[tokio::test]
async fn while_keys_cannot_be_had_a_tokens_call_is_unavailable() -> Result<()> {
    let verifier = server::jwks(mesh_client("shop", "identity", "127.0.0.1:9".parse()?)?);
    let shop = Grounds { verifier: Some(verifier), ..Grounds::new().await? }.start(|_| {}).await?;
    shop.becomes(ServingStatus::Serving).await?;
    let token = TestIdentity::start().await?.token(UserId::new())?;

    let refused = shop.orders()?.get_order(as_user(&token, order("mine"))?).await.unwrap_err();

    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_details_retry_info().is_some());
    shop.stopped().await
}

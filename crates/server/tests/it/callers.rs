//! Who is calling.

use anyhow::Result;
use auth::Verifier;
use proto::order::v1::PlaceOrderRequest;
use testkit::{TestIdentity, as_service, as_user};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use values::UserId;

use crate::shop::{self, order};

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[tokio::test]
async fn a_token_names_its_user_to_the_handler() -> Result<()> {
    let (shop, identity) = shop::start_with_identity().await?;
    let user = UserId::new();

    let answer = shop.orders().await?.get_order(as_user(&identity.token(user)?, order("mine"))?).await?;

    assert_eq!(answer.into_inner().order_id, user.to_string());
    shop.stopped().await
}

#[tokio::test]
async fn without_a_token_a_users_call_is_unauthenticated() -> Result<()> {
    let (shop, _identity) = shop::start_with_identity().await?;

    let refused = shop.orders().await?.get_order(order("mine")).await.unwrap_err();

    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "SIGN_IN_REQUIRED"));
    shop.stopped().await
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_refused_even_where_none_is_needed() -> Result<()> {
    let (shop, identity) = shop::start_with_identity().await?;
    let stranger = TestIdentity::start().await?;
    let token = identity.token(UserId::new())?;
    let (head, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", "A".repeat(86));

    for (token, wanted) in [
        (stranger.token(UserId::new())?, "TOKEN_INVALID"),
        (forged, "TOKEN_INVALID"),
        ("abc".to_owned(), "TOKEN_MALFORMED"),
    ] {
        let refused = shop.orders().await?.get_order(as_user(&token, order("any"))?).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, wanted));
    }
    let mut basic = Request::new(order("any"));
    basic.metadata_mut().insert("authorization", "Basic YTpi".parse()?);
    let refused = shop.orders().await?.get_order(basic).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "TOKEN_MALFORMED"));
    shop.stopped().await
}

#[tokio::test]
async fn only_services_may_call_what_is_for_services() -> Result<()> {
    let (shop, identity) = shop::start_with_identity().await?;
    let mut orders = shop.orders().await?;
    let user = as_user(&identity.token(UserId::new())?, PlaceOrderRequest::default())?;
    let mut guessing = Request::new(PlaceOrderRequest::default());
    guessing.metadata_mut().insert("bookstore-peer-secret", "0123456789abcdef0123456789abcdef".parse()?);

    for request in [Request::new(PlaceOrderRequest::default()), user, guessing] {
        let refused = orders.place_order(request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "SERVICES_ONLY"));
    }
    orders.place_order(as_service(PlaceOrderRequest::default())).await?;
    shop.stopped().await
}

#[tokio::test]
async fn tokens_are_verified_with_the_keys_that_identity_serves() -> Result<()> {
    let identity = TestIdentity::start().await?;
    let verifier = server::jwks(mesh::Client::new(&identity.target().parse()?, mesh::Policy::default()));
    let shop = shop::start_with(Some(verifier), |_| {}).await?;
    let user = UserId::new();

    let answer = shop.orders().await?.get_order(as_user(&identity.token(user)?, order("mine"))?).await?;

    assert_eq!(answer.into_inner().order_id, user.to_string());
    shop.stopped().await
}

#[tokio::test]
async fn while_keys_cannot_be_had_a_tokens_call_is_unavailable() -> Result<()> {
    let verifier: Verifier =
        server::jwks(mesh::Client::new(&"ipv4:127.0.0.1:9".parse()?, mesh::Policy::default()));
    let shop = shop::start_with(Some(verifier), |_| {}).await?;
    let token = TestIdentity::start().await?.token(UserId::new())?;

    let refused = shop.orders().await?.get_order(as_user(&token, order("mine"))?).await.unwrap_err();

    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_details_retry_info().is_some());
    shop.stopped().await
}

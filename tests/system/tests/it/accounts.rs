use std::time::Duration;

use anyhow::{Context, Result};
use proto::{
    identity::v1::{
        AuthenticateUserRequest, AuthenticateUserResponse, ChangePasswordRequest, DeleteUserRequest,
        GetUserRequest, RefreshTokenRequest, RevokeRoleRequest, RotateSigningKeyRequest,
    },
    order::v1::{GetOrderHistoryRequest, ListOrdersRequest, OrderState},
};
use system_tests::{Clients, Customer, PASSWORD, Shop, new_request_id};
use testkit::{as_user, eventually};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Until something that happened elsewhere has its effect.
const SOON: Duration = Duration::from_secs(30);

async fn session(clients: &Clients, customer: &Customer) -> Result<AuthenticateUserResponse> {
    let request = AuthenticateUserRequest { email: customer.email.clone(), password: PASSWORD.to_owned() };
    Ok(clients.identity().authenticate_user(request).await?.into_inner())
}

async fn refresh(
    clients: &Clients,
    request_id: &str,
    token: &str,
) -> Result<AuthenticateUserResponse, Status> {
    let request = RefreshTokenRequest { request_id: request_id.to_owned(), refresh_token: token.to_owned() };
    clients.identity().refresh_token(request).await.map(tonic::Response::into_inner)
}

/// Asks the order service, which knows of sessions only what it hears.
async fn orders(clients: &Clients, token: &str) -> Result<Result<(), Status>> {
    let request = as_user(token, GetOrderHistoryRequest::default())?;
    Ok(clients.order().get_order_history(request).await.map(drop))
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_its_session_everywhere() -> Result<()> {
    let shop = Shop::shared().await?;
    let (clients, customer) = (shop.clients()?, shop.customer(0).await?);
    let first = session(&clients, &customer).await?;

    let second = refresh(&clients, "once", &first.refresh_token).await?;
    let again = refresh(&clients, "once", &first.refresh_token).await?;
    assert_eq!(again.refresh_token, second.refresh_token, "the answer that was lost");
    orders(&clients, &second.access_token).await??;
    let third = refresh(&clients, "then", &second.refresh_token).await?;

    let thief = refresh(&clients, "stolen", &first.refresh_token).await.expect_err("used already");
    assert_eq!(thief.code(), Code::Unauthenticated);
    refresh(&clients, "next", &third.refresh_token).await.expect_err("the session has ended");
    for token in [&second.access_token, &third.access_token] {
        eventually("the session is known to have ended", SOON, async || {
            let refused = orders(&clients, token).await.ok()?.err()?;
            (reason(&refused) == "SESSION_REVOKED").then_some(())
        })
        .await?;
    }
    orders(&clients, customer.token()).await?.context("another session of the same customer")
}

#[tokio::test]
async fn another_password_ends_every_other_session() -> Result<()> {
    let shop = Shop::shared().await?;
    let (clients, customer) = (shop.clients()?, shop.customer(0).await?);
    let other = session(&clients, &customer).await?;

    let request = ChangePasswordRequest {
        current_password: PASSWORD.to_owned(),
        new_password: "incorrect horse battery staple".to_owned(),
    };
    clients.identity().change_password(customer.request(request)?).await?;

    eventually("the other session has ended", SOON, async || {
        orders(&clients, &other.access_token).await.ok()?.err()
    })
    .await?;
    refresh(&clients, "other", &other.refresh_token).await.expect_err("it has ended with its session");
    orders(&clients, customer.token()).await??;
    session(&clients, &customer).await.expect_err("the password is another");
    Ok(())
}

#[tokio::test]
async fn the_last_admin_stays() -> Result<()> {
    let shop = Shop::start().await?;
    let (clients, admin) = (shop.clients()?, shop.admin().await?);
    let revoke = RevokeRoleRequest { user_id: admin.user_id.clone(), role: "admin".to_owned() };
    let delete = DeleteUserRequest { user_id: String::new(), current_password: PASSWORD.to_owned() };

    let refused = clients.identity().revoke_role(admin.request(revoke.clone())?).await.expect_err("the last");
    assert_eq!(reason(&refused), "LAST_ADMIN");
    let refused = clients.identity().delete_user(admin.request(delete.clone())?).await.expect_err("the last");
    assert_eq!(reason(&refused), "LAST_ADMIN");

    let second = shop.customer(0).await?;
    admin.grant(&second.user_id, "admin").await?;
    let second = second.signed_in_again().await?;
    clients.identity().delete_user(admin.request(delete)?).await?;
    clients.order().list_orders(second.request(ListOrdersRequest::default())?).await?;
    shop.check(&[]).await
}

#[tokio::test]
async fn who_is_deleted_is_forgotten_when_their_orders_end() -> Result<()> {
    let shop = Shop::start().await?;
    let seller = shop.seller().await?;
    let (book, admin) = (seller.add_book(1_000, 5).await?, shop.admin().await?);
    let customer = shop.customer(3_000).await?;
    let (ended, open) = (customer.place(&book, 1).await?.order_id, customer.place(&book, 1).await?.order_id);
    for order_id in [&ended, &open] {
        assert_eq!(customer.ended(order_id).await?.state(), OrderState::Confirmed);
    }
    seller.owner().deliver(&ended, &seller.shop_id).await?;

    let request = DeleteUserRequest { user_id: String::new(), current_password: PASSWORD.to_owned() };
    shop.clients()?.identity().delete_user(customer.request(request)?).await?;

    eventually("the order that has arrived is nobody's", SOON, async || {
        is_forgotten(&admin, &ended).await.ok()?.then_some(())
    })
    .await?;
    assert!(!is_forgotten(&admin, &open).await?, "the shop still has to send it");
    seller.owner().deliver(&open, &seller.shop_id).await?;
    assert!(is_forgotten(&admin, &open).await?);
    let request = GetUserRequest { user_id: customer.user_id.clone(), email: String::new() };
    let gone = shop.clients()?.identity().get_user(admin.request(request)?).await.expect_err("deleted");
    assert_eq!(gone.code(), Code::NotFound);
    shop.check(&[ended, open]).await
}

async fn is_forgotten(admin: &Customer, order_id: &str) -> Result<bool> {
    let order = admin.order(order_id).await?;
    let street = order.shipping_address.unwrap_or_default();
    Ok(order.customer_name.is_empty() && street.recipient.is_empty() && street.lines.concat().is_empty())
}

#[tokio::test]
async fn tokens_of_the_old_and_of_the_new_signing_key_are_good_everywhere() -> Result<()> {
    let shop = Shop::shared().await?;
    let (clients, admin, customer) = (shop.clients()?, shop.admin().await?, shop.customer(0).await?);

    let request = RotateSigningKeyRequest { request_id: new_request_id() };
    let key = clients.identity().rotate_signing_key(admin.request(request)?).await?.into_inner();

    assert!(!key.kid.is_empty());
    orders(&clients, customer.token()).await??;
    orders(&clients, customer.signed_in_again().await?.token()).await??;
    Ok(())
}

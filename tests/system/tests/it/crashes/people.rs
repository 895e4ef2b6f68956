//! What identity is asked for.

use anyhow::{Context, Result};
use prost_types::FieldMask;
use proto::{
    identity::v1::{
        AuthenticateUserRequest, ChangePasswordRequest, CreateAddressRequest, DeleteAddressRequest,
        DeleteUserRequest, GetUserRequest, GrantRoleRequest, ListAddressesRequest, LogoutRequest,
        RefreshTokenRequest, RevokeRoleRequest, RotateSigningKeyRequest, SetDefaultAddressRequest,
        UpdateAddressRequest, UpdateUserRequest,
    },
    order::v1::GetOrderHistoryRequest,
};
use system_tests::{Customer, PASSWORD, new_request_id};
use testkit::eventually;
use tonic::Code;

use super::scene::{SOON, Scene, becomes, told};

/// Addresses and names change, and orders that wait hear of it.
pub(crate) async fn moves(scene: &Scene<'_>) -> Result<()> {
    let customer = scene.shop.customer(10_000).await?;
    let order_id = scene.confirmed(&customer, 1).await?;
    let identity = scene.clients.identity();

    let request = CreateAddressRequest {
        request_id: new_request_id(),
        recipient: "Ada Lovelace".to_owned(),
        lines: vec!["Elsewhere 1".to_owned()],
        city: "Paris".to_owned(),
        postal_code: "75005".to_owned(),
        country_code: "FR".to_owned(),
        ..Default::default()
    };
    let create = async |request| identity.clone().create_address(request).await;
    let second = told(&customer, request.clone(), create).await?.address_id;
    assert_eq!(told(&customer, request, create).await?.address_id, second, "made twice");
    let request = SetDefaultAddressRequest { address_id: second.clone() };
    told(&customer, request, async |request| identity.clone().set_default_address(request).await).await?;
    let request = UpdateAddressRequest {
        address_id: customer.address_id.clone(),
        city: "Leeds".to_owned(),
        update_mask: Some(FieldMask { paths: vec!["city".to_owned()] }),
        ..Default::default()
    };
    told(&customer, request, async |request| identity.clone().update_address(request).await).await?;
    let request = UpdateUserRequest {
        display_name: "Augusta Ada King".to_owned(),
        update_mask: Some(FieldMask { paths: vec!["display_name".to_owned()] }),
        ..Default::default()
    };
    told(&customer, request, async |request| identity.clone().update_user(request).await).await?;

    becomes(&customer, &order_id, "addressed anew", |order| {
        order.shipping_address.as_ref().is_some_and(|address| address.city == "Leeds")
            && order.customer_name == "Augusta Ada King"
    })
    .await?;
    let request = customer.order_of(&new_request_id(), &[(&scene.book, 1)]);
    let by_default = proto::order::v1::PlaceOrderRequest { address_id: String::new(), ..request };
    let order = scene.place(&customer, by_default).await?;
    assert_eq!(order.shipping_address.map(|address| address.city).as_deref(), Some("Paris"));

    let request = DeleteAddressRequest { address_id: second.clone() };
    told(&customer, request, async |request| identity.clone().delete_address(request).await).await?;
    let list = async |request| identity.clone().list_addresses(request).await;
    let left = told(&customer, ListAddressesRequest::default(), list).await?.addresses;
    assert!(left.iter().all(|address| address.address_id != second), "the deleted address is back");
    assert!(left.iter().any(|address| address.city == "Leeds"), "the changed address is lost");
    Ok(())
}

/// Sessions go on, end, and are ended by whoever shows a used token.
pub(crate) async fn sessions(scene: &Scene<'_>) -> Result<()> {
    let customer = scene.shop.customer(0).await?;
    let first = session(scene, &customer, PASSWORD).await?.context("AuthenticateUser")?;
    let refresh = async |id: &str, token: &str| {
        let request = RefreshTokenRequest { request_id: id.to_owned(), refresh_token: token.to_owned() };
        let call = async || scene.clients.identity().refresh_token(request.clone()).await;
        scene.clients.answered("RefreshToken", call).await
    };
    let second = refresh("once", &first.1).await?.context("RefreshToken")?;
    let again = refresh("once", &first.1).await?.context("RefreshToken again")?;
    assert_eq!(second.refresh_token, again.refresh_token, "one token has two successors");
    let thief = refresh("stolen", &first.1).await?.err().context("a used token was taken")?;
    assert_eq!(thief.code(), Code::Unauthenticated, "{thief:?}");
    let late = refresh("late", &second.refresh_token).await?.err().context("the session goes on")?;
    assert_eq!(late.code(), Code::Unauthenticated, "{late:?}");

    let other = session(scene, &customer, PASSWORD).await?.context("AuthenticateUser")?;
    let request = ChangePasswordRequest {
        current_password: PASSWORD.to_owned(),
        new_password: "incorrect horse battery staple".to_owned(),
    };
    told(&customer, request, async |request| scene.clients.identity().change_password(request).await).await?;
    is_out(scene, &other.0).await?;
    assert!(session(scene, &customer, PASSWORD).await?.is_err(), "the old password is good");
    let new = session(scene, &customer, "incorrect horse battery staple").await?.context("the new one")?;

    let leaving = async || {
        let request = testkit::as_user(&new.0, LogoutRequest {});
        let request = request.map_err(|error| tonic::Status::aborted(error.to_string()))?;
        scene.clients.identity().logout(request).await
    };
    // Who was not told that it worked, and repeats it, has no session any more.
    if let Err(status) = scene.clients.answered("Logout", leaving).await? {
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    }
    is_out(scene, &new.0).await
}

/// Access token and refresh token.
async fn session(
    scene: &Scene<'_>,
    customer: &Customer,
    password: &str,
) -> Result<Result<(String, String), tonic::Status>> {
    let request = AuthenticateUserRequest { email: customer.email.clone(), password: password.to_owned() };
    let call = async || scene.clients.identity().authenticate_user(request.clone()).await;
    let answer = scene.clients.answered("AuthenticateUser", call).await?;
    Ok(answer.map(|session| (session.access_token, session.refresh_token)))
}

/// Waits until order, which knows of sessions only what it hears, refuses a token.
async fn is_out(scene: &Scene<'_>, token: &str) -> Result<()> {
    eventually("the session has ended everywhere", SOON, async || {
        let request = testkit::as_user(token, GetOrderHistoryRequest::default()).ok()?;
        let refused = scene.clients.order().get_order_history(request).await.err()?;
        (refused.code() == Code::Unauthenticated).then_some(())
    })
    .await
}

/// Roles come and go, and the key that tokens are signed with is replaced.
pub(crate) async fn staff(scene: &Scene<'_>) -> Result<()> {
    let customer = scene.shop.customer(0).await?;
    let (user_id, role) = (customer.user_id.clone(), "shop_owner".to_owned());
    let request = GrantRoleRequest { user_id: user_id.clone(), role: role.clone() };
    let user =
        told(&scene.admin, request, async |request| scene.clients.identity().grant_role(request).await)
            .await?;
    assert!(user.roles.contains(&role), "{user:?}");
    let request = RevokeRoleRequest { user_id: user_id.clone(), role: role.clone() };
    told(&scene.admin, request, async |request| scene.clients.identity().revoke_role(request).await).await?;
    let request = GetUserRequest { user_id, email: String::new() };
    let get = async |request| scene.clients.identity().get_user(request).await;
    assert!(!told(&scene.admin, request, get).await?.roles.contains(&role), "the role is back");

    let request = RotateSigningKeyRequest { request_id: new_request_id() };
    let rotate = async |request| scene.clients.identity().rotate_signing_key(request).await;
    let key = told(&scene.admin, request.clone(), rotate).await?.kid;
    assert_eq!(told(&scene.admin, request, rotate).await?.kid, key, "rotated twice");
    Ok(())
}

/// Somebody with orders and a shop leaves for good.
pub(crate) async fn leaves(scene: &Scene<'_>) -> Result<()> {
    let customer = scene.shop.customer(10_000).await?;
    let order_id = scene.confirmed(&customer, 1).await?;
    scene.ship(&order_id).await?;
    scene.hire(&customer).await?;

    let request = DeleteUserRequest { user_id: String::new(), current_password: PASSWORD.to_owned() };
    let answer =
        customer.ask(request, async |request| scene.clients.identity().delete_user(request).await).await?;
    // Who was not told that it worked, and repeats it, is nobody any more.
    if let Err(status) = answer {
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    }
    let get = async |request| scene.clients.identity().get_user(request).await;
    let request = GetUserRequest { user_id: customer.user_id.clone(), email: String::new() };
    let gone = scene.admin.ask(request, get).await?.err().context("the deleted user is back")?;
    assert_eq!(gone.code(), Code::NotFound, "{gone:?}");
    becomes(&scene.admin, &order_id, "nobody's", |order| order.customer_name.is_empty()).await?;
    scene.is_no_member(&customer.user_id).await
}

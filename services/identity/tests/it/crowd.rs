use anyhow::{Result, bail, ensure};
use futures::future::try_join_all;
use proto::identity::v1::{
    Address, AuthenticateUserResponse, ChangePasswordRequest, DeleteAddressRequest, DeleteUserRequest,
    LogoutRequest, RefreshTokenRequest, RevokeRoleRequest, SetDefaultAddressRequest, UpdateAddressRequest,
    UpdateUserRequest,
};
use testkit::as_user;
use tonic::{Code, Status};

use crate::desk::{Client, Desk, PASSWORD, Reader, address, mask, sign_in};

const ROUNDS: usize = 6;

/// Refusals tell the caller something about the state that they found; nobody is in anybody's way.
fn is_understood<T>(answer: Result<T, Status>) -> Result<()> {
    if let Err(status) = answer {
        let refusals = [
            Code::Unauthenticated,
            Code::NotFound,
            Code::FailedPrecondition,
            Code::PermissionDenied,
            // One user's passwords are checked few at once.
            Code::ResourceExhausted,
        ];
        ensure!(refusals.contains(&status.code()), "{status:?}");
    }
    Ok(())
}

async fn grant_and_revoke(desk: &Desk, admin: &Reader, user: &Reader) -> Result<()> {
    let mut client = desk.client.clone();
    for _ in 0..ROUNDS {
        desk.grant(admin, user.id, "shop_owner").await?;
        let request = RevokeRoleRequest { user_id: user.id.to_string(), role: "shop_owner".to_owned() };
        client.revoke_role(as_user(&admin.token, request)?).await?;
    }
    Ok(())
}

/// Somebody may be changing the password to itself in the very moment.
async fn sign_in_anew(client: &Client) -> Result<AuthenticateUserResponse, Status> {
    let attempt = async || client.clone().authenticate_user(sign_in("ada@example.org", PASSWORD)).await;
    for _ in 0..8 {
        if let Ok(answer) = attempt().await {
            return Ok(answer.into_inner());
        }
    }
    Ok(attempt().await?.into_inner())
}

/// Goes on with the session, and signs in anew where it has ended.
async fn go_on(mut client: Client, mut user: Reader, name: usize) -> Result<()> {
    for round in 0..ROUNDS {
        let refresh_token = user.refresh_token.clone();
        let request = RefreshTokenRequest { request_id: format!("r-{name}-{round}"), refresh_token };
        let answer = match client.refresh_token(request).await {
            Err(status) if status.code() == Code::Unauthenticated => sign_in_anew(&client).await?,
            answer => answer?.into_inner(),
        };
        user = crate::desk::reader(answer)?;
        let rename = UpdateUserRequest {
            display_name: format!("Ada {round}"),
            update_mask: Some(mask(&["display_name"])),
            ..UpdateUserRequest::default()
        };
        is_understood(client.update_user(as_user(&user.token, rename)?).await)?;
        let same = ChangePasswordRequest {
            current_password: PASSWORD.to_owned(),
            new_password: PASSWORD.to_owned(),
        };
        is_understood(client.change_password(as_user(&user.token, same)?).await)?;
        if round % 3 == 2 {
            is_understood(client.logout(as_user(&user.token, LogoutRequest {})?).await)?;
        }
    }
    Ok(())
}

async fn move_about(mut client: Client, token: String, homes: Vec<Address>) -> Result<()> {
    for Address { address_id, .. } in homes {
        let choose = SetDefaultAddressRequest { address_id: address_id.clone() };
        is_understood(client.set_default_address(as_user(&token, choose)?).await)?;
        let update = UpdateAddressRequest {
            address_id: address_id.clone(),
            city: "Bath".to_owned(),
            update_mask: Some(mask(&["city"])),
            ..UpdateAddressRequest::default()
        };
        is_understood(client.update_address(as_user(&token, update)?).await)?;
        is_understood(client.delete_address(as_user(&token, DeleteAddressRequest { address_id })?).await)?;
    }
    Ok(())
}

#[tokio::test]
async fn whatever_is_done_to_a_user_at_once_nobody_waits_in_a_circle() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let (ada, replica) = (desk.reader("ada@example.org").await?, desk.replica().await?);
    let mut homes = Vec::new();
    for index in 0..ROUNDS {
        let request = as_user(&ada.token, address(&format!("a-{index}")))?;
        homes.push(desk.client.clone().create_address(request).await?.into_inner());
    }
    let mut sessions = Vec::new();
    for name in 0..4 {
        let client = if name % 2 == 0 { &desk.client } else { &replica.client };
        sessions.push(go_on(client.clone(), desk.sign_in("ada@example.org").await?, name));
    }
    let moves = [&desk.client, &replica.client]
        .map(|client| move_about(client.clone(), ada.token.clone(), homes.clone()));
    tokio::try_join!(grant_and_revoke(&desk, &admin, &ada), try_join_all(sessions), try_join_all(moves))?;

    // And in the middle of it all the user is gone.
    let mut sessions = Vec::new();
    for name in 4..8 {
        sessions.push(go_on(replica.client.clone(), desk.sign_in("ada@example.org").await?, name));
    }
    let delete = async {
        let request = DeleteUserRequest { user_id: ada.id.to_string(), current_password: String::new() };
        desk.client.clone().delete_user(as_user(&admin.token, request)?).await?;
        anyhow::Ok(())
    };
    let (sessions, deleted) = tokio::join!(futures::future::join_all(sessions), delete);
    deleted?;
    for session in sessions {
        // At the latest when it signed in anew.
        let Err(error) = session else { bail!("still signed in") };
        assert_eq!(error.downcast::<Status>()?.code(), Code::Unauthenticated);
    }
    assert_eq!(desk.count("users").await?, 1);
    assert_eq!(desk.count("sessions").await? + desk.count("refresh_tokens").await?, 2);
    Ok(())
}

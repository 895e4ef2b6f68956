use anyhow::Result;
use proto::identity::v1::{
    AccessChanged, DeleteUserRequest, GetContactRequest, RefreshTokenRequest, UserDeleted,
};
use testkit::{as_user, eventually};
use tonic::Code;
use values::UserId;

use crate::desk::{
    Desk, PASSWORD, Reader, SOON, address, events, refused, registration, sign_in, whoami, wrong_fields,
};

fn oneself(password: &str) -> DeleteUserRequest {
    DeleteUserRequest { user_id: String::new(), current_password: password.to_owned() }
}

fn other(user: UserId) -> DeleteUserRequest {
    DeleteUserRequest { user_id: user.to_string(), current_password: String::new() }
}

async fn delete(desk: &Desk, by: &Reader, request: DeleteUserRequest) -> Result<(), tonic::Status> {
    let request = as_user(&by.token, request).map_err(|error| tonic::Status::unknown(error.to_string()))?;
    desk.client.clone().delete_user(request).await.map(drop)
}

/// Nothing of the user is left but that they were there.
async fn assert_forgotten(desk: &Desk, user: UserId) -> Result<()> {
    let user = user.uuid();
    for what in
        ["users WHERE id", "addresses WHERE user_id", "sessions WHERE user_id", "user_roles WHERE user_id"]
    {
        assert_eq!(desk.count(&format!("{what} = '{user}'")).await?, 0, "{what}");
    }
    assert_eq!(
        desk.count(&format!("audit_log WHERE action = 'USER_DELETED' AND user_id = '{user}'")).await?,
        1
    );
    Ok(())
}

#[tokio::test]
async fn a_user_deletes_themselves_with_all_that_is_theirs_and_the_others_learn_of_it() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, replica) = (desk.client.clone(), desk.replica().await?);
    let (ada, grace) = (desk.reader("ada@example.org").await?, desk.reader("grace@example.org").await?);
    let phone = desk.sign_in("ada@example.org").await?;
    client.create_address(as_user(&ada.token, address("a-1"))?).await?;
    for wrong in ["", "wrong horse battery"] {
        let answer = delete(&desk, &ada, oneself(wrong)).await;
        assert_eq!(refused(answer, Code::FailedPrecondition)?, "WRONG_PASSWORD");
    }

    delete(&desk, &ada, oneself(PASSWORD)).await?;
    assert_forgotten(&desk, ada.id).await?;
    for token in [&ada.token, &phone.token] {
        assert_eq!(refused(whoami(&client, token).await, Code::Unauthenticated)?, "SESSION_REVOKED");
        let refusal = eventually("another replica refuses it", SOON, async || {
            whoami(&replica.client, token).await.err().filter(|status| status.code() == Code::Unauthenticated)
        });
        refusal.await?;
    }
    let request =
        RefreshTokenRequest { request_id: "r-1".to_owned(), refresh_token: ada.refresh_token.clone() };
    assert_eq!(refused(client.refresh_token(request).await, Code::Unauthenticated)?, "REFRESH_TOKEN_INVALID");
    let answer = client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await;
    assert_eq!(refused(answer, Code::Unauthenticated)?, "WRONG_CREDENTIALS");
    let contact = GetContactRequest { user_id: ada.id.to_string() };
    assert_eq!(
        refused(desk.client_as("notification")?.get_contact(contact).await, Code::NotFound)?,
        "USER_NOT_FOUND"
    );

    let deleted = events::<UserDeleted>(&desk.broker, 1).await?;
    assert_eq!((deleted.len(), deleted[0].event.user_id.clone()), (1, ada.id.to_string()));
    assert_eq!(deleted[0].aggregate_id, ada.id.to_string());
    assert_eq!(events::<AccessChanged>(&desk.broker, 1).await?[0].event.least_version, 2);

    whoami(&client, &grace.token).await?;
    let again = client.create_user(registration("r-2", "ada@example.org")).await?.into_inner();
    assert_ne!(again.user_id, ada.id.to_string());
    Ok(())
}

#[tokio::test]
async fn staff_delete_any_user_and_find_it_done_afterwards() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let ada = desk.reader("ada@example.org").await?;
    delete(&desk, &admin, other(ada.id)).await?;
    assert_forgotten(&desk, ada.id).await?;
    delete(&desk, &admin, other(ada.id)).await?;
    assert_forgotten(&desk, ada.id).await?;
    assert_eq!(desk.count("outbox WHERE subject = 'bookstore.identity.v1.user_deleted'").await?, 1);

    let never = delete(&desk, &admin, other(UserId::new())).await;
    assert_eq!(refused(never, Code::NotFound)?, "USER_NOT_FOUND");
    let malformed = DeleteUserRequest { user_id: "ada".to_owned(), current_password: "x".repeat(129) };
    assert_eq!(wrong_fields(delete(&desk, &admin, malformed).await)?, ["user_id", "current_password"]);
    Ok(())
}

#[tokio::test]
async fn who_may_not_delete_users_finds_none_but_themselves() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let (ada, grace) = (desk.reader("ada@example.org").await?, desk.reader("grace@example.org").await?);
    delete(&desk, &admin, other(grace.id)).await?;
    for user in [admin.id, grace.id, UserId::new()] {
        let request = DeleteUserRequest { current_password: PASSWORD.to_owned(), ..other(user) };
        assert_eq!(refused(delete(&desk, &ada, request).await, Code::NotFound)?, "USER_NOT_FOUND");
    }
    // Named or not.
    delete(&desk, &ada, DeleteUserRequest { user_id: ada.id.to_string(), ..oneself(PASSWORD) }).await?;
    assert_forgotten(&desk, ada.id).await
}

#[tokio::test]
async fn an_admin_who_was_dismissed_deletes_nobody_where_that_is_not_known_yet() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let (dismissed, ada) = (desk.reader("eve@example.org").await?, desk.reader("ada@example.org").await?);
    desk.grant(&admin, dismissed.id, "admin").await?;
    let (dismissed, replica) = (desk.sign_in("eve@example.org").await?, desk.replica().await?);
    desk.broker.stop().await?;
    let request = proto::identity::v1::RevokeRoleRequest {
        user_id: dismissed.id.to_string(),
        role: "admin".to_owned(),
    };
    desk.client.clone().revoke_role(as_user(&admin.token, request)?).await?;
    let answer = replica.client.clone().delete_user(as_user(&dismissed.token, other(ada.id))?).await;
    assert_eq!(refused(answer, Code::PermissionDenied)?, "PERMISSION_MISSING");
    assert_eq!(desk.count("users").await?, 3);
    Ok(())
}

#[tokio::test]
async fn the_last_admin_cannot_be_deleted_however_many_go_at_once() -> Result<()> {
    let (desk, first) = Desk::open_with_admin().await?;
    let mut admins = vec![first.clone()];
    for index in 0..3 {
        let email = format!("admin-{index}@example.org");
        let user = desk.reader(&email).await?;
        desk.grant(&first, user.id, "admin").await?;
        admins.push(desk.sign_in(&email).await?);
    }
    let mut calls = Vec::new();
    for admin in admins {
        let (mut client, request) = (desk.client.clone(), as_user(&admin.token, oneself(PASSWORD))?);
        calls.push(tokio::spawn(async move { client.delete_user(request).await }));
    }
    let mut refusals = Vec::new();
    for call in calls {
        if let Err(status) = call.await? {
            refusals.push(refused(Err::<(), _>(status), Code::FailedPrecondition)?);
        }
    }
    assert_eq!(refusals, ["LAST_ADMIN"]);
    assert_eq!(desk.count("user_roles WHERE role = 'admin'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn many_windows_delete_a_user_once() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    let mut calls = Vec::new();
    for _ in 0..8 {
        let (mut client, request) = (desk.client.clone(), as_user(&ada.token, oneself(PASSWORD))?);
        calls.push(tokio::spawn(async move { client.delete_user(request).await }));
    }
    for call in calls {
        match call.await? {
            Err(status) if status.code() == Code::ResourceExhausted => {
                assert_eq!(
                    refused(Err::<(), _>(status), Code::ResourceExhausted)?,
                    "TOO_MANY_PASSWORD_CHECKS"
                );
            }
            Err(status) => {
                assert_eq!(refused(Err::<(), _>(status), Code::Unauthenticated)?, "SESSION_REVOKED");
            }
            Ok(_) => {}
        }
    }
    assert_forgotten(&desk, ada.id).await?;
    assert_eq!(desk.count("outbox WHERE subject = 'bookstore.identity.v1.user_deleted'").await?, 1);
    Ok(())
}

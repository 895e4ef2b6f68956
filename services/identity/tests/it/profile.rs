use anyhow::Result;
use proto::identity::v1::{ProfileUpdated, UpdateUserRequest};
use testkit::as_user;
use tonic::Code;

use crate::desk::{Desk, PASSWORD, events, mask, refused, registration, sign_in, whoami, wrong_fields};

fn rename(display_name: &str) -> UpdateUserRequest {
    UpdateUserRequest {
        display_name: display_name.to_owned(),
        update_mask: Some(mask(&["display_name"])),
        ..UpdateUserRequest::default()
    }
}

fn change_email(email: &str, password: &str) -> UpdateUserRequest {
    UpdateUserRequest {
        email: email.to_owned(),
        current_password: password.to_owned(),
        update_mask: Some(mask(&["email"])),
        ..UpdateUserRequest::default()
    }
}

#[tokio::test]
async fn a_user_is_called_something_else_stays_signed_in_and_the_others_learn_of_it() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let before = whoami(&client, &ada.token).await?;

    // What the mask doesn't name isn't looked at.
    let request = UpdateUserRequest { email: "no address".to_owned(), ..rename(" Countess of Lovelace ") };
    let after = client.update_user(as_user(&ada.token, request)?).await?.into_inner();
    assert_eq!(after.display_name, "Countess of Lovelace");
    assert_eq!(after.email, before.email);
    assert_ne!(after.etag, before.etag);
    assert_eq!(whoami(&client, &ada.token).await?, after);

    let told = events::<ProfileUpdated>(&desk.broker, 1).await?;
    assert_eq!(told[0].event.user_id, ada.id.to_string());
    assert_eq!((told[0].aggregate_id.as_str(), told[0].sequence), (ada.id.to_string().as_str(), 2));
    Ok(())
}

#[tokio::test]
async fn a_change_that_is_made_already_changes_nothing() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let before = whoami(&client, &ada.token).await?;
    let request = UpdateUserRequest { etag: before.etag, ..rename("Ada King") };
    let first = client.update_user(as_user(&ada.token, request.clone())?).await?.into_inner();
    let again = client.update_user(as_user(&ada.token, request)?).await?.into_inner();
    assert_eq!(first, again);
    let same_address = client.update_user(as_user(&ada.token, change_email("ada@example.org", ""))?).await?;
    assert_eq!(same_address.into_inner(), first);
    assert_eq!(desk.count("outbox WHERE subject = 'bookstore.identity.v1.profile_updated'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn another_address_to_sign_in_with_takes_the_password() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    for wrong in ["", "wrong horse battery"] {
        let answer = client.update_user(as_user(&ada.token, change_email("king@example.org", wrong))?).await;
        assert_eq!(refused(answer, Code::FailedPrecondition)?, "WRONG_PASSWORD");
    }
    client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await?;

    let changed =
        client.update_user(as_user(&ada.token, change_email(" King@Example.org", PASSWORD))?).await?;
    assert_eq!(changed.into_inner().email, "King@Example.org");
    client.authenticate_user(sign_in("king@example.org", PASSWORD)).await?;
    let old = client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await;
    assert_eq!(refused(old, Code::Unauthenticated)?, "WRONG_CREDENTIALS");
    // The old one is free.
    let other = client.create_user(registration("r-2", "ada@example.org")).await?.into_inner();
    assert_ne!(other.user_id, ada.id.to_string());
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_taken_stays_whose_it_is_however_it_is_spelled() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let grace = desk.reader("grace@example.org").await?;
    let request = UpdateUserRequest {
        display_name: "Thief".to_owned(),
        update_mask: Some(mask(&["email", "display_name"])),
        ..change_email("GRACE@example.org", PASSWORD)
    };
    let answer = client.update_user(as_user(&ada.token, request)?).await;
    assert_eq!(refused(answer, Code::AlreadyExists)?, "EMAIL_TAKEN");
    assert_eq!(whoami(&client, &ada.token).await?.display_name, "Ada Lovelace");
    assert_eq!(whoami(&client, &grace.token).await?.email, "grace@example.org");
    Ok(())
}

#[tokio::test]
async fn of_many_who_read_the_same_state_one_changes_it() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    let etag = whoami(&desk.client, &ada.token).await?.etag;
    let mut calls = Vec::new();
    for index in 0..8 {
        let request = UpdateUserRequest { etag: etag.clone(), ..rename(&format!("Ada {index}")) };
        let (mut client, request) = (desk.client.clone(), as_user(&ada.token, request)?);
        calls.push(tokio::spawn(async move { client.update_user(request).await }));
    }
    let mut made = 0;
    for call in calls {
        match call.await? {
            Ok(_) => made += 1,
            refusal => assert_eq!(refused(refusal, Code::Aborted)?, "ETAG_MISMATCH"),
        }
    }
    assert_eq!(made, 1);
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_is_named() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let wrong = UpdateUserRequest {
        display_name: " ".to_owned(),
        email: "ada".to_owned(),
        current_password: "x".repeat(129),
        update_mask: Some(mask(&["email", "display_name"])),
        ..UpdateUserRequest::default()
    };
    let all = ["display_name", "email", "current_password"];
    assert_eq!(wrong_fields(client.update_user(as_user(&ada.token, wrong)?).await)?, all);
    for paths in [&[][..], &["user_id"], &["display_name", "roles"], &["*"]] {
        let request = UpdateUserRequest { update_mask: Some(mask(paths)), ..rename("Ada") };
        let answer = client.update_user(as_user(&ada.token, request)?).await;
        assert_eq!(wrong_fields(answer)?, ["update_mask"]);
    }
    let missing = UpdateUserRequest { update_mask: None, ..rename("Ada") };
    assert_eq!(wrong_fields(client.update_user(as_user(&ada.token, missing)?).await)?, ["update_mask"]);
    Ok(())
}

#[tokio::test]
async fn nobody_changes_a_user_who_is_gone() -> Result<()> {
    let desk = Desk::open().await?;
    let request = as_user(&desk.token_of_nobody()?, rename("Nobody"))?;
    let answer = desk.client.clone().update_user(request).await;
    assert_eq!(refused(answer, Code::Unauthenticated)?, "USER_UNKNOWN");
    Ok(())
}

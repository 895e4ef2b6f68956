use anyhow::Result;
use proto::identity::v1::GetUserRequest;
use testkit::as_user;
use tonic::Code;
use values::{OrderId, UserId};

use crate::desk::{Desk, reason, refused, status_of, wrong_fields};

fn by_email(email: &str) -> GetUserRequest {
    GetUserRequest { user_id: String::new(), email: email.to_owned() }
}

fn user(id: impl Into<String>) -> GetUserRequest {
    GetUserRequest { user_id: id.into(), email: String::new() }
}

#[tokio::test]
async fn users_read_themselves_by_id_or_by_none() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let unnamed = client.get_user(as_user(&ada.token, user(""))?).await?.into_inner();
    let named = client.get_user(as_user(&ada.token, user(ada.id.to_string()))?).await?.into_inner();
    assert_eq!(unnamed, named);
    assert_eq!((named.user_id, named.email), (ada.id.to_string(), "ada@example.org".to_owned()));
    Ok(())
}

#[tokio::test]
async fn another_user_is_not_found_whether_there_is_one_or_not() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let grace = desk.reader("grace@example.org").await?;
    for other in [grace.id, UserId::new()] {
        let answer = client.get_user(as_user(&ada.token, user(other.to_string()))?).await;
        assert_eq!(refused(answer, Code::NotFound)?, "USER_NOT_FOUND");
    }
    Ok(())
}

#[tokio::test]
async fn users_find_themselves_by_their_address_and_nobody_else() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    desk.reader("grace@example.org").await?;
    let own = client.get_user(as_user(&ada.token, by_email(" ADA@example.org"))?).await?.into_inner();
    assert_eq!((own.user_id, own.roles), (ada.id.to_string(), vec!["customer".to_owned()]));

    let mut told = Vec::new();
    for other in ["grace@example.org", "nobody@example.org"] {
        let status = status_of(client.get_user(as_user(&ada.token, by_email(other))?).await)?;
        assert_eq!(reason(&status, Code::NotFound)?, "USER_NOT_FOUND");
        assert!(!String::from_utf8_lossy(status.details()).contains("@example.org"));
        told.push((status.message().to_owned(), status.details().to_vec()));
    }
    assert_eq!(told[0], told[1]);
    Ok(())
}

#[tokio::test]
async fn who_may_read_users_finds_them_by_id_and_by_address() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    for named in [user(ada.id.to_string()), by_email("Ada@example.org")] {
        let found = client.get_user(as_user(&admin.token, named)?).await?.into_inner();
        assert_eq!((found.user_id, found.email), (ada.id.to_string(), "ada@example.org".to_owned()));
        assert_eq!(found.roles, ["customer"]);
    }
    for nobody in [user(UserId::new().to_string()), by_email("nobody@example.org")] {
        let answer = client.get_user(as_user(&admin.token, nobody)?).await;
        assert_eq!(refused(answer, Code::NotFound)?, "USER_NOT_FOUND");
    }
    Ok(())
}

#[tokio::test]
async fn a_user_is_named_in_one_way() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let both = GetUserRequest { user_id: ada.id.to_string(), email: "ada@example.org".to_owned() };
    assert_eq!(wrong_fields(client.get_user(as_user(&ada.token, both)?).await)?, ["user_id", "email"]);
    let answer = client.get_user(as_user(&ada.token, by_email("ada at example.org"))?).await;
    assert_eq!(wrong_fields(answer)?, ["email"]);
    Ok(())
}

#[tokio::test]
async fn a_user_who_is_gone_is_not_found_even_with_a_valid_token() -> Result<()> {
    let desk = Desk::open().await?;
    let request = as_user(&desk.token_of_nobody()?, user(""))?;
    let answer = desk.client.clone().get_user(request).await;
    refused(answer, Code::NotFound)?;
    Ok(())
}

#[tokio::test]
async fn what_is_no_users_id_is_named() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    for id in ["usr_1".to_owned(), OrderId::new().to_string(), "x".repeat(10_000)] {
        let answer = client.get_user(as_user(&ada.token, user(id))?).await;
        assert_eq!(wrong_fields(answer)?, ["user_id"]);
    }
    Ok(())
}

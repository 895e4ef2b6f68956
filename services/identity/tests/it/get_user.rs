use anyhow::Result;
use proto::identity::v1::GetUserRequest;
use testkit::as_user;
use tonic::Code;
use values::{OrderId, UserId};

use crate::desk::{Desk, refused, wrong_fields};

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

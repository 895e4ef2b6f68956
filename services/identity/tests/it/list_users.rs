use anyhow::Result;
use proto::identity::v1::{ListUsersRequest, User};
use testkit::as_user;
use tonic::Code;

use crate::desk::{ADMIN, Desk, Reader, refused, wrong_fields};

fn page(page_size: i32, page_token: &str, role: &str) -> ListUsersRequest {
    ListUsersRequest { page_size, page_token: page_token.to_owned(), role: role.to_owned() }
}

/// All pages, and how long each was.
async fn all(desk: &Desk, admin: &Reader, size: i32, role: &str) -> Result<(Vec<User>, Vec<usize>)> {
    let (mut users, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let request = as_user(&admin.token, page(size, &token, role))?;
        let answer = desk.client.clone().list_users(request).await?.into_inner();
        sizes.push(answer.users.len());
        users.extend(answer.users);
        token = answer.next_page_token;
        if token.is_empty() {
            return Ok((users, sizes));
        }
    }
}

fn emails(users: &[User]) -> Vec<&str> {
    users.iter().map(|user| user.email.as_str()).collect()
}

#[tokio::test]
async fn staff_see_all_users_the_oldest_first_and_those_of_a_role() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let registered = ["ada@example.org", "grace@example.org", "mary@example.org", "emmy@example.org"];
    for email in registered {
        let user = desk.reader(email).await?;
        if email != "mary@example.org" {
            desk.grant(&admin, user.id, "shop_owner").await?;
        }
    }
    let (users, sizes) = all(&desk, &admin, 2, "").await?;
    assert_eq!(emails(&users), [&[ADMIN][..], &registered].concat());
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(users[1].roles, ["customer", "shop_owner"]);

    let (owners, sizes) = all(&desk, &admin, 2, "shop_owner").await?;
    assert_eq!(emails(&owners), ["ada@example.org", "grace@example.org", "emmy@example.org"]);
    assert_eq!(sizes, [2, 1]);
    assert!(all(&desk, &admin, 2, "emperor").await?.0.is_empty());
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_with_a_page_is_named() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    desk.reader("ada@example.org").await?;
    let mut client = desk.client.clone();
    let answer = client.list_users(as_user(&admin.token, page(-1, "made up", "Shop owner"))?).await;
    assert_eq!(wrong_fields(answer)?, ["page_size", "page_token", "role"]);
    let token = client.list_users(as_user(&admin.token, page(1, "", "customer"))?).await?;
    let token = token.into_inner().next_page_token;
    let answer = client.list_users(as_user(&admin.token, page(1, &token, ""))?).await;
    assert_eq!(wrong_fields(answer)?, ["page_token"]);
    Ok(())
}

#[tokio::test]
async fn customers_see_no_list_of_users() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    let answer = desk.client.clone().list_users(as_user(&ada.token, page(0, "", ""))?).await;
    assert_eq!(refused(answer, Code::PermissionDenied)?, "PERMISSION_MISSING");
    Ok(())
}

use anyhow::Result;
use proto::identity::v1::{CreateAddressRequest, GetAddressRequest, ListAddressesRequest};
use testkit::as_user;
use tonic::Code;
use values::AddressId;

use crate::desk::{Desk, address, refused, wrong_fields};

fn page(page_size: i32, page_token: &str) -> ListAddressesRequest {
    ListAddressesRequest { page_size, page_token: page_token.to_owned() }
}

fn by_id(id: impl Into<String>) -> GetAddressRequest {
    GetAddressRequest { address_id: id.into() }
}

#[tokio::test]
async fn a_stored_address_can_be_read() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let stored = client.create_address(as_user(&ada.token, address("a-1"))?).await?.into_inner();
    assert!(stored.address_id.starts_with("adr_"));
    assert_eq!(stored.lines, address("a-1").lines);
    assert_eq!((stored.country_code.as_str(), stored.region.as_str()), ("GB", ""));
    let read = client.get_address(as_user(&ada.token, by_id(&stored.address_id))?).await?.into_inner();
    assert_eq!(read, stored);
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once_and_nothing_is_written() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);

    let missing = client.create_address(as_user(&ada.token, CreateAddressRequest::default())?).await;
    assert_eq!(wrong_fields(missing)?, ["request_id", "recipient", "lines", "city", "country_code"]);

    let oversized = CreateAddressRequest {
        request_id: "x".repeat(65),
        recipient: "x".repeat(101),
        lines: vec!["x".repeat(101), "fine".to_owned(), " ".to_owned()],
        city: "x".repeat(101),
        region: "x".repeat(101),
        postal_code: "x".repeat(17),
        country_code: "GBR".to_owned(),
    };
    let all =
        ["request_id", "recipient", "lines[0]", "lines[2]", "city", "region", "postal_code", "country_code"];
    assert_eq!(wrong_fields(client.create_address(as_user(&ada.token, oversized)?).await)?, all);

    let many = CreateAddressRequest {
        lines: vec!["line".to_owned(); 4],
        country_code: "ZZ".to_owned(),
        ..address("a-1")
    };
    let answer = client.create_address(as_user(&ada.token, many)?).await;
    assert_eq!(wrong_fields(answer)?, ["lines", "country_code"]);
    assert_eq!(desk.count("addresses").await?, 0);
    Ok(())
}

#[tokio::test]
async fn the_same_request_makes_one_address_and_another_one_with_its_id_none() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let first = client.create_address(as_user(&ada.token, address("a-1"))?).await?.into_inner();
    let again = CreateAddressRequest { city: " London ".to_owned(), ..address("a-1") };
    assert_eq!(client.create_address(as_user(&ada.token, again)?).await?.into_inner(), first);

    let moved = CreateAddressRequest { city: "Bath".to_owned(), ..address("a-1") };
    let answer = client.create_address(as_user(&ada.token, moved)?).await;
    assert_eq!(refused(answer, Code::AlreadyExists)?, "REQUEST_ID_REUSED");
    assert_eq!(desk.count("addresses").await?, 1);
    Ok(())
}

#[tokio::test]
async fn the_same_request_from_many_callers_at_once_makes_one_address() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    let mut calls = Vec::new();
    for _ in 0..32 {
        let (mut client, request) = (desk.client.clone(), as_user(&ada.token, address("a-1"))?);
        calls.push(tokio::spawn(async move { client.create_address(request).await }));
    }
    let mut made = Vec::new();
    for call in calls {
        made.push(call.await??.into_inner());
    }
    assert!(made.iter().all(|address| *address == made[0]));
    assert_eq!(desk.count("addresses").await?, 1);
    Ok(())
}

#[tokio::test]
async fn two_users_may_choose_the_same_request_id() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let grace = desk.reader("grace@example.org").await?;
    let adas = client.create_address(as_user(&ada.token, address("a-1"))?).await?.into_inner();
    let graces = client.create_address(as_user(&grace.token, address("a-1"))?).await?.into_inner();
    assert_ne!(adas.address_id, graces.address_id);
    Ok(())
}

#[tokio::test]
async fn another_users_address_is_not_found() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let grace = desk.reader("grace@example.org").await?;
    let adas = client.create_address(as_user(&ada.token, address("a-1"))?).await?.into_inner();

    for id in [adas.address_id, AddressId::new().to_string()] {
        let answer = client.get_address(as_user(&grace.token, by_id(id))?).await;
        assert_eq!(refused(answer, Code::NotFound)?, "ADDRESS_NOT_FOUND");
    }
    let listed = client.list_addresses(as_user(&grace.token, page(0, ""))?).await?.into_inner();
    assert!(listed.addresses.is_empty());
    Ok(())
}

#[tokio::test]
async fn pages_hold_all_addresses_once_the_oldest_first() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let mut stored = Vec::new();
    for index in 0..5 {
        let request = as_user(&ada.token, address(&format!("a-{index}")))?;
        stored.push(client.create_address(request).await?.into_inner());
    }
    let (mut listed, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let answer = client.list_addresses(as_user(&ada.token, page(2, &token))?).await?.into_inner();
        sizes.push(answer.addresses.len());
        listed.extend(answer.addresses);
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(listed, stored);
    let whole = client.list_addresses(as_user(&ada.token, page(5, ""))?).await?.into_inner();
    assert_eq!((whole.addresses.len(), whole.next_page_token.as_str()), (5, ""));
    Ok(())
}

#[tokio::test]
async fn a_page_that_cannot_be_is_named() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let grace = desk.reader("grace@example.org").await?;
    for index in 0..2 {
        client.create_address(as_user(&ada.token, address(&format!("a-{index}")))?).await?;
    }
    let both = client.list_addresses(as_user(&ada.token, page(-1, "made up"))?).await;
    assert_eq!(wrong_fields(both)?, ["page_size", "page_token"]);

    let adas = client.list_addresses(as_user(&ada.token, page(1, ""))?).await?.into_inner().next_page_token;
    let answer = client.list_addresses(as_user(&grace.token, page(1, &adas))?).await;
    assert_eq!(wrong_fields(answer)?, ["page_token"]);
    Ok(())
}

#[tokio::test]
async fn what_is_no_addresss_id_is_named() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    for id in [String::new(), "adr_".to_owned(), ada.id.to_string()] {
        let answer = client.get_address(as_user(&ada.token, by_id(id))?).await;
        assert_eq!(wrong_fields(answer)?, ["address_id"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_user_who_is_gone_has_no_addresses() -> Result<()> {
    let desk = Desk::open().await?;
    let request = as_user(&desk.token_of_nobody()?, address("a-1"))?;
    refused(desk.client.clone().create_address(request).await, Code::Unauthenticated)?;
    Ok(())
}

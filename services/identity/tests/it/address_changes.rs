use anyhow::Result;
use proto::identity::v1::{
    Address, AddressChanged, DeleteAddressRequest, GetAddressRequest, ListAddressesRequest,
    SetDefaultAddressRequest, UpdateAddressRequest,
};
use testkit::{as_user, eventually};
use tonic::Code;
use values::AddressId;

use crate::desk::{Desk, Reader, SOON, address, events, mask, refused, wrong_fields};

async fn stored(desk: &Desk, reader: &Reader, request_id: &str) -> Result<Address> {
    Ok(desk.client.clone().create_address(as_user(&reader.token, address(request_id))?).await?.into_inner())
}

async fn listed(desk: &Desk, reader: &Reader) -> Result<Vec<Address>> {
    let request = as_user(&reader.token, ListAddressesRequest::default())?;
    Ok(desk.client.clone().list_addresses(request).await?.into_inner().addresses)
}

/// Which of the reader's addresses is the default, by its place in the list. There must be one.
async fn default_of(desk: &Desk, reader: &Reader) -> Result<usize> {
    let addresses = listed(desk, reader).await?;
    assert_eq!(addresses.iter().filter(|address| address.is_default).count(), 1);
    Ok(addresses.iter().position(|address| address.is_default).unwrap_or_default())
}

fn to_bath(address: &Address) -> UpdateAddressRequest {
    UpdateAddressRequest {
        address_id: address.address_id.clone(),
        city: " Bath ".to_owned(),
        lines: vec!["1 Royal Crescent".to_owned()],
        update_mask: Some(mask(&["city", "lines"])),
        ..UpdateAddressRequest::default()
    }
}

fn delete(address: &Address) -> DeleteAddressRequest {
    DeleteAddressRequest { address_id: address.address_id.clone() }
}

fn choose(address: &Address) -> SetDefaultAddressRequest {
    SetDefaultAddressRequest { address_id: address.address_id.clone() }
}

#[tokio::test]
async fn an_address_is_changed_where_the_mask_says_and_order_learns_of_it() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let before = stored(&desk, &ada, "a-1").await?;
    let after = client.update_address(as_user(&ada.token, to_bath(&before))?).await?.into_inner();
    let expected = Address {
        city: "Bath".to_owned(),
        lines: vec!["1 Royal Crescent".to_owned()],
        etag: after.etag.clone(),
        ..before.clone()
    };
    assert_eq!(after, expected);
    assert_ne!(after.etag, before.etag);
    assert_eq!(listed(&desk, &ada).await?, std::slice::from_ref(&after));

    let again = client.update_address(as_user(&ada.token, to_bath(&before))?).await?.into_inner();
    assert_eq!(again, after);
    let told = events::<AddressChanged>(&desk.broker, 1).await?;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].event.user_id, ada.id.to_string());
    assert_eq!(told[0].event.address_id, before.address_id);
    assert_eq!((told[0].aggregate_id.as_str(), told[0].sequence), (before.address_id.as_str(), 2));
    Ok(())
}

#[tokio::test]
async fn an_address_that_has_changed_since_it_was_read_is_not_overwritten() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let read = stored(&desk, &ada, "a-1").await?;
    let with_etag = UpdateAddressRequest { etag: read.etag.clone(), ..to_bath(&read) };
    client.update_address(as_user(&ada.token, with_etag.clone())?).await?;
    // A repeat finds it done.
    client.update_address(as_user(&ada.token, with_etag.clone())?).await?;
    let late = UpdateAddressRequest { city: "York".to_owned(), ..with_etag };
    let answer = client.update_address(as_user(&ada.token, late)?).await;
    assert_eq!(refused(answer, Code::Aborted)?, "ETAG_MISMATCH");
    assert_eq!(listed(&desk, &ada).await?[0].city, "Bath");
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_of_the_mask_is_named() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let fields = ["recipient", "lines", "city", "region", "postal_code", "country_code"];
    let wrong = UpdateAddressRequest {
        address_id: "adr_".to_owned(),
        region: "x".repeat(101),
        postal_code: "x".repeat(17),
        update_mask: Some(mask(&fields)),
        ..UpdateAddressRequest::default()
    };
    let named = [&["address_id"][..], &fields].concat();
    assert_eq!(wrong_fields(client.update_address(as_user(&ada.token, wrong)?).await)?, named);

    let home = stored(&desk, &ada, "a-1").await?;
    for paths in [&[][..], &["is_default"], &["city", ""]] {
        let request = UpdateAddressRequest { update_mask: Some(mask(paths)), ..to_bath(&home) };
        let answer = client.update_address(as_user(&ada.token, request)?).await;
        assert_eq!(wrong_fields(answer)?, ["update_mask"]);
    }
    Ok(())
}

#[tokio::test]
async fn another_users_address_is_neither_changed_nor_deleted_nor_chosen() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let grace = desk.reader("grace@example.org").await?;
    let adas = stored(&desk, &ada, "a-1").await?;
    let nobodys = Address { address_id: AddressId::new().to_string(), ..adas.clone() };
    for address in [&adas, &nobodys] {
        let answer = client.update_address(as_user(&grace.token, to_bath(address))?).await;
        assert_eq!(refused(answer, Code::NotFound)?, "ADDRESS_NOT_FOUND");
        let answer = client.set_default_address(as_user(&grace.token, choose(address))?).await;
        assert_eq!(refused(answer, Code::NotFound)?, "ADDRESS_NOT_FOUND");
        client.delete_address(as_user(&grace.token, delete(address))?).await?;
    }
    assert_eq!(listed(&desk, &ada).await?, [adas]);
    Ok(())
}

#[tokio::test]
async fn the_first_address_is_the_default_until_another_is_chosen_and_the_oldest_one_left_follows()
-> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let mut made = Vec::new();
    for index in 0..4 {
        made.push(stored(&desk, &ada, &format!("a-{index}")).await?);
        assert_eq!(made[index].is_default, index == 0);
    }
    let chosen = client.set_default_address(as_user(&ada.token, choose(&made[2]))?).await?.into_inner();
    assert!(chosen.is_default);
    assert_ne!(chosen.etag, made[2].etag);
    assert_eq!(default_of(&desk, &ada).await?, 2);
    client.set_default_address(as_user(&ada.token, choose(&made[2]))?).await?;

    client.delete_address(as_user(&ada.token, delete(&made[1]))?).await?;
    assert_eq!(default_of(&desk, &ada).await?, 1);
    client.delete_address(as_user(&ada.token, delete(&made[2]))?).await?;
    assert_eq!(default_of(&desk, &ada).await?, 0);
    for gone in [&made[1], &made[2]] {
        client.delete_address(as_user(&ada.token, delete(gone))?).await?;
        let read = GetAddressRequest { address_id: gone.address_id.clone() };
        let answer = client.get_address(as_user(&ada.token, read)?).await;
        assert_eq!(refused(answer, Code::NotFound)?, "ADDRESS_NOT_FOUND");
    }
    client.delete_address(as_user(&ada.token, delete(&made[0]))?).await?;
    assert_eq!(default_of(&desk, &ada).await?, 0);
    assert_eq!(listed(&desk, &ada).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn however_addresses_are_chosen_and_deleted_at_once_there_is_one_default() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    let mut made = Vec::new();
    for index in 0..8 {
        made.push(stored(&desk, &ada, &format!("a-{index}")).await?);
    }
    let mut calls = Vec::new();
    for address in &made[1..] {
        let (mut client, request) = (desk.client.clone(), as_user(&ada.token, choose(address))?);
        calls.push(tokio::spawn(async move { client.set_default_address(request).await.map(drop) }));
        let (mut client, request) = (desk.client.clone(), as_user(&ada.token, delete(address))?);
        calls.push(tokio::spawn(async move { client.delete_address(request).await.map(drop) }));
    }
    for call in calls {
        if let Err(status) = call.await? {
            assert_eq!(refused(Err::<(), _>(status), Code::NotFound)?, "ADDRESS_NOT_FOUND");
        }
    }
    assert_eq!(default_of(&desk, &ada).await?, 0);
    assert_eq!(listed(&desk, &ada).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_being_deleted_is_not_chosen() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    stored(&desk, &ada, "a-1").await?;
    let second = stored(&desk, &ada, "a-2").await?;
    desk.slow_down("DELETE", "addresses").await?;
    let (mut deleter, request) = (desk.client.clone(), as_user(&ada.token, delete(&second))?);
    let deletion = tokio::spawn(async move { deleter.delete_address(request).await });
    eventually("the deletion is under way", SOON, async || {
        let sleeping = "pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        (desk.count(sleeping).await.ok()? == 1).then_some(())
    })
    .await?;
    let answer = client.set_default_address(as_user(&ada.token, choose(&second))?).await;
    assert_eq!(refused(answer, Code::NotFound)?, "ADDRESS_NOT_FOUND");
    deletion.await??;
    assert_eq!(default_of(&desk, &ada).await?, 0);
    Ok(())
}

use anyhow::Result;
use prost_types::FieldMask;
use proto::inventory::v1::{self as pb, ShopMemberChanged, ShopRole};
use testkit::{eventually, published};
use tonic::Code;

use crate::harness::{Bookshop, SOON, refusal, unique, wrong_fields};

fn request(request_id: &str) -> pb::RegisterShopRequest {
    pb::RegisterShopRequest {
        request_id: request_id.to_owned(),
        name: "  Librairie Avant-Garde ".to_owned(),
        city: "Nanjing".to_owned(),
    }
}

#[tokio::test]
async fn a_new_shop_has_one_location_and_its_owner_is_told_to_others() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let user = bookshop.shop_owner()?;
    let shop = bookshop.client()?.register_shop(user.asks(request("r"))?).await?.into_inner();
    assert_eq!((shop.name.as_str(), shop.city.as_str()), ("Librairie Avant-Garde", "Nanjing"));
    assert_eq!(shop.locations.len(), 1);
    assert!(shop.create_time.is_some());

    let told = eventually("the event", SOON, async || {
        published::<ShopMemberChanged>(&bookshop.broker).await.ok()?.into_iter().next()
    })
    .await?;
    assert_eq!(told.event.shop_id, shop.shop_id);
    assert_eq!(told.event.user_id, user.id.to_string());
    assert_eq!(told.event.role(), ShopRole::Owner);
    assert_eq!((told.aggregate_id, told.sequence), (shop.shop_id, 1));
    Ok(())
}

#[tokio::test]
async fn a_repeated_request_makes_one_shop_and_another_body_is_refused() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let user = bookshop.shop_owner()?;
    let client = bookshop.client()?;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (mut client, call) = (client.clone(), user.asks(request("r"))?);
        calls.spawn(async move { client.register_shop(call).await.map(tonic::Response::into_inner) });
    }
    let mut shops = Vec::new();
    while let Some(answer) = calls.join_next().await {
        shops.push(answer??);
    }
    assert!(shops.iter().all(|shop| *shop == shops[0]));
    assert_eq!(bookshop.number("SELECT count(*) FROM shops").await?, 1);
    assert_eq!(bookshop.number("SELECT count(*) FROM outbox").await?, 1);

    let other = pb::RegisterShopRequest { city: "Paris".to_owned(), ..request("r") };
    let answer = client.clone().register_shop(user.asks(other)?).await;
    assert_eq!(refusal(answer), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));

    let somebody_else = bookshop.shop_owner()?;
    let theirs = client.clone().register_shop(somebody_else.asks(request("r"))?).await?.into_inner();
    assert_ne!(theirs.shop_id, shops[0].shop_id);
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_is_named_and_nothing_is_written() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let user = bookshop.shop_owner()?;
    let malformed = pb::RegisterShopRequest {
        request_id: "no blanks".to_owned(),
        name: "x".repeat(101),
        city: " ".to_owned(),
    };
    let answer = bookshop.client()?.register_shop(user.asks(malformed)?).await;
    assert_eq!(wrong_fields(answer), ["request_id", "name", "city"]);
    assert_eq!(bookshop.number("SELECT count(*) FROM shops").await?, 0);
    Ok(())
}

#[tokio::test]
async fn nobody_registers_a_shop_without_signing_in() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let answer = bookshop.client()?.register_shop(request(&unique("r"))).await;
    assert_eq!(refusal(answer), (Code::Unauthenticated, "SIGN_IN_REQUIRED".to_owned()));
    Ok(())
}

fn change(shop: &pb::Shop, name: &str, city: &str, mask: &[&str], etag: &str) -> pb::UpdateShopRequest {
    pb::UpdateShopRequest {
        shop_id: shop.shop_id.clone(),
        name: name.to_owned(),
        city: city.to_owned(),
        update_mask: Some(FieldMask { paths: mask.iter().map(|path| (*path).to_owned()).collect() }),
        etag: etag.to_owned(),
    }
}

#[tokio::test]
async fn only_masked_fields_of_a_shop_change_and_everybody_reads_it() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let ask = change(&owner.shop, " Lello ", &"x".repeat(200), &["name"], &owner.shop.etag);

    let changed = owner.client.update_shop(owner.user.asks(ask)?).await?.into_inner();
    assert_eq!((changed.name.as_str(), changed.city.as_str()), ("Lello", "Paris"));
    assert_ne!(changed.etag, owner.shop.etag);
    assert_eq!(
        pb::Shop { name: owner.shop.name.clone(), etag: owner.shop.etag.clone(), ..changed.clone() },
        owner.shop
    );

    let ask = pb::GetShopRequest { shop_id: owner.shop.shop_id.clone() };
    let seen = pb::Shop { locations: Vec::new(), ..changed };
    assert_eq!(bookshop.gateway()?.get_shop(ask).await?.into_inner(), seen);
    let ask = pb::GetShopRequest { shop_id: values::ShopId::new().to_string() };
    let answer = bookshop.gateway()?.get_shop(ask).await;
    assert_eq!(refusal(answer), (Code::NotFound, "SHOP_NOT_FOUND".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a_change_to_a_shop_that_has_changed_is_refused_and_a_repeated_one_is_not() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let read = owner.shop.clone();
    let to_porto = change(&read, "", "Porto", &["city"], &read.etag);

    let changed = owner.client.update_shop(owner.user.asks(to_porto.clone())?).await?.into_inner();
    let again = owner.client.update_shop(owner.user.asks(to_porto)?).await?.into_inner();
    assert_eq!(again, changed);

    let stale = change(&read, "Lello", "", &["name"], &read.etag);
    let answer = owner.client.update_shop(owner.user.asks(stale.clone())?).await;
    assert_eq!(refusal(answer), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let whatever = pb::UpdateShopRequest { etag: String::new(), ..stale };
    let changed = owner.client.update_shop(owner.user.asks(whatever)?).await?.into_inner();
    assert_eq!((changed.name.as_str(), changed.city.as_str()), ("Lello", "Porto"));
    Ok(())
}

#[tokio::test]
async fn wrong_masks_and_fields_of_a_shop_are_named() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let shop = owner.shop.clone();
    for (ask, wrong) in [
        (change(&shop, "Lello", "Porto", &[], ""), &["update_mask"][..]),
        (change(&shop, "Lello", "Porto", &["name", "etag"], ""), &["update_mask"]),
        (change(&shop, " ", "a\nb", &["name", "city"], ""), &["name", "city"]),
    ] {
        let answer = owner.client.update_shop(owner.user.asks(ask)?).await;
        assert_eq!(wrong_fields(answer), wrong);
    }
    let unknown = pb::Shop { shop_id: values::ShopId::new().to_string(), ..shop };
    let ask = owner.user.asks(change(&unknown, "Lello", "", &["name"], ""))?;
    let answer = owner.client.update_shop(ask).await;
    assert_eq!(refusal(answer), (Code::NotFound, "SHOP_NOT_FOUND".to_owned()));
    Ok(())
}

#[tokio::test]
async fn shops_are_listed_by_name_page_by_page_and_by_city_whatever_the_case() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let user = bookshop.shop_owner()?;
    let mut client = bookshop.client()?;
    for (name, city) in [
        ("lello", "Porto"),
        ("Ler Devagar", "Lisboa"),
        ("Bertrand", "LISBOA"),
        ("Éclair", "Ñuñoa"),
        ("Lello", "porto"),
    ] {
        let ask =
            pb::RegisterShopRequest { request_id: unique("r"), name: name.to_owned(), city: city.to_owned() };
        client.register_shop(user.asks(ask)?).await?;
    }
    for (city, expected) in [
        ("", &["Bertrand", "lello", "Lello", "Ler Devagar", "Éclair"][..]),
        ("lisboa", &["Bertrand", "Ler Devagar"]),
        (" PORTO", &["lello", "Lello"]),
        ("ñUÑOA", &["Éclair"]),
        ("Braga", &[]),
    ] {
        for page_size in [0, 1, 2] {
            let mut names = Vec::new();
            let mut page_token = String::new();
            loop {
                let ask = pb::ListShopsRequest { page_size, page_token, city: city.to_owned() };
                let page = client.list_shops(ask).await?.into_inner();
                assert!(page.shops.iter().all(|shop| shop.locations.is_empty()));
                names.extend(page.shops.into_iter().map(|shop| shop.name));
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            assert_eq!(names, expected, "{city}, {page_size} a page");
        }
    }
    Ok(())
}

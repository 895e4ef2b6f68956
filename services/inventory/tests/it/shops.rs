use anyhow::Result;
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

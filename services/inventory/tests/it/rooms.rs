//! Stock in several rooms, and what has changed it.

use anyhow::Result;
use proto::inventory::v1::{self as pb, MovementKind, adjust_stock_request::Change};
use tonic::{Code, Status};

use crate::harness::{Bookshop, Owner, commit, refusal, reserve, unique, wrong_fields};

/// Opens a room of the owner's shop.
async fn opens(owner: &Owner, name: &str) -> Result<pb::Location, Status> {
    let request = pb::CreateLocationRequest {
        request_id: unique("room"),
        shop_id: owner.shop.shop_id.clone(),
        name: name.to_owned(),
    };
    let request = owner.user.asks(request).map_err(|error| Status::internal(error.to_string()))?;
    Ok(owner.client.clone().create_location(request).await?.into_inner())
}

/// Counts copies into a room.
async fn fills(owner: &mut Owner, offer: &pb::Offer, room: &pb::Location, copies: i32) -> Result<()> {
    let request = pb::AdjustStockRequest {
        request_id: unique("adjust"),
        offer_id: offer.offer_id.clone(),
        location_id: room.location_id.clone(),
        change: Some(Change::OnHand(copies)),
        reason: "Delivery".to_owned(),
    };
    owner.client.adjust_stock(owner.user.asks(request)?).await?;
    Ok(())
}

/// What is (on hand, reserved) in each room, by the room's id.
async fn levels(owner: &mut Owner, offer: &pb::Offer) -> Result<Vec<(String, i64, i64)>> {
    let request = owner.user.asks(pb::GetStockRequest { offer_id: offer.offer_id.clone() })?;
    let levels = owner.client.get_stock(request).await?.into_inner().levels;
    Ok(levels.into_iter().map(|level| (level.location_id, level.on_hand, level.reserved)).collect())
}

async fn movements(
    owner: &mut Owner,
    request: pb::ListStockMovementsRequest,
) -> Result<pb::ListStockMovementsResponse> {
    Ok(owner.client.list_stock_movements(owner.user.asks(request)?).await?.into_inner())
}

#[tokio::test]
async fn rooms_are_listed_in_the_order_in_which_they_were_opened() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let mut rooms = owner.shop.locations.clone();
    for name in ["Cellar", "Attic", "Garage"] {
        rooms.push(opens(&owner, name).await?);
    }
    let mut listed = Vec::new();
    let mut page_token = String::new();
    loop {
        let request =
            pb::ListLocationsRequest { page_size: 3, page_token, shop_id: owner.shop.shop_id.clone() };
        let page = owner.client.list_locations(owner.user.asks(request)?).await?.into_inner();
        listed.extend(page.locations);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, rooms);
    Ok(())
}

#[tokio::test]
async fn a_repeated_request_opens_one_room() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let owner = bookshop.owner().await?;
    let request = pb::CreateLocationRequest {
        request_id: "cellar".to_owned(),
        shop_id: owner.shop.shop_id.clone(),
        name: "Cellar".to_owned(),
    };
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut client, call) = (owner.client.clone(), owner.user.asks(request.clone())?);
        calls.spawn(async move { client.create_location(call).await.map(tonic::Response::into_inner) });
    }
    let mut rooms = Vec::new();
    while let Some(room) = calls.join_next().await {
        rooms.push(room??);
    }
    assert!(rooms.iter().all(|room| room == &rooms[0]), "{rooms:?}");
    assert_eq!(bookshop.number("SELECT count(*) FROM locations").await?, 2);

    let other = pb::CreateLocationRequest { name: "Attic".to_owned(), ..request };
    let answer = owner.client.clone().create_location(owner.user.asks(other)?).await;
    assert_eq!(refusal(answer), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
    Ok(())
}

#[tokio::test]
async fn only_an_owner_opens_rooms_and_only_who_works_there_sees_them() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (owner, stranger) = (bookshop.owner().await?, bookshop.owner().await?);
    let denied = (Code::PermissionDenied, "NOT_THE_OWNER".to_owned());
    let theirs = pb::CreateLocationRequest {
        request_id: unique("room"),
        shop_id: owner.shop.shop_id.clone(),
        name: "Cellar".to_owned(),
    };
    let answer = stranger.client.clone().create_location(stranger.user.asks(theirs)?).await;
    assert_eq!(refusal(answer), denied);
    let theirs = pb::ListLocationsRequest { shop_id: owner.shop.shop_id.clone(), ..Default::default() };
    let answer = stranger.client.clone().list_locations(stranger.user.asks(theirs)?).await;
    assert_eq!(refusal(answer), denied);

    let nowhere =
        pb::ListLocationsRequest { shop_id: values::ShopId::new().to_string(), ..Default::default() };
    let answer = owner.client.clone().list_locations(owner.user.asks(nowhere)?).await;
    assert_eq!(refusal(answer), (Code::NotFound, "SHOP_NOT_FOUND".to_owned()));
    let wrong = pb::CreateLocationRequest { name: " ".to_owned(), ..Default::default() };
    let answer = owner.client.clone().create_location(owner.user.asks(wrong)?).await;
    assert_eq!(wrong_fields(answer), ["request_id", "shop_id", "name"]);
    Ok(())
}

#[tokio::test]
async fn an_order_is_packed_in_the_one_room_that_has_all_of_it() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let (one, other) = (owner.sells(1).await?, owner.sells(0).await?);
    let cellar = opens(&owner, "Cellar").await?;
    fills(&mut owner, &one, &cellar, 9).await?;
    fills(&mut owner, &other, &cellar, 9).await?;

    reserve(&owner.client, "key", &[(&one, 1), (&other, 1)]).await?;

    let first = owner.shop.locations[0].location_id.clone();
    assert_eq!(levels(&mut owner, &one).await?, [(first, 1, 0), (cellar.location_id.clone(), 9, 1)]);
    assert_eq!(levels(&mut owner, &other).await?.last(), Some(&(cellar.location_id, 9, 1)));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn what_no_room_has_alone_comes_from_several() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(2).await?;
    let cellar = opens(&owner, "Cellar").await?;
    fills(&mut owner, &offer, &cellar, 3).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 5)]).await?;
    assert_eq!(owner.counts(&offer).await?, (5, 5));
    commit(&owner.client, &held).await?;
    assert_eq!(owner.counts(&offer).await?, (0, 0));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn every_change_of_stock_is_listed_the_newest_first() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let cellar = opens(&owner, "Cellar").await?;
    fills(&mut owner, &offer, &cellar, 2).await?;
    owner.adjusts(&offer, Change::Delta(-1)).await?;
    let held = reserve(&owner.client, "key", &[(&offer, 4)]).await?;
    commit(&owner.client, &held).await?;

    let mut listed = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListStockMovementsRequest {
            page_size: 3,
            page_token,
            offer_id: offer.offer_id.clone(),
            location_id: String::new(),
        };
        let page = movements(&mut owner, request).await?;
        listed.extend(page.movements);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let told: Vec<_> = listed.iter().map(|moved| (moved.kind(), moved.change)).collect();
    assert_eq!(
        told,
        [
            (MovementKind::Sold, -4),
            (MovementKind::Adjusted, -1),
            (MovementKind::Counted, 2),
            (MovementKind::Initial, 5)
        ]
    );
    assert_eq!(listed[0].reservation_id, held.reservation_id);
    assert_eq!((listed[2].reason.as_str(), &listed[2].location_id), ("Delivery", &cellar.location_id));
    assert!(listed.iter().all(|moved| moved.create_time.is_some() && moved.offer_id == offer.offer_id));

    let in_the_cellar = pb::ListStockMovementsRequest {
        offer_id: offer.offer_id.clone(),
        location_id: cellar.location_id,
        ..Default::default()
    };
    assert_eq!(movements(&mut owner, in_the_cellar).await?.movements, [listed[2].clone()]);
    Ok(())
}

#[tokio::test]
async fn movements_are_for_those_who_work_in_the_shop() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (mut owner, stranger) = (bookshop.owner().await?, bookshop.owner().await?);
    let offer = owner.sells(1).await?;
    let ask = |offer_id: String| pb::ListStockMovementsRequest { offer_id, ..Default::default() };
    let answer = stranger.client.clone().list_stock_movements(stranger.user.asks(ask(offer.offer_id))?).await;
    assert_eq!(refusal(answer), (Code::PermissionDenied, "NOT_THE_OWNER".to_owned()));
    let nothing = ask(values::OfferId::new().to_string());
    let answer = owner.client.list_stock_movements(owner.user.asks(nothing)?).await;
    assert_eq!(refusal(answer), (Code::NotFound, "OFFER_NOT_FOUND".to_owned()));
    let wrong = pb::ListStockMovementsRequest {
        page_size: -1,
        page_token: "x".to_owned(),
        offer_id: "x".to_owned(),
        location_id: "x".to_owned(),
    };
    let answer = owner.client.list_stock_movements(owner.user.asks(wrong)?).await;
    let wrong = wrong_fields(answer);
    assert_eq!(wrong, ["page_size", "offer_id", "location_id", "page_token"]);
    Ok(())
}

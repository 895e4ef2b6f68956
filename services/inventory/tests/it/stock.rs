use anyhow::Result;
use proto::inventory::v1::{self as pb, adjust_stock_request::Change};
use tonic::Code;

use crate::harness::{Bookshop, failed_preconditions, refusal, reserve, unique, wrong_fields};

#[tokio::test]
async fn stock_is_counted_in_and_out_and_to_a_number() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(0).await?;
    assert_eq!(owner.adjusts(&offer, Change::Delta(8)).await?.on_hand, 8);
    assert_eq!(owner.adjusts(&offer, Change::Delta(-3)).await?.on_hand, 5);
    assert_eq!(owner.adjusts(&offer, Change::OnHand(5)).await?.on_hand, 5);
    let level = owner.adjusts(&offer, Change::OnHand(7)).await?;
    assert_eq!((level.on_hand, level.reserved), (7, 0));
    assert_eq!(level.location_id, owner.shop.locations[0].location_id);
    assert_eq!(owner.counts(&offer).await?, (7, 0));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn what_is_reserved_cannot_be_counted_away() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    reserve(&owner.client, "key", &[(&offer, 3)]).await?;
    for change in [Change::Delta(-3), Change::OnHand(2), Change::Delta(-1_000_000)] {
        let answer = owner.adjusts(&offer, change).await;
        assert_eq!(failed_preconditions(answer)[0].0, "on_hand");
    }
    assert_eq!(owner.adjusts(&offer, Change::Delta(-2)).await?.on_hand, 3);
    assert_eq!(owner.counts(&offer).await?, (3, 3));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn a_repeated_adjustment_is_made_once_and_answered_as_before() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(1).await?;
    let request = pb::AdjustStockRequest {
        request_id: "delivery".to_owned(),
        offer_id: offer.offer_id.clone(),
        change: Some(Change::Delta(4)),
        reason: "Delivery of Tuesday".to_owned(),
        ..Default::default()
    };
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (mut client, call) = (owner.client.clone(), owner.user.asks(request.clone())?);
        calls.spawn(async move { client.adjust_stock(call).await.map(tonic::Response::into_inner) });
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer??.on_hand, 5);
    }
    owner.adjusts(&offer, Change::Delta(1)).await?;
    let again = owner.client.adjust_stock(owner.user.asks(request.clone())?).await?.into_inner();
    assert_eq!(again.on_hand, 5, "the answer that it had");
    assert_eq!(owner.counts(&offer).await?, (6, 0));

    let other = pb::AdjustStockRequest { change: Some(Change::Delta(5)), ..request };
    let answer = owner.client.adjust_stock(owner.user.asks(other)?).await;
    assert_eq!(refusal(answer), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn only_the_owner_reads_and_adjusts_the_stock() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (mut owner, mut stranger) = (bookshop.owner().await?, bookshop.owner().await?);
    let offer = owner.sells(1).await?;
    let denied = (Code::PermissionDenied, "NOT_THE_OWNER".to_owned());
    assert_eq!(refusal(stranger.adjusts(&offer, Change::Delta(1)).await), denied);
    let read = stranger.user.asks(pb::GetStockRequest { offer_id: offer.offer_id.clone() })?;
    assert_eq!(refusal(stranger.client.get_stock(read).await), denied);

    let nothing = pb::GetStockRequest { offer_id: values::OfferId::new().to_string() };
    let answer = owner.client.get_stock(owner.user.asks(nothing)?).await;
    assert_eq!(refusal(answer), (Code::NotFound, "OFFER_NOT_FOUND".to_owned()));

    let elsewhere = pb::AdjustStockRequest {
        request_id: unique("adjust"),
        offer_id: offer.offer_id,
        location_id: stranger.shop.locations[0].location_id.clone(),
        change: Some(Change::Delta(1)),
        ..Default::default()
    };
    let answer = owner.client.adjust_stock(owner.user.asks(elsewhere)?).await;
    assert_eq!(refusal(answer), (Code::NotFound, "LOCATION_NOT_FOUND".to_owned()));
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_of_an_adjustment_is_named() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let wrong = pb::AdjustStockRequest {
        request_id: String::new(),
        offer_id: "shp_x".to_owned(),
        location_id: "x".to_owned(),
        change: None,
        reason: "x".repeat(201),
    };
    let answer = owner.client.adjust_stock(owner.user.asks(wrong)?).await;
    assert_eq!(wrong_fields(answer), ["request_id", "offer_id", "location_id", "change", "reason"]);

    let offer = owner.sells(1).await?;
    for (change, field) in [
        (Change::Delta(0), "delta"),
        (Change::Delta(1_000_001), "delta"),
        (Change::Delta(i32::MIN), "delta"),
        (Change::OnHand(-1), "on_hand"),
        (Change::OnHand(1_000_001), "on_hand"),
    ] {
        assert_eq!(wrong_fields(owner.adjusts(&offer, change).await), [field]);
    }
    assert_eq!(owner.counts(&offer).await?, (1, 0));
    Ok(())
}

#[tokio::test]
async fn the_database_itself_refuses_to_be_oversold() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    owner.sells(2).await?;
    for change in ["on_hand = -1", "reserved = -1", "reserved = 3", "on_hand = 1, reserved = 2"] {
        let error = bookshop.database.execute(&format!("UPDATE stock SET {change}")).await;
        let error = format!("{:#}", error.expect_err(change));
        assert!(error.contains("stock_is_not_oversold"), "{error}");
    }
    Ok(())
}

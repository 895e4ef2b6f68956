//! The database and the broker go away and come back.

use std::time::Duration;

use anyhow::{Context as _, Result};
use proto::order::v1::{GetOrderStatusRequest, OrderPlaced, OrderState};
use testkit::{as_user, eventually, published};
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::shop::{SOON, Shop, request};

#[tokio::test]
async fn without_its_database_the_service_says_so_within_a_second_and_recovers_by_itself() -> Result<()> {
    let (shop, gate) = Shop::behind_a_gate().await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;
    let meanwhile = request(&reader);

    gate.close();
    for _ in 0..2 {
        let began = Instant::now();
        let status = shop.place(&reader, meanwhile.clone()).await?.expect_err("placed");
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.get_details_retry_info().context("no RetryInfo")?.retry_delay.is_some());
        assert!(began.elapsed() < Duration::from_millis(1500), "took {:?}", began.elapsed());
        let request = as_user(&reader.token, GetOrderStatusRequest { order_id: order.order_id.clone() })?;
        let status = shop.client.clone().get_order_status(request).await.expect_err("read");
        assert_eq!(status.code(), Code::Unavailable, "{status}");
    }
    shop.capture(&order).await?;

    gate.open();
    shop.in_state(OrderState::Confirmed, &reader, &order).await?;
    assert_eq!(shop.place(&reader, meanwhile).await??.state(), OrderState::Pending);
    assert_eq!(shop.number("SELECT count(*) FROM dead_letters").await?, 0);
    Ok(())
}

#[tokio::test]
async fn without_the_broker_orders_are_taken_and_end_when_it_is_back() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    shop.broker.stop().await?;

    let order = shop.pending(&reader).await?;
    let unwanted = shop.pending(&reader).await?;
    assert_eq!(order.state(), OrderState::Pending);
    shop.cancel(&reader, "cancel", &unwanted.order_id).await??;

    shop.broker.start_again().await?;
    eventually("both orders are told", SOON, async || {
        (published::<OrderPlaced>(&shop.broker).await.ok()?.len() == 2).then_some(())
    })
    .await?;
    shop.capture(&order).await?;
    shop.in_state(OrderState::Confirmed, &reader, &order).await?;
    Ok(())
}

#[tokio::test]
async fn a_watcher_whose_look_gets_no_answer_is_told_so() -> Result<()> {
    let (shop, gate) = Shop::behind_a_gate().await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;
    // On each connection of the pool, so that none is tried before it is used again.
    for _ in 0..40 {
        let request = as_user(&reader.token, GetOrderStatusRequest { order_id: order.order_id.clone() })?;
        shop.client.clone().get_order_status(request).await?;
    }
    gate.forget();

    let refusal = timeout(2 * SOON, shop.watch(&reader, &order)).await?.expect_err("seen");

    let status = refusal.downcast::<Status>()?;
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.get_details_retry_info().context("no RetryInfo")?.retry_delay.is_some());
    Ok(())
}

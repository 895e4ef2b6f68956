//! The database and the broker go away and come back.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use payment::Payment;
use proto::payment::v1::{GetBalanceRequest, PaymentCaptured, PaymentState};
use testkit::{Gate, as_user, eventually, published};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::shop::{SOON, Shop, euros};

#[tokio::test]
async fn without_its_database_the_service_says_so_and_recovers_by_itself() -> Result<()> {
    let database = testkit::database::<Payment>().await?;
    let (gate, through) = Gate::before(database.url()).await?;
    let shop = Shop::open_on(database, |_| through.clone()).await?;
    let reader = shop.reader_with(50_00).await?;

    gate.close();
    for _ in 0..3 {
        let began = Instant::now();
        let request = as_user(&reader.token, GetBalanceRequest::default())?;
        let status = shop.client.clone().get_balance(request).await.expect_err("an answer");
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.get_details_retry_info().context("no RetryInfo")?.retry_delay.is_some());
        assert!(began.elapsed() < Duration::from_millis(1500), "took {:?}", began.elapsed());
    }
    let status = shop.top_up(&reader, "meanwhile", euros(1_00)).await?.expect_err("booked");
    assert_eq!(status.code(), Code::Unavailable);
    let order = shop.place(&reader, 10_00).await?;

    gate.open();
    shop.payment_in(PaymentState::Captured, &reader, order).await?;
    shop.top_up(&reader, "meanwhile", euros(1_00)).await??;
    assert_eq!(shop.balance(&reader).await?, 41_00);
    Ok(())
}

#[tokio::test]
async fn without_the_broker_wallets_work_and_orders_are_charged_later() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let order = shop.place(&reader, 10_00).await?;
    shop.payment_in(PaymentState::Captured, &reader, order).await?;

    shop.broker.stop().await?;
    shop.top_up(&reader, "meanwhile", euros(1_00)).await??;
    assert_eq!(shop.balance(&reader).await?, 41_00);
    shop.broker.start_again().await?;

    let order = shop.place(&reader, 10_00).await?;
    shop.payment_in(PaymentState::Captured, &reader, order).await?;
    eventually("both captures are told", SOON, async || {
        let told = published::<PaymentCaptured>(&shop.broker).await.ok()?;
        (told.len() == 2).then_some(())
    })
    .await
}

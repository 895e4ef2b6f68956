//! Wallets open with their users and close with them.

use anyhow::{Context as _, Result};
use proto::payment::v1::{FailureReason, PaymentState};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::shop::{Shop, euros};

const WALLETS: &str = "SELECT count(*) FROM accounts WHERE kind = 'WALLET'";

#[tokio::test]
async fn a_new_user_has_a_wallet() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let registered = [shop.register(&reader).await?, shop.register(&reader).await?];
    shop.handled(&registered).await?;
    assert_eq!(shop.number(WALLETS).await?, 1);
    assert_eq!(shop.balance(&reader).await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_deleted_users_wallet_takes_nothing_and_pays_nothing() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let deleted = shop.delete(&reader).await?;
    shop.handled(&[deleted]).await?;

    let status = shop.top_up(&reader, "late", euros(1_00)).await?.expect_err("booked");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.get_details_error_info().context("no ErrorInfo")?.reason, "WALLET_CLOSED");

    let order = shop.place(&reader, 10_00).await?;
    let payment = shop.payment_in(PaymentState::Failed, &reader, order).await?;
    assert_eq!(payment.failure_reason(), FailureReason::WalletClosed);
    assert_eq!(shop.balance(&reader).await?, 50_00);
    Ok(())
}

#[tokio::test]
async fn a_user_deleted_before_anything_else_is_known_stays_without_a_wallet() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let deleted = shop.delete(&reader).await?;
    shop.handled(&[deleted]).await?;
    let registered = shop.register(&reader).await?;
    shop.handled(&[registered]).await?;

    assert!(shop.top_up(&reader, "late", euros(1_00)).await?.is_err());
    let order = shop.place(&reader, 10_00).await?;
    let payment = shop.payment_in(PaymentState::Failed, &reader, order).await?;
    assert_eq!(payment.failure_reason(), FailureReason::WalletClosed);
    assert_eq!(shop.number(WALLETS).await?, 0);
    Ok(())
}

#[tokio::test]
async fn what_a_deleted_user_has_paid_is_given_back_all_the_same() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let order = shop.place(&reader, 10_00).await?;
    shop.payment_in(PaymentState::Captured, &reader, order).await?;
    let deleted = shop.delete(&reader).await?;
    shop.handled(&[deleted]).await?;

    shop.cancel(&reader, order).await?;
    shop.payment_in(PaymentState::Refunded, &reader, order).await?;
    assert_eq!(shop.balance(&reader).await?, 50_00);
    Ok(())
}

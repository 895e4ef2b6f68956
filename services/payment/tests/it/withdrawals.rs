//! Money that goes from wallets out to cards.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use proto::payment::v1::{PayoutState, TransferKind};
use testkit::eventually;
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use values::CardId;

use crate::{
    cards::gateway_agrees,
    shop::{SOON, Shop, euros},
};

/// Short enough to be waited out, long enough for a gateway that answers.
const PATIENCE: Duration = Duration::from_secs(1);

fn reason(status: &Status) -> Result<String> {
    Ok(status.get_details_error_info().context("no ErrorInfo")?.reason)
}

#[tokio::test]
async fn money_goes_from_the_wallet_to_the_card() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let paid = shop.withdraw(&reader, "a", 20_00, "").await??;
    assert_eq!((paid.state(), &paid.amount), (PayoutState::Done, &Some(euros(20_00))));
    assert!(paid.withdrawal_id.starts_with("wdr_") && paid.card_id.starts_with("crd_"));
    assert_eq!(shop.withdraw(&reader, "a", 20_00, "").await??, paid);
    assert_eq!(shop.balance(&reader).await?, 30_00);
    let entry = shop.entries(&reader).await?.into_iter().next().context("no entry")?;
    assert_eq!((entry.kind(), entry.amount), (TransferKind::Withdrawal, Some(euros(-20_00))));

    let status = shop.withdraw(&reader, "a", 20_01, "").await?.expect_err("paid out");
    assert_eq!((status.code(), reason(&status)?.as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn more_than_the_wallet_holds_is_not_paid_out() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let status = shop.withdraw(&reader, "a", 50_01, "").await?.expect_err("paid out");
    assert_eq!((status.code(), reason(&status)?.as_str()), (Code::FailedPrecondition, "INSUFFICIENT_FUNDS"));
    assert_eq!(shop.number("SELECT count(*) FROM withdrawals").await?, 0, "nothing is half-written");
    // The refusal isn't remembered.
    shop.withdraw(&reader, "a", 50_00, "").await??;
    let unheard_of = CardId::new().to_string();
    let status = shop.withdraw(&reader, "b", 1, &unheard_of).await?.expect_err("paid out");
    assert_eq!((status.code(), reason(&status)?.as_str()), (Code::NotFound, "CARD_NOT_FOUND"));
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn many_withdrawals_at_once_never_overdraw_a_wallet() -> Result<()> {
    let shop = Arc::new(Shop::open().await?);
    let reader = shop.reader_with(10_00).await?;
    let mut calls = JoinSet::new();
    for number in 0..20 {
        let (shop, reader) = (shop.clone(), reader.clone());
        // Each of them twice.
        calls.spawn(async move { shop.withdraw(&reader, &format!("w-{}", number / 2), 3_00, "").await });
    }
    let mut paid = std::collections::BTreeSet::new();
    while let Some(answer) = calls.join_next().await {
        if let Ok(withdrawal) = answer?? {
            paid.insert(withdrawal.withdrawal_id);
        }
    }
    assert_eq!((paid.len(), shop.balance(&reader).await?), (3, 1_00));
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn what_the_card_refuses_comes_back() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let card = shop.add_card(&reader, "tok_payout_declined").await??.card_id;
    let refused = shop.withdraw(&reader, "a", 20_00, &card).await??;
    assert_eq!(refused.state(), PayoutState::Failed);
    assert_eq!(shop.balance(&reader).await?, 50_00);
    let entry = shop.entries(&reader).await?.into_iter().next().context("no entry")?;
    assert_eq!((entry.kind(), entry.amount), (TransferKind::WithdrawalReversal, Some(euros(20_00))));
    assert_eq!(shop.withdraw(&reader, "a", 20_00, &card).await??, refused);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn a_withdrawal_that_is_unknown_is_asked_for_until_it_is_not() -> Result<()> {
    let shop = Shop::open_with_patience(PATIENCE).await?;
    let reader = shop.reader_with(50_00).await?;
    let card = shop.add_card(&reader, "tok_late_success").await??.card_id;
    let pending = shop.withdraw(&reader, "a", 20_00, &card).await??;
    assert_eq!((pending.state(), shop.balance(&reader).await?), (PayoutState::Pending, 30_00));

    eventually("the gateway has said", SOON, async || {
        let known = shop.number("SELECT count(*) FROM withdrawals WHERE state = 'DONE'").await.ok()?;
        (known == 1).then_some(())
    })
    .await?;
    assert_eq!(shop.withdraw(&reader, "a", 20_00, &card).await??.state(), PayoutState::Done);
    let paid = "SELECT count(*) FROM simulated_gateway.operations WHERE kind = 'PAY_OUT' AND answer = 'DONE'";
    assert_eq!(shop.number(paid).await?, 1);
    gateway_agrees(&shop).await
}

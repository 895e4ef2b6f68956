//! Balances, top-ups and the list of entries.

use anyhow::{Context as _, Result};
use proto::{
    payment::v1::{GetBalanceRequest, ListLedgerEntriesRequest, TransferKind},
    types::v1::Money,
};
use testkit::as_user;
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::shop::{Shop, euros};

#[tokio::test]
async fn a_wallet_that_nothing_was_put_into_is_empty() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    assert_eq!(shop.balance(&reader).await?, 0);
    assert!(shop.entries(&reader).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_top_up_is_in_the_balance_and_in_the_entries() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let entry = shop.top_up(&reader, "a", euros(50_00)).await??;
    assert_eq!((entry.amount.clone(), entry.kind()), (Some(euros(50_00)), TransferKind::TopUp));
    assert!(
        entry.transfer_id.starts_with("trf_") && entry.order_id.is_empty() && entry.create_time.is_some()
    );
    assert_eq!(shop.balance(&reader).await?, 50_00);
    assert_eq!(shop.entries(&reader).await?, [entry]);
    Ok(())
}

#[tokio::test]
async fn a_currency_has_a_wallet_of_its_own() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(1_00).await?;
    let dollars = Money { minor_units: 7_00, currency_code: "USD".to_owned() };
    shop.top_up(&reader, "b", dollars.clone()).await??;
    let request = GetBalanceRequest { currency_code: "USD".to_owned() };
    let balance = shop.client.clone().get_balance(as_user(&reader.token, request)?).await?.into_inner();
    assert_eq!(balance.balance, Some(dollars));
    assert_eq!(shop.balance(&reader).await?, 1_00);
    Ok(())
}

#[tokio::test]
async fn the_same_top_up_many_times_at_once_is_booked_once() -> Result<()> {
    let shop = std::sync::Arc::new(Shop::open().await?);
    let reader = shop.reader()?;
    let mut calls = JoinSet::new();
    for _ in 0..32 {
        let (shop, reader) = (shop.clone(), reader.clone());
        calls.spawn(async move { shop.top_up(&reader, "same", euros(5_00)).await });
    }
    let mut answers = Vec::new();
    while let Some(answer) = calls.join_next().await {
        answers.push(answer???);
    }
    let first = answers.first().context("no answer")?;
    assert!(answers.iter().all(|answer| answer == first));
    assert_eq!(shop.balance(&reader).await?, 5_00);
    Ok(())
}

#[tokio::test]
async fn a_request_id_is_the_callers_own() -> Result<()> {
    let shop = Shop::open().await?;
    let (one, other) = (shop.reader()?, shop.reader()?);
    shop.top_up(&one, "same", euros(1_00)).await??;
    shop.top_up(&other, "same", euros(2_00)).await??;
    assert_eq!((shop.balance(&one).await?, shop.balance(&other).await?), (1_00, 2_00));
    Ok(())
}

#[tokio::test]
async fn a_request_id_with_another_amount_is_refused() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    shop.top_up(&reader, "same", euros(5_00)).await??;
    let status = shop.top_up(&reader, "same", euros(6_00)).await?.expect_err("booked");
    assert_eq!(status.code(), Code::AlreadyExists);
    let reason = status.get_details_error_info().context("no ErrorInfo")?.reason;
    assert_eq!(reason, "REQUEST_ID_REUSED");
    assert_eq!(shop.balance(&reader).await?, 5_00);
    Ok(())
}

#[tokio::test]
async fn a_full_wallet_takes_no_more() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(1_00).await?;
    shop.database.execute("UPDATE accounts SET balance = 999999999 WHERE kind = 'WALLET'").await?;
    let status = shop.top_up(&reader, "more", euros(2)).await?.expect_err("booked");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.get_details_error_info().context("no ErrorInfo")?.reason, "WALLET_FULL");
    assert_eq!(shop.number("SELECT count(*) FROM transfers").await?, 1, "nothing is half-written");
    // The refusal isn't remembered.
    shop.top_up(&reader, "more", euros(1)).await??;
    Ok(())
}

#[tokio::test]
async fn entries_come_in_pages_newest_first() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, stranger) = (shop.reader()?, shop.reader()?);
    for amount in 1..=5 {
        shop.top_up(&reader, &format!("top-up-{amount}"), euros(amount)).await??;
    }
    let (mut amounts, mut page_token) = (Vec::new(), String::new());
    loop {
        let request =
            ListLedgerEntriesRequest { page_size: 2, page_token, ..ListLedgerEntriesRequest::default() };
        let page =
            shop.client.clone().list_ledger_entries(as_user(&reader.token, request)?).await?.into_inner();
        assert!(page.entries.len() <= 2);
        amounts.extend(
            page.entries.into_iter().filter_map(|entry| entry.amount).map(|amount| amount.minor_units),
        );
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let request = ListLedgerEntriesRequest {
            page_token: page_token.clone(),
            ..ListLedgerEntriesRequest::default()
        };
        let foreign = shop.client.clone().list_ledger_entries(as_user(&stranger.token, request)?).await;
        assert_eq!(foreign.expect_err("a page").code(), Code::InvalidArgument, "a token serves its own list");
    }
    assert_eq!(amounts, [5, 4, 3, 2, 1]);
    Ok(())
}

//! Cards, and top-ups by card.

use std::time::Duration;

use anyhow::{Context as _, Result};
use proto::payment::v1::{DeleteCardRequest, ListCardsRequest, TransferKind};
use testkit::{as_user, eventually};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use values::CardId;

use crate::{
    random::ledger_adds_up,
    shop::{Reader, SOON, Shop, euros},
};

/// Short enough to be waited out, long enough for a gateway that answers.
const PATIENCE: Duration = Duration::from_secs(2);

fn reason(status: &Status) -> Result<String> {
    Ok(status.get_details_error_info().context("no ErrorInfo")?.reason)
}

/// Asks for the same top-up until the gateway has said.
async fn topped_up(shop: &Shop, reader: &Reader, card: &str) -> Result<Result<i64, Status>> {
    eventually("the gateway has said", SOON, async || {
        match shop.top_up_by(reader, "same", euros(5_00), card).await.ok()? {
            Ok(entry) => Some(Ok(entry.amount?.minor_units)),
            Err(status) if status.code() == Code::Unavailable => None,
            Err(status) => Some(Err(status)),
        }
    })
    .await
}

/// What the gateway holds must be what the ledger says, once nothing is under way.
pub(crate) async fn gateway_agrees(shop: &Shop) -> Result<()> {
    eventually("no errand is under way", SOON, async || {
        (shop.number("SELECT count(*) FROM errands").await.ok()? == 0).then_some(())
    })
    .await?;
    assert_eq!(shop.number("SELECT count(*) FROM card_differences").await?, 0);
    ledger_adds_up(shop).await
}

#[tokio::test]
async fn a_card_is_kept_shown_and_forgotten() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, stranger) = (shop.reader()?, shop.reader()?);
    let first = shop.add_card(&reader, "tok_visa").await??;
    assert_eq!((first.brand.as_str(), first.last4.as_str()), ("visa", "4242"));
    assert_eq!((first.expire_month, first.expire_year), (12, 2044));
    assert_eq!(shop.add_card(&reader, "tok_visa").await??, first, "the same request keeps one card");
    let second = shop.add_card(&reader, "tok_mastercard").await??;

    let list = async |reader: &Reader, page_size, page_token: &str| {
        let request = ListCardsRequest { page_size, page_token: page_token.to_owned() };
        let page = shop.client.clone().list_cards(as_user(&reader.token, request)?).await?;
        anyhow::Ok(page.into_inner())
    };
    let page = list(&reader, 1, "").await?;
    assert_eq!(page.cards, std::slice::from_ref(&second));
    assert_eq!(list(&reader, 1, &page.next_page_token).await?.cards, std::slice::from_ref(&first));
    assert!(list(&stranger, 0, "").await?.cards.is_empty());

    let delete = async |reader: &Reader, card_id: &str| {
        let request = DeleteCardRequest { card_id: card_id.to_owned() };
        shop.client.clone().delete_card(as_user(&reader.token, request)?).await?;
        anyhow::Ok(())
    };
    delete(&stranger, &first.card_id).await?;
    assert_eq!(list(&reader, 0, "").await?.cards.len(), 2, "it isn't theirs to forget");
    delete(&reader, &first.card_id).await?;
    delete(&reader, &first.card_id).await?;
    assert_eq!(list(&reader, 0, "").await?.cards, [second]);
    assert_eq!(shop.add_card(&reader, "tok_visa").await??, first);
    assert_eq!(list(&reader, 0, "").await?.cards.len(), 1, "the request was carried out before");
    Ok(())
}

#[tokio::test]
async fn a_token_that_the_gateway_does_not_know_is_refused() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let status = shop.add_card(&reader, "tok_made_up").await?.expect_err("kept");
    assert_eq!((status.code(), reason(&status)?.as_str()), (Code::FailedPrecondition, "CARD_UNKNOWN"));
    assert!(!format!("{status:?}").contains("tok_made_up"));
    Ok(())
}

#[tokio::test]
async fn a_top_up_charges_the_card_that_it_names() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, stranger) = (shop.reader()?, shop.reader()?);
    let status = shop.top_up_by(&reader, "a", euros(5_00), "").await?.expect_err("booked");
    assert_eq!((status.code(), reason(&status)?.as_str()), (Code::FailedPrecondition, "CARD_MISSING"));

    let good = shop.add_card(&reader, "tok_visa").await??;
    shop.add_card(&reader, "tok_declined").await??;
    let unheard_of = CardId::new().to_string();
    for (who, card) in [(&reader, &unheard_of), (&stranger, &good.card_id)] {
        let status = shop.top_up_by(who, "a", euros(5_00), card).await?.expect_err("booked");
        assert_eq!((status.code(), reason(&status)?.as_str()), (Code::NotFound, "CARD_NOT_FOUND"));
    }
    let status = shop.top_up_by(&reader, "a", euros(5_00), "").await?.expect_err("booked");
    assert_eq!(reason(&status)?, "CARD_DECLINED", "the newest is charged");
    // The refusal isn't remembered.
    shop.top_up_by(&reader, "a", euros(5_00), &good.card_id).await??;
    let status = shop.top_up_by(&reader, "a", euros(5_00), "").await?.expect_err("booked");
    assert_eq!(reason(&status)?, "REQUEST_ID_REUSED");
    assert_eq!(shop.balance(&reader).await?, 5_00);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn a_card_is_declined_for_the_reason_that_its_bank_gives() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    for (token, expected) in [
        ("tok_declined", "CARD_DECLINED"),
        ("tok_insufficient_funds", "INSUFFICIENT_FUNDS"),
        ("tok_expired", "CARD_EXPIRED"),
        ("tok_incorrect_cvc", "INCORRECT_CVC"),
        ("tok_lost", "CARD_LOST_OR_STOLEN"),
        ("tok_fraud", "SUSPECTED_FRAUD"),
        ("tok_processing_error", "PROCESSING_ERROR"),
    ] {
        let card = shop.add_card(&reader, token).await??;
        for _ in 0..2 {
            let status = shop.top_up_by(&reader, token, euros(5_00), &card.card_id).await?;
            let status = status.expect_err("booked");
            assert_eq!(status.code(), Code::FailedPrecondition);
            assert_eq!(reason(&status)?, expected);
        }
    }
    assert_eq!(shop.balance(&reader).await?, 0);
    assert_eq!(
        shop.number("SELECT count(*) FROM simulated_gateway.operations").await?,
        14,
        "each attempt has a key of its own"
    );
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn a_gateway_that_answers_late_charges_once() -> Result<()> {
    for token in ["tok_late_success", "tok_timeout_then_success"] {
        let shop = Shop::open_with_patience(PATIENCE).await?;
        let reader = shop.reader()?;
        let card = shop.add_card(&reader, token).await??;
        let status = shop.top_up_by(&reader, "same", euros(5_00), &card.card_id).await?.expect_err("booked");
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.get_details_retry_info().context("no RetryInfo")?.retry_delay.is_some());

        assert_eq!(topped_up(&shop, &reader, &card.card_id).await??, 5_00);
        assert_eq!(shop.balance(&reader).await?, 5_00);
        let captured =
            "SELECT count(*) FROM simulated_gateway.operations WHERE kind = 'CAPTURE' AND answer = 'DONE'";
        assert_eq!(shop.number(captured).await?, 1, "{token}");
        gateway_agrees(&shop).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_charge_that_nobody_asks_about_any_more_is_settled_all_the_same() -> Result<()> {
    let shop = Shop::open_with_patience(PATIENCE).await?;
    let reader = shop.reader()?;
    let card = shop.add_card(&reader, "tok_late_success").await??;
    shop.top_up_by(&reader, "same", euros(5_00), &card.card_id).await?.expect_err("booked");

    let entry = eventually("the money is in the wallet", SOON, async || {
        shop.entries(&reader).await.ok()?.into_iter().next()
    })
    .await?;
    assert_eq!((entry.kind(), entry.amount.clone()), (TransferKind::TopUp, Some(euros(5_00))));
    let repeated = shop.top_up_by(&reader, "same", euros(5_00), &card.card_id).await??;
    assert_eq!(repeated, entry);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn a_late_refusal_is_told_to_who_asks_again() -> Result<()> {
    let shop = Shop::open_with_patience(PATIENCE).await?;
    let reader = shop.reader()?;
    let card = shop.add_card(&reader, "tok_late_decline").await??;
    let status = shop.top_up_by(&reader, "same", euros(5_00), &card.card_id).await?.expect_err("booked");
    assert_eq!(status.code(), Code::Unavailable);

    let refused = topped_up(&shop, &reader, &card.card_id).await?.expect_err("booked");
    assert_eq!(reason(&refused)?, "CARD_DECLINED");
    assert_eq!(shop.balance(&reader).await?, 0);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn a_promise_for_a_wallet_that_has_closed_is_given_back() -> Result<()> {
    let shop = Shop::open_with_patience(PATIENCE).await?;
    let reader = shop.reader()?;
    let card = shop.add_card(&reader, "tok_late_success").await??;
    shop.top_up_by(&reader, "same", euros(5_00), &card.card_id).await?.expect_err("booked");
    let deleted = shop.delete(&reader).await?;
    shop.handled(&[deleted]).await?;

    gateway_agrees(&shop).await?;
    let step = "SELECT count(*) FROM card_charges WHERE step = 'REFUSED' AND refusal = 'WALLET_CLOSED'";
    assert_eq!(shop.number(step).await?, 1);
    let void = "SELECT count(*) FROM simulated_gateway.operations WHERE kind = 'VOID' AND answer = 'DONE'";
    assert_eq!(shop.number(void).await?, 1);
    assert_eq!(shop.number("SELECT count(*) FROM cards").await?, 0, "their cards are forgotten");
    assert_eq!(shop.number("SELECT count(*) FROM errands").await?, 0, "and the tokens with them");
    Ok(())
}

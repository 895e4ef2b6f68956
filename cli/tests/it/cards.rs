//! Paying by card, and taking money out.

use std::time::Duration;

use anyhow::{Context as _, Result};
use testkit::eventually;

use crate::shop::{DUNE, Shop};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_order_is_paid_by_card_and_a_refused_card_cancels_it_for_the_reason() -> Result<()> {
    let shop = Shop::open().await?;
    shop.seller("3").await?;
    let reader = shop.reader_without_card().await?;
    let card = async |token: &str| -> Result<String> {
        let card = reader.answers(&["card", "add", token]).await?;
        Ok(card["card_id"].as_str().context("no card")?.to_owned())
    };
    let (good, expired) = (card("tok_visa").await?, card("tok_expired").await?);

    let paid = reader.prints(&["order", "place", "--book", DUNE, "--card", &good, "--watch"]).await?;
    assert!(paid.lines().last().is_some_and(|line| line.contains("CONFIRMED")), "{paid}");
    let refused = reader.prints(&["order", "place", "--book", DUNE, "--card", &expired, "--watch"]).await?;

    assert!(refused.contains("CANCELLED (payment declined)"), "{refused}");
    let shown = reader.prints(&["order", "show"]).await?;
    assert!(shown.contains("FAILED (card expired)") && shown.contains(&expired), "{shown}");
    Ok(())
}

#[tokio::test]
async fn cards_are_kept_shown_without_their_token_and_forgotten() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader().await?;

    let cards = reader.answers(&["card", "list"]).await?;
    assert!(!cards.to_string().contains("tok_visa"), "{cards}");
    let card = cards["cards"][0]["card_id"].as_str().context("no card")?;
    assert!(reader.prints(&["card", "list"]).await?.contains("visa …"));
    reader.prints(&["card", "remove", card]).await?;

    assert!(reader.prints(&["card", "list"]).await?.contains("No card yet"));
    let refused = reader.run(&["wallet", "top-up", "5.00"]).await?;
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.stderr.contains("bookstore card add --help"), "{refused:#?}");
    Ok(())
}

#[tokio::test]
async fn a_card_may_come_from_standard_input() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_without_card().await?;

    let added = reader.run_typing("tok_mastercard", &["card", "add", "-"]).await?;

    assert_eq!(added.code, 0, "{added:#?}");
    assert!(reader.prints(&["card", "list"]).await?.contains("mastercard …"));
    Ok(())
}

#[tokio::test]
async fn a_card_that_is_kept_without_an_answer_is_repeated_without_its_token() -> Result<()> {
    // No payment service answers.
    let shop = Shop::open_without_payment().await?;
    let reader = shop.reader_without_card().await?;

    for output in ["table", "json"] {
        let unanswered = reader.run(&["card", "add", "tok_visa", "--output", output]).await?;

        assert_eq!(unanswered.code, 5, "{unanswered:#?}");
        let repetition = format!("bookstore card add - --output {output} --request-id ");
        assert!(unanswered.stderr.contains(&repetition), "{unanswered:#?}");
        assert!(!unanswered.stderr.contains("tok_visa"), "{unanswered:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_top_up_says_why_and_what_to_do() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_without_card().await?;
    reader.prints(&["card", "add", "tok_lost"]).await?;

    let refused = reader.run(&["wallet", "top-up", "5.00", "--output", "json"]).await?;

    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.stderr.contains("CARD_LOST_OR_STOLEN"), "{refused:#?}");
    assert!(reader.run(&["wallet", "top-up", "5.00"]).await?.stderr.contains("use another card"));
    Ok(())
}

#[tokio::test]
async fn money_is_taken_out_to_the_card() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader().await?;
    reader.prints(&["wallet", "top-up", "20.00"]).await?;

    assert!(reader.prints(&["wallet", "withdraw", "15.00"]).await?.contains("15.00 EUR"));

    eventually("the money is out", SOON, async || {
        let entries = reader.prints(&["wallet", "entries"]).await.ok()?;
        entries.contains("WITHDRAWAL").then_some(())
    })
    .await?;
    assert_eq!(reader.prints(&["wallet", "balance"]).await?.trim(), "5.00 EUR");
    assert_eq!(reader.run(&["wallet", "withdraw", "15.00"]).await?.code, 1);
    Ok(())
}

//! Events that services gave up, seen and settled by an admin.

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context as _, Result};
use prost::Message as _;
use proto::{
    order::v1::{OrderPlaced, PaymentMethod},
    types::v1::Money,
};
use serde_json::{Value, json};
use testkit::{eventually, publish};
use values::{DeadLetterId, OrderId, UserId};

use crate::{
    shop::Shop,
    terminal::{Outcome, Terminal},
};

const SOON: Duration = Duration::from_secs(30);
const LIST: [&str; 3] = ["events", "dead", "list"];

/// An order that says nothing of how it is paid, which payment gives up at once.
fn placed() -> OrderPlaced {
    OrderPlaced {
        order_id: OrderId::new().to_string(),
        user_id: UserId::new().to_string(),
        total: Some(Money { minor_units: 999, currency_code: "EUR".to_owned() }),
        payment_method: PaymentMethod::Unspecified.into(),
        ..OrderPlaced::default()
    }
}

/// Waits until so many dead letters are listed.
async fn listed(admin: &Terminal, count: usize) -> Result<Vec<Value>> {
    eventually("the dead letters are listed", SOON, async || {
        let letters = admin.answers(&LIST).await.ok()?["dead_letters"].as_array()?.clone();
        (letters.len() == count).then_some(letters)
    })
    .await
}

fn id(letter: &Value) -> Result<&str> {
    letter["dead_letter_id"].as_str().context("no id")
}

fn is_told(outcome: &Outcome, code: i32, what: &str) {
    assert_eq!(outcome.code, code, "{outcome:#?}");
    assert!(outcome.stderr.contains(what), "{what:?} is missing: {outcome:#?}");
}

#[tokio::test]
async fn an_event_that_was_given_up_is_found_shown_and_replayed_once_its_cause_is_mended() -> Result<()> {
    let shop = Shop::open().await?;
    let admin = shop.admin().await?;
    let none = "No dead letters wait in identity, inventory, order, payment, notification.";
    assert_eq!(admin.prints(&LIST).await?.trim(), none);
    let event = placed();
    publish(&shop.broker, &event.order_id, 1, &event).await?;

    let letter = listed(&admin, 1).await?.remove(0);

    let id = id(&letter)?;
    assert_eq!((&letter["service"], &letter["attempts"]), (&json!("payment"), &json!(1)));
    let table = admin.prints(&LIST).await?;
    assert!(table.contains(id) && table.contains("payment_method is none that we know"), "{table}");
    let shown = admin.prints(&["events", "dead", "show", id]).await?;
    for told in ["payment_order_placed", &event.order_id, "\"minorUnits\": \"999\"", "ce-subject"] {
        assert!(shown.contains(told), "{told} is missing:\n{shown}");
    }
    let shown = admin.answers(&["events", "dead", "show", id, "--service", "payment"]).await?;
    assert_eq!((&shown["service"], &shown["state"]), (&json!("payment"), &json!("DEAD_LETTER_STATE_DEAD")));
    let elsewhere = admin.run(&["events", "dead", "show", id, "--service", "order"]).await?;
    is_told(&elsewhere, 1, "no such dead letter");

    let replay = ["events", "dead", "replay", id];
    is_told(&admin.run(&replay).await?, 1, "it failed again: payment_method is none that we know");
    let mended = OrderPlaced { payment_method: PaymentMethod::Wallet.into(), ..event };
    let body = mended.encode_to_vec().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    shop.payments.execute(&format!("UPDATE dead_letters SET payload = decode('{body}', 'hex')")).await?;
    let replayed = admin.prints(&replay).await?;
    assert!(replayed.contains("REPLAYED"), "{replayed}");

    assert_eq!(admin.prints(&LIST).await?.trim(), none);
    let all = admin.prints(&[&LIST[..], &["--resolved", "--service", "payment"]].concat()).await?;
    assert!(all.contains(id) && all.contains("replayed"), "{all}");
    let refused = admin.run(&["events", "dead", "discard", id]).await?;
    is_told(&refused, 1, "the dead letter was replayed");
    Ok(())
}

#[tokio::test]
async fn an_event_is_put_aside_and_a_long_list_is_a_page_at_a_time() -> Result<()> {
    let shop = Shop::open().await?;
    let admin = shop.admin().await?;
    for _ in 0..3 {
        let event = placed();
        publish(&shop.broker, &event.order_id, 1, &event).await?;
    }
    let letters = listed(&admin, 3).await?;

    let short = admin.answers(&[&LIST[..], &["--limit", "2"]].concat()).await?;
    assert_eq!((&short["more_in"], &short["next_page_token"]), (&json!(["payment"]), &json!("")));
    let page = [&LIST[..], &["--limit", "2", "--service", "payment"]].concat();
    let first = admin.answers(&page).await?;
    let next = first["next_page_token"].as_str().context("no next page")?;
    let second = admin.answers(&[&page[..], &["--page", next]].concat()).await?;
    assert_eq!(second["dead_letters"].as_array().map(Vec::len), Some(1));
    let unclear = admin.run(&[&LIST[..], &["--page", next]].concat()).await?;
    is_told(&unclear, 2, "say which with --service");
    let all = admin.answers(&[&LIST[..], &["--all"]].concat()).await?;
    assert_eq!((&all["dead_letters"], &all["more_in"]), (&json!(letters), &json!([])));

    let discarded = admin.answers(&["events", "dead", "discard", id(&letters[0])?]).await?;
    assert_eq!(discarded["state"], "DEAD_LETTER_STATE_DISCARDED");
    listed(&admin, 2).await?;
    let refused = admin.run(&["events", "dead", "replay", id(&letters[0])?]).await?;
    is_told(&refused, 1, "the dead letter was discarded");
    Ok(())
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_named_and_the_others_are_shown() -> Result<()> {
    let mut shop = Shop::open().await?;
    let admin = shop.admin().await?;
    let event = placed();
    publish(&shop.broker, &event.order_id, 1, &event).await?;
    let letter = listed(&admin, 1).await?.remove(0);

    shop.stop_inventory().await?;

    let outcome = admin.run(&LIST).await?;
    is_told(&outcome, 4, "error: no answer from inventory\n  inventory: ");
    assert!(outcome.stdout.contains(id(&letter)?), "{outcome:#?}");
    let outcome = admin.run(&[&LIST[..], &["--output", "json"]].concat()).await?;
    let (told, error): (Value, Value) =
        (serde_json::from_str(&outcome.stdout)?, serde_json::from_str(&outcome.stderr)?);
    assert_eq!(told["services"], json!(["identity", "order", "payment", "notification"]));
    assert_eq!(error["error"]["services"], json!(["inventory"]));
    assert!(admin.prints(&["events", "dead", "show", id(&letter)?]).await?.contains("payment"));
    let unknown = admin.run(&["events", "dead", "show", &DeadLetterId::new().to_string()]).await?;
    is_told(&unknown, 4, "no answer from inventory");
    Ok(())
}

#[tokio::test]
async fn dead_letters_are_an_admins_to_see() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;

    let refused = ada.run(&[&LIST[..], &["--service", "order"]].concat()).await?;

    is_told(&refused, 1, "this takes the permission dead_letters.manage");
    is_told(&refused, 1, "the role admin gives it");
    Ok(())
}

#[tokio::test]
async fn what_is_no_dead_letter_is_told_so() -> Result<()> {
    let shop = Shop::open().await?;
    let admin = shop.admin().await?;

    let unknown = admin.run(&["events", "dead", "show", &DeadLetterId::new().to_string()]).await?;
    is_told(&unknown, 1, "no service has a dead letter dlt_");
    let malformed = admin.run(&["events", "dead", "replay", "ord_1"]).await?;
    is_told(&malformed, 1, "dead_letter_id: ");
    Ok(())
}

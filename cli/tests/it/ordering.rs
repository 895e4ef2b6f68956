//! From a bookseller's shelf to a reader's door.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use testkit::eventually;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::timeout,
};

use crate::shop::{DUNE, Shop};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_reader_orders_follows_and_cancels_and_the_bookseller_sees_the_stock() -> Result<()> {
    let shop = Shop::open().await?;
    let (seller, offer) = shop.seller("3").await?;
    let reader = shop.reader().await?;
    assert!(reader.prints(&["books", "list", "--category", "science-fiction"]).await?.contains("Dune"));
    assert!(reader.prints(&["books", "show", DUNE]).await?.contains("The Sietch"));
    reader.prints(&["wallet", "top-up", "50.00"]).await?;

    let followed = reader.prints(&["order", "place", "--book", &format!("{DUNE}:2"), "--watch"]).await?;

    assert!(followed.lines().last().is_some_and(|line| line.contains("CONFIRMED")), "{followed}");
    assert_eq!(reader.prints(&["wallet", "balance"]).await?.trim(), "30.02 EUR");
    let orders = reader.answers(&["order", "list", "--all"]).await?;
    let order_id = orders["orders"][0]["order_id"].as_str().context("no order")?.to_owned();
    assert_eq!(orders["orders"][0]["total"]["minor_units"], 1998);
    let steps = reader.answers(&["order", "show", &order_id]).await?["history"].clone();
    assert_eq!(steps.as_array().map(Vec::len), Some(2), "{steps}");
    let stock = seller.answers(&["stock", "show", &offer]).await?;
    assert_eq!(stock["levels"][0]["on_hand"], 1);

    reader.prints(&["order", "cancel", &order_id, "--note", "ordered twice"]).await?;

    eventually("the money is back", SOON, async || {
        let balance = reader.prints(&["wallet", "balance"]).await.ok()?;
        (balance.trim() == "50.00 EUR").then_some(())
    })
    .await?;
    assert!(reader.prints(&["wallet", "entries", "--all", "--currency", "eur"]).await?.contains("REFUND"));
    let counted = seller.answers(&["stock", "set", &offer, "12", "--reason", "yearly count"]).await?;
    assert_eq!(counted["on_hand"], 12);
    Ok(())
}

#[tokio::test]
async fn what_is_missing_is_no_mistake_of_the_command_line() -> Result<()> {
    let shop = Shop::open().await?;
    let (_seller, offer) = shop.seller("1").await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;
    let missing = [
        (&["order", "show"][..], "you have no order yet"),
        (&["order", "place", "--book", &offer], "bookstore address add --help"),
        (&["wallet", "top-up", "5.00"], "bookstore card add --help"),
        (&["shop", "members"], "you work in no shop yet"),
    ];

    for (command, told) in missing {
        let outcome = ada.run(command).await?;
        assert_eq!(outcome.code, 1, "{outcome:#?}");
        assert!(outcome.stderr.contains(told), "{outcome:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_order_followed_as_json_is_a_line_for_each_thing_that_happens() -> Result<()> {
    let shop = Shop::open().await?;
    shop.seller("1").await?;
    let reader = shop.reader().await?;
    reader.prints(&["wallet", "top-up", "50.00"]).await?;

    let followed = reader.prints(&["order", "place", "--book", DUNE, "--watch", "--output", "json"]).await?;

    let lines = followed.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    assert_eq!(lines[0]["lines"][0]["title"], "Dune", "{followed}");
    assert_eq!(lines.last().context("nothing printed")?["state"], "ORDER_STATE_CONFIRMED", "{followed}");
    Ok(())
}

#[tokio::test]
async fn a_shortage_is_told_by_the_book_that_was_typed() -> Result<()> {
    let shop = Shop::open().await?;
    shop.seller("1").await?;
    let reader = shop.reader().await?;

    let refused = reader.run(&["order", "place", "--book", &format!("{DUNE}:2")]).await?;

    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.stderr.contains(&format!("\n  --book {DUNE}:2: 2 wanted, 1 available")), "{refused:#?}");
    Ok(())
}

#[tokio::test]
async fn a_command_repeated_under_its_request_id_takes_effect_once() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader().await?;
    let top_up = ["wallet", "top-up", "20.00", "--request-id", "my-top-up"];

    let first = reader.answers(&top_up).await?;
    let second = reader.answers(&top_up).await?;

    assert_eq!(first, second);
    assert_eq!(reader.prints(&["wallet", "balance"]).await?.trim(), "20.00 EUR");
    let other = reader.run(&["wallet", "top-up", "30.00", "--request-id", "my-top-up"]).await?;
    assert_eq!(other.code, 1, "{other:#?}");
    Ok(())
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_names_the_command_that_repeats_it() -> Result<()> {
    let shop = Shop::open().await?;
    let (_seller, offer) = shop.seller("5").await?;
    let reader = shop.reader().await?;

    shop.gate.stall();
    let place = ["order", "place", "--book", DUNE, "--request-id", "my-order", "--timeout", "1"];
    let lost = reader.run(&place).await?;

    assert_eq!(lost.code, 5, "{lost:#?}");
    let wanted = format!("order place --book {offer}:1 --request-id my-order");
    assert!(lost.stderr.ends_with(&format!("\n  bookstore {wanted}\n")), "{lost:#?}");
    shop.gate.open();
    let repetition: Vec<_> = wanted.split(' ').collect();
    let placed =
        eventually("the order is taken", SOON, async || reader.answers(&repetition).await.ok()).await?;
    assert_eq!(reader.answers(&repetition).await?["order_id"], placed["order_id"]);
    Ok(())
}

#[tokio::test]
async fn a_program_whose_change_has_no_answer_hears_what_repeats_it() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader().await?;

    shop.gate.stall();
    let cancel =
        ["order", "cancel", "ord_1", "--note", "ordered twice", "--timeout", "1", "--output", "json"];
    let lost = reader.run(&cancel).await?;

    assert_eq!(lost.code, 5, "{lost:#?}");
    let error = serde_json::from_str::<Value>(&lost.stderr)?["error"].clone();
    let request_id = error["request_id"].as_str().context("no request id")?;
    let typed = "bookstore order cancel ord_1 --note 'ordered twice' --timeout 1 --output json";
    assert_eq!(error["repeat_with"], format!("{typed} --request-id {request_id}"));
    Ok(())
}

#[tokio::test]
async fn following_an_order_outlives_a_broken_connection() -> Result<()> {
    let mut shop = Shop::open_without_payment().await?;
    shop.seller("1").await?;
    let reader = shop.reader_without_card().await?;
    reader.prints(&["order", "place", "--book", DUNE]).await?;
    let mut watching = reader.command(&["order", "watch"]).spawn()?;
    let mut lines = BufReader::new(watching.stdout.take().context("no standard output")?).lines();
    let first = timeout(SOON, lines.next_line()).await??.context("no first line")?;
    assert!(first.contains("PENDING"), "{first}");

    shop.door.close();
    shop.door.open();
    // Nothing is in the wallet: the order ends as soon as somebody asks.
    shop.start_payment().await?;

    let last = timeout(SOON, lines.next_line()).await??.context("no last line")?;
    assert!(last.contains("CANCELLED (insufficient funds)"), "{last}");
    assert!(timeout(SOON, watching.wait()).await??.success());
    Ok(())
}

//! From the bookseller's parcel to what comes back in it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use testkit::eventually;

use crate::{
    shop::{DUNE, Shop},
    terminal::Terminal,
};

const SOON: Duration = Duration::from_secs(30);

/// An order of two copies, confirmed.
async fn bought(reader: &Terminal) -> Result<String> {
    reader.prints(&["wallet", "top-up", "50.00"]).await?;
    reader.prints(&["order", "place", "--book", &format!("{DUNE}:2"), "--watch"]).await?;
    text(&reader.answers(&["order", "list"]).await?["orders"][0]["order_id"])
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("{value} is no text"))?.to_owned())
}

#[tokio::test]
async fn a_parcel_is_sent_and_arrives_and_half_of_it_comes_back() -> Result<()> {
    let shop = Shop::open().await?;
    let (seller, offer) = shop.seller("3").await?;
    let reader = shop.reader().await?;
    let order = bought(&reader).await?;

    let ready = seller.prints(&["shop", "shipments", "--state", "ready"]).await?;
    assert!(ready.contains(&order) && ready.contains("2 × Dune"), "{ready}");
    assert!(ready.contains("Ada, 1 Analytical Way, London, GB"), "{ready}");
    let sent = ["order", "ship", &order, "--tracking", "0034", "--carrier", "DHL"];
    assert!(seller.prints(&sent).await?.contains("SHIPPED"));
    let shown = reader.prints(&["order", "show", &order]).await?;
    assert!(shown.contains("SHIPPED") && shown.contains("0034") && shown.contains("DHL"), "{shown}");
    let too_late = reader.run(&["order", "cancel", &order]).await?;
    assert_eq!(too_late.code, 1, "{too_late:#?}");
    assert!(seller.prints(&["order", "deliver", &order]).await?.contains("DELIVERED"));

    let asked =
        reader.answers(&["order", "return", &order, "--book", DUNE, "--reason", "one is enough"]).await?;

    assert_eq!(asked["amount"]["minor_units"], 999, "{asked}");
    let id = text(&asked["return_id"])?;
    assert!(seller.prints(&["shop", "returns", "--state", "requested"]).await?.contains("one is enough"));
    let accepted =
        seller.answers(&["shop", "accept-return", &id, "--restock", "--answer", "Of course"]).await?;
    assert_eq!(accepted["state"], "RETURN_STATE_ACCEPTED", "{accepted}");
    assert!(reader.prints(&["order", "returns", "--order", &order]).await?.contains("ACCEPTED"));
    eventually("the money for one copy is back", SOON, async || {
        let balance = reader.prints(&["wallet", "balance"]).await.ok()?;
        (balance.trim() == "40.01 EUR").then_some(())
    })
    .await?;
    eventually("the copy is back on the shelf", SOON, async || {
        let stock = seller.answers(&["stock", "show", &offer]).await.ok()?;
        (stock["levels"][0]["on_hand"] == 2).then_some(())
    })
    .await?;
    let moved = seller.prints(&["stock", "movements", &offer]).await?;
    assert!(moved.contains("returned") && moved.contains("-2") && moved.contains("+1"), "{moved}");
    Ok(())
}

#[tokio::test]
async fn a_return_may_be_refused() -> Result<()> {
    let shop = Shop::open().await?;
    let (seller, _offer) = shop.seller("3").await?;
    let reader = shop.reader().await?;
    let order = bought(&reader).await?;
    seller.prints(&["order", "ship", &order, "--tracking", "0034"]).await?;
    seller.prints(&["order", "deliver", &order]).await?;
    let asked = reader.answers(&["order", "return", &order]).await?;
    assert_eq!(asked["amount"]["minor_units"], 1998, "all of it: {asked}");

    let id = text(&asked["return_id"])?;
    let refused = seller.prints(&["shop", "reject-return", &id, "--answer", "coffee on every page"]).await?;

    assert!(refused.contains("REJECTED") && refused.contains("coffee on every page"), "{refused}");
    let order = reader.answers(&["order", "show", &order]).await?;
    assert_eq!(order["state"], "ORDER_STATE_DELIVERED");
    Ok(())
}

#[tokio::test]
async fn staff_see_everybodys_orders_and_payments_and_give_money_back() -> Result<()> {
    let shop = Shop::open().await?;
    shop.seller("3").await?;
    let (reader, admin) = (shop.reader().await?, shop.admin().await?);
    let order = bought(&reader).await?;

    let listed = admin.prints(&["order", "list", "--everybody", "--state", "confirmed"]).await?;
    assert!(listed.contains(&order) && !listed.contains("Ada"), "{listed}");
    assert!(
        admin.prints(&["order", "list", "--everybody", "--state", "cancelled"]).await?.contains("No order")
    );
    assert_eq!(reader.run(&["order", "list", "--everybody"]).await?.code, 1);
    assert_eq!(admin.run(&["order", "list", "--state", "confirmed"]).await?.code, 2);
    let payment = text(&admin.answers(&["payment", "show", &order]).await?["payment_id"])?;
    assert!(admin.prints(&["payment", "list", "--state", "captured"]).await?.contains(&payment));
    assert!(admin.prints(&["payment", "process", &payment]).await?.contains("CAPTURED"));

    let refund = ["payment", "refund", &payment, "--amount", "5.00 EUR", "--note", "a dent"];
    assert!(admin.prints(&refund).await?.contains("5.00 EUR"));

    assert_eq!(reader.run(&refund).await?.code, 1);
    eventually("the money is back", SOON, async || {
        let balance = reader.prints(&["wallet", "balance"]).await.ok()?;
        (balance.trim() == "35.02 EUR").then_some(())
    })
    .await?;
    let shown = reader.prints(&["payment", "show", &order]).await?;
    assert!(shown.contains("a dent") && shown.contains("staff"), "{shown}");
    eventually("the order knows", SOON, async || {
        let shown = reader.prints(&["order", "show", &order]).await.ok()?;
        shown.contains("Given back  5.00 EUR").then_some(())
    })
    .await?;
    let mail = eventually("a mail for each thing that happened", SOON, async || {
        let mail = admin.answers(&["mail", "list", "--all", "--state", "sent"]).await.ok()?;
        (mail["deliveries"].as_array()?.iter().any(|mail| mail["subject"] == "bookstore.payment.v1.refunded"))
            .then_some(mail)
    })
    .await?;
    assert!(!mail.to_string().contains("ada@example.com"), "{mail}");
    Ok(())
}

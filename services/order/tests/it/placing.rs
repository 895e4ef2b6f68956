//! Placing an order, and what may stand in its way.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, Result};
use proto::order::v1::{
    Actor, CancelReason, OrderPlaced, OrderState, PaymentMethod, PaymentState, PlaceOrderRequest, StockState,
};
use testkit::{as_user, eventually, published};
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use values::{AddressId, CardId};

use crate::{
    inventory::{Behaviour, PRICE},
    shop::{SOON, Shop, request},
};

#[tokio::test]
async fn an_order_is_pending_at_the_reserved_prices_and_asks_for_its_payment() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let request = request(&reader);

    let order = shop.place(&reader, request.clone()).await??;

    assert_eq!(order.state(), OrderState::Pending);
    assert_eq!(order.cancel_reason(), CancelReason::Unspecified);
    assert_eq!(order.payment_state(), PaymentState::Pending);
    assert_eq!(order.stock_state(), StockState::Reserved);
    assert_eq!(order.payment_method(), PaymentMethod::Wallet);
    assert_eq!(order.version, 1);
    let total = order.total.clone().context("no total")?;
    assert_eq!((total.minor_units, total.currency_code.as_str()), (3 * PRICE, "EUR"));
    let lines: Vec<_> = order.lines.iter().map(|line| (line.offer_id.as_str(), line.quantity)).collect();
    let wanted: Vec<_> = request.items.iter().map(|item| (item.offer_id.as_str(), item.quantity)).collect();
    assert_eq!(lines, wanted);
    let address = order.shipping_address.clone().context("no address")?;
    assert_eq!(address.address_id, reader.address.to_string());
    assert_eq!((address.recipient.as_str(), address.country_code.as_str()), ("Ada Lovelace", "GB"));
    assert_eq!((order.user_id.clone(), order.customer_name.as_str()), (reader.user.to_string(), "Ada"));
    assert_eq!((order.shipments.len(), order.card_id.as_str()), (0, ""));

    let stored = shop.get(&reader, &order.order_id).await??;
    let [step] = &stored.history[..] else { anyhow::bail!("history: {:?}", stored.history) };
    assert_eq!((step.state(), step.actor()), (OrderState::Pending, Actor::Customer));
    assert_eq!(proto::order::v1::Order { history: vec![], ..stored }, order);

    let placed = eventually("the order is announced", SOON, async || {
        published::<OrderPlaced>(&shop.broker).await.ok()?.pop()
    })
    .await?;
    assert_eq!(placed.aggregate_id, order.order_id);
    assert_eq!(placed.sequence, 1);
    assert_eq!(placed.event.user_id, reader.user.to_string());
    assert_eq!(placed.event.total, order.total);
    assert_eq!(placed.event.payment_method(), PaymentMethod::Wallet);
    let keys: Vec<_> = shop.inventory.reservations().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [format!("{}/{}", reader.user, request.request_id)]);
    Ok(())
}

#[tokio::test]
async fn a_card_is_named_to_who_charges_it() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let card_id = CardId::new().to_string();
    let by_card = PlaceOrderRequest {
        payment_method: PaymentMethod::Card.into(),
        card_id: card_id.clone(),
        ..request(&reader)
    };

    let order = shop.place(&reader, by_card.clone()).await??;

    assert_eq!((order.payment_method(), &order.card_id), (PaymentMethod::Card, &card_id));
    assert_eq!(shop.place(&reader, by_card.clone()).await??, order);
    let other = PlaceOrderRequest { card_id: CardId::new().to_string(), ..by_card };
    assert_eq!(shop.place(&reader, other).await?.expect_err("placed").code(), Code::AlreadyExists);
    let placed = eventually("the order is announced", SOON, async || {
        published::<OrderPlaced>(&shop.broker).await.ok()?.pop()
    })
    .await?;
    assert_eq!((placed.event.payment_method(), placed.event.card_id), (PaymentMethod::Card, card_id));
    Ok(())
}

#[tokio::test]
async fn without_an_address_it_goes_to_the_default_one() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    shop.another_address(&reader);
    let nowhere = PlaceOrderRequest { address_id: String::new(), ..request(&reader) };

    let order = shop.place(&reader, nowhere.clone()).await??;

    let address = order.shipping_address.context("no address")?;
    assert_eq!(address.address_id, reader.address.to_string());
    shop.identity.remove_user(reader.user);
    shop.identity.set_contact(reader.user, "ada@example.org", "Ada");
    let homeless = PlaceOrderRequest { request_id: "another".to_owned(), ..nowhere };
    let status = shop.place(&reader, homeless).await?.expect_err("placed");
    assert_eq!(status.get_details_error_info().context("no ErrorInfo")?.reason, "ADDRESS_NOT_FOUND");
    Ok(())
}

#[tokio::test]
async fn an_address_of_somebody_else_does_not_exist() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, stranger) = (shop.reader()?, shop.reader()?);

    for address in [AddressId::new(), stranger.address] {
        let request = PlaceOrderRequest { address_id: address.to_string(), ..request(&reader) };
        let status = shop.place(&reader, request).await?.expect_err("placed");
        assert_eq!(status.code(), Code::NotFound);
    }
    assert_eq!(shop.inventory.reserve_calls(), 0);
    Ok(())
}

#[tokio::test]
async fn what_is_out_of_stock_is_passed_on_with_its_details() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let mut details = ErrorDetails::with_error_info("OUT_OF_STOCK", "bookstore", HashMap::new());
    details.add_precondition_failure_violation("OUT_OF_STOCK", "ofr_1", "2 wanted, 1 available");
    let refusal =
        Status::with_error_details(Code::FailedPrecondition, "there are not enough copies", details);
    shop.inventory.on_reserve(Behaviour::Fails(refusal));

    let status = shop.pending_refused(&reader).await?;

    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.message(), "there are not enough copies");
    assert_eq!(status.get_details_error_info().context("no ErrorInfo")?.reason, "OUT_OF_STOCK");
    let failure = status.get_details_precondition_failure().context("no PreconditionFailure")?;
    assert_eq!(failure.violations[0].subject, "ofr_1");
    assert_eq!(shop.number("SELECT count(*) FROM orders").await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_inventory_that_hangs_costs_the_caller_its_deadline_and_leaves_nothing() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    shop.inventory.on_reserve(Behaviour::Hangs);

    let began = Instant::now();
    let status = shop.pending_refused(&reader).await?;

    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(began.elapsed() < Duration::from_secs(10), "took {:?}", began.elapsed());
    assert_eq!(shop.number("SELECT count(*) FROM orders").await?, 0);
    assert_eq!(shop.number("SELECT count(*) FROM outbox").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_callers_own_deadline_is_kept() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    shop.inventory.on_reserve(Behaviour::Hangs);

    let mut call = as_user(&reader.token, request(&reader))?;
    call.set_timeout(Duration::from_millis(200));
    let answer = timeout(SOON, shop.client.clone().place_order(call)).await?;

    let code = answer.expect_err("placed").code();
    assert!(matches!(code, Code::DeadlineExceeded | Code::Cancelled), "{code}");
    Ok(())
}

#[tokio::test]
async fn what_inventory_says_decides_what_the_caller_hears() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    for (said, heard) in [
        (Status::unavailable("restarting"), Code::Unavailable),
        (Status::resource_exhausted("too many"), Code::ResourceExhausted),
        (Status::not_found("no such offer"), Code::NotFound),
        (Status::already_exists("the key has other lines"), Code::AlreadyExists),
        (Status::internal("secret internals"), Code::Internal),
        (Status::permission_denied("wrong secret"), Code::Internal),
    ] {
        shop.inventory.on_reserve(Behaviour::Fails(said));
        let status = shop.pending_refused(&reader).await?;
        assert_eq!(status.code(), heard);
        assert!(!status.message().contains("secret"), "{status}");
        if heard == Code::Unavailable {
            assert!(status.get_details_retry_info().context("no RetryInfo")?.retry_delay.is_some());
        }
    }
    assert_eq!(shop.number("SELECT count(*) FROM orders").await?, 0);
    Ok(())
}

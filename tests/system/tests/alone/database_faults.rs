use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use proto::{
    identity::v1::GetUserRequest, inventory::v1::ListBooksRequest, notification::v1::ListDeliveriesRequest,
    order::v1::OrderState, payment::v1::GetBalanceRequest,
};
use system_tests::{Customer, Options, Service, Shop};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::machine;

/// Calls a service for something that only its database knows.
async fn ask(
    shop: &Shop,
    (customer, admin): (&Customer, &Customer),
    service: Service,
    order_id: &str,
) -> Result<Result<(), Status>> {
    let clients = shop.clients()?;
    Ok(match service {
        Service::Identity => {
            let request = customer.request(GetUserRequest::default())?;
            clients.identity().get_user(request).await.map(drop)
        }
        Service::Inventory => clients.inventory().list_books(ListBooksRequest::default()).await.map(drop),
        Service::Order => {
            let request = proto::order::v1::GetOrderStatusRequest { order_id: order_id.to_owned() };
            clients.order().get_order_status(customer.request(request)?).await.map(drop)
        }
        Service::Payment => {
            let request = customer.request(GetBalanceRequest { currency_code: String::new() })?;
            clients.payment().get_balance(request).await.map(drop)
        }
        Service::Notification => {
            let request = admin.request(ListDeliveriesRequest::default())?;
            clients.notification().list_deliveries(request).await.map(drop)
        }
        Service::Gateway => anyhow::bail!("the gateway has no database"),
    })
}

fn assert_unavailable(refusal: &Status, took: Duration, what: &str) -> Result<()> {
    assert_eq!(refusal.code(), Code::Unavailable, "{what}: {refusal}");
    assert!(took < Duration::from_secs(1), "{what} took {took:?}");
    let retry = refusal.get_details_retry_info().with_context(|| format!("{what}: no RetryInfo"))?;
    assert!(retry.retry_delay.is_some_and(|delay| !delay.is_zero()), "{what}: {retry:?}");
    Ok(())
}

async fn gated_shop() -> Result<Shop> {
    Shop::start_with(Options { gates: true, ..Default::default() }).await
}

#[tokio::test]
async fn a_service_without_its_database_says_so_within_a_second_and_recovers() -> Result<()> {
    let _machine = machine().await;
    let shop = gated_shop().await?;
    let book = shop.seller().await?.add_book(1_000, 10).await?;
    let customer = shop.customer(5_000).await?;
    let order_id = customer.place(&book, 1).await?.order_id;
    customer.ended(&order_id).await?;

    let admin = shop.admin().await?;
    let people = (&customer, &admin);
    for service in Service::WITH_DATABASE {
        ask(&shop, people, service, &order_id).await?.with_context(|| service.name())?;
        shop.gate(service)?.close();
        for _ in 0..3 {
            let asked = Instant::now();
            let refusal = ask(&shop, people, service, &order_id).await?.unwrap_err();
            assert_unavailable(&refusal, asked.elapsed(), service.name())?;
        }
        shop.gate(service)?.open();
        testkit::eventually("an answer", Duration::from_secs(5), async || {
            ask(&shop, people, service, &order_id).await.ok()?.ok()
        })
        .await
        .context(service.name())?;
    }
    shop.check(&[order_id]).await
}

#[tokio::test]
async fn a_database_that_hangs_is_a_database_that_is_down() -> Result<()> {
    let _machine = machine().await;
    let shop = gated_shop().await?;
    let book = shop.seller().await?.add_book(1_000, 10).await?;
    let customer = shop.customer(5_000).await?;
    // Once, so that order is connected with those that it asks first.
    let earlier = customer.place(&book, 1).await?.order_id;
    customer.ended(&earlier).await?;

    shop.gate(Service::Order)?.stall();
    let asked = Instant::now();
    let request = customer.order_of("hanging", &[(&book, 1)]);
    let refusal = customer.try_place_once(request.clone()).await?.unwrap_err();
    assert_unavailable(&refusal, asked.elapsed(), "PlaceOrder")?;

    shop.gate(Service::Order)?.open();
    let order = testkit::eventually("an order", Duration::from_secs(10), async || {
        customer.try_place_once(request.clone()).await.ok()?.ok()
    })
    .await?;
    assert_eq!(customer.ended(&order.order_id).await?.state(), OrderState::Confirmed);
    shop.check(&[order.order_id]).await
}

#[tokio::test]
async fn orders_that_met_a_missing_database_end_when_it_is_back() -> Result<()> {
    let _machine = machine().await;
    let shop = gated_shop().await?;
    let book = shop.seller().await?.add_book(1_000, 10).await?;
    let customer = shop.customer(5_000).await?;

    shop.gate(Service::Payment)?.close();
    let order_id = customer.place(&book, 1).await?.order_id;
    shop.gate(Service::Order)?.close();
    let request = customer.order_of("while-it-was-down", &[(&book, 1)]);
    let asked = Instant::now();
    let refusal = customer.try_place_once(request.clone()).await?.unwrap_err();
    assert_unavailable(&refusal, asked.elapsed(), "PlaceOrder")?;
    shop.gate(Service::Order)?.open();
    shop.gate(Service::Payment)?.open();

    assert_eq!(customer.ended(&order_id).await?.state(), OrderState::Confirmed);
    let second = testkit::eventually("an order", Duration::from_secs(10), async || {
        customer.try_place_once(request.clone()).await.ok()?.ok()
    })
    .await?;
    assert_eq!(customer.ended(&second.order_id).await?.state(), OrderState::Confirmed);
    shop.check(&[order_id, second.order_id]).await
}

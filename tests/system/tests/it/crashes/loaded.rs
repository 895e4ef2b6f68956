//! A service killed twice while orders stream in.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use proto::order::v1::OrderState;
use system_tests::{Service, Shop};
use testkit::eventually;

const ORDERS: usize = 200;
const CUSTOMERS: usize = 20;
const AT_ONCE: usize = 16;

#[tokio::test]
async fn orders_survive_the_death_of_identity() -> Result<()> {
    orders_survive_the_death_of(Service::Identity).await
}

#[tokio::test]
async fn orders_survive_the_death_of_inventory() -> Result<()> {
    orders_survive_the_death_of(Service::Inventory).await
}

#[tokio::test]
async fn orders_survive_the_death_of_order() -> Result<()> {
    orders_survive_the_death_of(Service::Order).await
}

#[tokio::test]
async fn orders_survive_the_death_of_payment() -> Result<()> {
    orders_survive_the_death_of(Service::Payment).await
}

/// 200 orders, a SIGKILL after a quarter and after half of them; customers repeat what got no answer.
async fn orders_survive_the_death_of(service: Service) -> Result<()> {
    let shop = Shop::start().await?;
    let book = shop.seller().await?.add_book(100, 10_000).await?;
    let customers = shop.customers(CUSTOMERS, 100_000).await?;

    let answered = AtomicUsize::new(0);
    let buying = stream::iter(0..ORDERS)
        .map(async |number| {
            let order = customers[number % CUSTOMERS].place(&book, 1).await;
            answered.fetch_add(1, Ordering::Relaxed);
            order.map(|order| (number % CUSTOMERS, order.order_id))
        })
        .buffered(AT_ONCE)
        .try_collect::<Vec<_>>();
    let killing = async {
        for orders in [ORDERS / 4, ORDERS / 2] {
            eventually("orders before the crash", Duration::from_mins(1), async || {
                (answered.load(Ordering::Relaxed) >= orders).then_some(())
            })
            .await?;
            shop.kill(service).await?;
            shop.start_again(service).await?;
        }
        anyhow::Ok(())
    };
    let (placed, ()) = futures::try_join!(buying, killing)?;

    assert_eq!(placed.len(), ORDERS);
    for (customer, order_id) in &placed {
        assert_eq!(customers[*customer].ended(order_id).await?.state(), OrderState::Confirmed, "{order_id}");
    }
    let placed: Vec<String> = placed.into_iter().map(|(_, order_id)| order_id).collect();
    shop.check(&placed).await
}

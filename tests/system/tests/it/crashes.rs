use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, future::join_all, stream};
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
            let order = customers[number % CUSTOMERS].place_in_the_end(&book, 1).await;
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

#[tokio::test]
async fn orders_survive_a_death_between_publishing_and_noting_it() -> Result<()> {
    orders_survive_deaths_at(&[
        (Service::Order, "relay.note.commit.before:3"),
        (Service::Payment, "relay.note.commit.before:3"),
        (Service::Inventory, "inventory.settle.commit.after:3"),
    ])
    .await
}

#[tokio::test]
async fn orders_survive_a_death_between_handling_an_event_and_saying_so() -> Result<()> {
    orders_survive_deaths_at(&[
        (Service::Order, "order_payment_captured.ack.before:3"),
        (Service::Payment, "payment_order_placed.ack.before:3"),
        (Service::Inventory, "inventory_order_cancelled.ack.before"),
    ])
    .await
}

#[tokio::test]
async fn orders_survive_a_death_between_a_commit_and_its_answer() -> Result<()> {
    orders_survive_deaths_at(&[
        (Service::Order, "order.place.commit.after:3"),
        (Service::Inventory, "inventory.reserve.commit.after:3"),
    ])
    .await
}

/// 40 orders, every fourth cancelled after its confirmation; each of the services dies once, at that point of its code.
async fn orders_survive_deaths_at(points: &[(Service, &str)]) -> Result<()> {
    let shop = Shop::start().await?;
    let book = shop.seller().await?.add_book(100, 1_000).await?;
    let customers = shop.customers(4, 100_000).await?;
    for (service, point) in points {
        shop.arm(*service, point).await?;
    }

    let trading = stream::iter(0..40)
        .map(async |number: usize| {
            let customer = &customers[number % customers.len()];
            let order_id = customer.place_in_the_end(&book, 1).await?.order_id;
            let mut order = customer.ended(&order_id).await?;
            assert_eq!(order.state(), OrderState::Confirmed, "{order:?}");
            if number.is_multiple_of(4) {
                order = customer.cancel_in_the_end(&order_id).await?;
                assert_eq!(order.state(), OrderState::Cancelled, "{order:?}");
            }
            anyhow::Ok(order_id)
        })
        .buffered(8)
        .try_collect::<Vec<_>>();
    let reviving = join_all(points.iter().map(async |(service, _)| {
        shop.falls(*service).await?;
        shop.start_again(*service).await
    }));
    let (placed, revived) = futures::join!(trading, reviving);

    revived.into_iter().collect::<Result<Vec<()>>>()?;
    shop.check(&placed?).await
}

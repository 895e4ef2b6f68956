use std::time::Duration;

use anyhow::{Context as _, Result};
use cluster_tests::{SERVICES, Shop};
use proto::{inventory::v1::ListBooksRequest, order::v1::OrderState};
use system_tests::{Book, Clients, Customer};
use testkit::eventually;
use tokio::time::{Instant, sleep};

/// From `helm install` to the first confirmed order, images being there.
const FIRST_ORDER: Duration = Duration::from_mins(1);
/// In MiB, with Postgres, NATS and Jaeger, when nobody asks anything.
const WHOLE_SHOP: u64 = 1024;
/// In MiB, the services together.
const ALL_SERVICES: u64 = 150;
/// Until the kubelet has looked at containers again that have nothing to do.
const IDLE: Duration = Duration::from_mins(2);
/// Between two looks: the kubelet looks every ten seconds.
const PAUSE: Duration = Duration::from_secs(2);

#[ignore = "needs a cluster: cargo xtask cluster-test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chart_without_values_takes_an_order_within_a_minute_is_small_and_passes_its_own_tests()
-> Result<()> {
    let began = Instant::now();
    let shop = Shop::install(&[]).await?;
    let clients = shop.clients()?;
    let customer = Customer::register(clients.clone(), 100_000).await?;
    let book = any_book(&clients).await?;
    let order = customer.place(&book, 1).await?;
    assert_eq!(customer.ended(&order.order_id).await?.state(), OrderState::Confirmed);
    let first_order = began.elapsed();
    println!("the first order is confirmed {:.1} s after helm install", first_order.as_secs_f64());
    assert!(first_order < FIRST_ORDER, "the first order took {first_order:?}");

    shop.all_ready().await?;
    let mut last = String::new();
    let small = eventually("the shop is small", IDLE, async || {
        let memory = shop.cluster().memory(shop.namespace()).await.ok()?;
        let services = memory.of(&SERVICES);
        last = format!("{memory} in all, {services} MiB of them the services");
        // Nothing where the kubelet has not looked yet.
        let is_small = (1..WHOLE_SHOP).contains(&memory.all()) && (1..ALL_SERVICES).contains(&services);
        if !is_small {
            sleep(PAUSE).await;
        }
        is_small.then_some(())
    });
    small.await.with_context(|| last.clone())?;
    println!("{last}");

    println!("{}", shop.helm().test().await?);
    shop.check().await?;
    shop.remove().await
}

/// What the demo shop offers, as soon as it offers anything.
async fn any_book(clients: &Clients) -> Result<Book> {
    eventually("a book is offered", FIRST_ORDER, async || {
        let request = ListBooksRequest { page_size: 50, ..Default::default() };
        let books = clients.inventory().list_books(request).await.ok()?.into_inner().books;
        books.into_iter().find_map(|book| {
            let offer = book.offers.into_iter().find(|offer| offer.available > 0)?;
            Some(Book {
                offer_id: offer.offer_id,
                edition_id: book.edition_id,
                price: offer.price?.minor_units,
            })
        })
    })
    .await
}

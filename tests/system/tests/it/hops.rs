//! How long a caller waits, at every hop of a call.

use std::time::{Duration, Instant};

use anyhow::Result;
use system_tests::{Service, Shop};
use testkit::eventually;
use tonic::Code;

/// Client → gateway → order → inventory, which doesn't answer.
#[tokio::test]
async fn a_deadline_holds_through_three_hops() -> Result<()> {
    let shop = Shop::start().await?;
    let book = shop.seller().await?.add_book(1_000, 5).await?;
    let customer = shop.customer(5_000).await?;
    // All connections are made, and the addresses known.
    let first = customer.place(&book, 1).await?.order_id;
    shop.pause(Service::Inventory).await?;

    let mut request = customer.request(customer.order_of("late", &[(&book, 1)]))?;
    request.set_timeout(Duration::from_millis(600));
    let asked = Instant::now();
    let refusal = shop.clients()?.order().place_order(request).await.map(|_| ()).unwrap_err();

    // CANCELLED is what tonic's client calls it if its own timer is the first.
    assert!(matches!(refusal.code(), Code::DeadlineExceeded | Code::Cancelled), "{refusal}");
    assert!(asked.elapsed() < Duration::from_secs(2), "took {:?}", asked.elapsed());
    // Order has given up too, by the client's deadline: its own for a call is 2 s.
    eventually("order's call to inventory has expired", Duration::from_secs(1), async || {
        let expired = shop.metric(Service::Order, "rpc_client_duration_seconds_count", EXPIRED);
        (expired.await.ok()? > 0.0).then_some(())
    })
    .await?;

    shop.resume(Service::Inventory).await?;
    let order = customer.place(&book, 1).await?;
    customer.ended(&order.order_id).await?;
    shop.check(&[first, order.order_id]).await
}

/// `DEADLINE_EXCEEDED`.
const EXPIRED: &str = "rpc_grpc_status_code=\"4\"";

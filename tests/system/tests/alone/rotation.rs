use std::time::Duration;

use anyhow::{Context, Result, ensure};
use proto::{events::v1::ListRequest, order::v1::GetOrderRequest};
use system_tests::{Clients, Customer, Load, Options, Service, Shop, new_request_id};
use testkit::{Certificates, TRUST_DOMAIN, eventually};
use tonic::Code;

use crate::machine;

/// Calls a second.
const RATE: u32 = 200;
/// Services look at their certificates every five seconds.
const TAKEN_OVER: Duration = Duration::from_secs(15);
/// After which connections are made anew, with the certificates of then.
const CONNECTION_AGE: &str = "1s";
const EXPIRY: &str = "bookstore_tls_certificate_expiry_seconds";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_certificates_and_authorities_are_replaced() -> Result<()> {
    let _machine = machine().await;
    let variables = vec![("BOOKSTORE_MAX_CONNECTION_AGE", CONNECTION_AGE.to_owned())];
    let shop = Shop::start_with(Options { replicas: 2, variables, ..Default::default() }).await?;
    let book = shop.seller().await?.add_book(100, 100).await?;
    let customer = shop.customer(1_000).await?;
    let order_id = customer.place(&book, 1).await?.order_id;
    customer.ended(&order_id).await?;
    let (old, new) = (testkit::certificates()?, Certificates::new(TRUST_DOMAIN)?);

    let (clients, reader, read) = (shop.clients()?, customer.clone(), order_id.clone());
    let load = Load::start(RATE, move |_| {
        let mut orders = clients.order();
        let request = reader.request(GetOrderRequest { order_id: read.clone() });
        async move { Ok(orders.get_order(request?).await.map(drop)?) }
    });
    // Callers and callees are not to look at their files at the same moments, as they do if they started together.
    for replica in [Service::Gateway.replica(0), Service::Gateway.replica(1)] {
        shop.stop_one(replica).await?;
        shop.start_again(replica).await?;
    }
    load.goes_on(200).await?;
    for (authority, trusted) in
        [(old, vec![old]), (old, vec![old, &new]), (&new, vec![old, &new]), (&new, vec![&new])]
    {
        renewed(&shop, authority, &trusted).await?;
        load.goes_on(300).await?;
    }
    // What the others do with the orders, over connections of their own.
    let request = customer.order_of(&new_request_id(), &[(&book, 1)]);
    let placed = customer.try_place_once(request).await?.context("PlaceOrder")?.order_id;
    customer.ended(&placed).await?;
    println!("{} calls", load.answered());
    load.succeeds().await?;

    for replica in shop.replicas().await.into_iter().filter(|replica| replica.service != Service::Gateway) {
        let knocks =
            async |authority| knock(&shop.clients_with(authority, "gateway", replica)?, &customer).await;
        knocks(&new).await.with_context(|| format!("{replica} refuses the new authority"))?;
        ensure!(knocks(old).await.is_err(), "{replica} accepts a certificate of the old authority");
    }
    shop.check(&[order_id, placed]).await
}

/// Replaces the certificates and waits until every process shows its new one.
async fn renewed(shop: &Shop, authority: &Certificates, trusted: &[&Certificates]) -> Result<()> {
    let replicas = shop.replicas().await;
    let mut before = Vec::new();
    for replica in &replicas {
        before.push(shop.metric(*replica, EXPIRY, "").await?);
    }
    shop.renew_certificates(authority, trusted)?;
    for (replica, before) in replicas.into_iter().zip(before) {
        eventually(&format!("{replica} shows its new certificate"), TAKEN_OVER, async || {
            let now = shop.metric(replica, EXPIRY, "").await.ok()?;
            (now > before + 1.0).then_some(())
        })
        .await?;
    }
    Ok(())
}

/// Whether calls get in, whatever is said to them there.
async fn knock(clients: &Clients, customer: &Customer) -> Result<()> {
    let answer = clients.dead_letters().list(customer.request(ListRequest::default())?).await;
    let refusal = answer.err().context("a customer may not do that")?;
    ensure!(refusal.code() == Code::PermissionDenied, "{refusal:?}");
    Ok(())
}

use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use proto::{
    identity::v1::AuthenticateUserRequest,
    inventory::v1::{GetBookDetailsRequest, get_book_details_request},
    order::v1::OrderState,
};
use system_tests::{Load, Options, PASSWORD, Shop, new_request_id};

use crate::machine;

/// Calls a second.
const READS: u32 = 50;
const ORDERS: u32 = 10;
/// Of calls that are never made twice. Hashing a password takes so long that some are always under way.
const SIGN_INS: u32 = 8;
const CUSTOMERS: usize = 10;
/// Until callers know that a replica goes: a name is good for a second.
const PROPAGATION: &str = "1s";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_and_no_order_is_lost_while_every_replica_is_restarted() -> Result<()> {
    let _machine = machine().await;
    let variables = vec![("BOOKSTORE_ENDPOINT_PROPAGATION", PROPAGATION.to_owned())];
    let shop = Shop::start_with(Options { replicas: 2, variables, ..Default::default() }).await?;
    let clients = shop.clients()?;
    let book = Arc::new(shop.seller().await?.add_book(100, 100_000).await?);
    let customers = Arc::new(shop.customers(CUSTOMERS, 100_000).await?);

    let reads = Load::start(READS, {
        let (clients, edition_id) = (clients.clone(), book.edition_id.clone());
        move |_| {
            let mut inventory = clients.inventory();
            let book = Some(get_book_details_request::Book::EditionId(edition_id.clone()));
            async move { Ok(inventory.get_book_details(GetBookDetailsRequest { book }).await.map(drop)?) }
        }
    });
    let placed = Arc::new(Mutex::new(Vec::new()));
    let orders = Load::start(ORDERS, {
        let (customers, placed) = (customers.clone(), placed.clone());
        move |number| {
            let (customers, book, placed) = (customers.clone(), book.clone(), placed.clone());
            async move {
                let buyer = number % CUSTOMERS;
                let request = customers[buyer].order_of(&new_request_id(), &[(&book, 1)]);
                let order_id = customers[buyer].try_place_once(request).await??.order_id;
                placed.lock().unwrap().push((buyer, order_id.clone()));
                let last = customers[buyer].watched_to_its_end(&order_id).await?;
                ensure!(last.state() == OrderState::Confirmed, "{last:?}");
                Ok(())
            }
        }
    });
    let sign_ins = Load::start(SIGN_INS, {
        let (clients, customers) = (clients.clone(), customers.clone());
        move |number| {
            let (email, password) = (customers[number % CUSTOMERS].email.clone(), PASSWORD.to_owned());
            let request = AuthenticateUserRequest { email, password };
            let mut identity = clients.identity();
            async move { Ok(identity.authenticate_user(request).await.map(drop)?) }
        }
    });
    reads.goes_on(100).await?;

    for replica in shop.replicas().await {
        shop.stop_one(replica).await?;
        shop.start_again(replica).await?;
        orders.goes_on(5).await?;
    }

    println!("{} reads, {} orders, {} sign-ins", reads.answered(), orders.answered(), sign_ins.answered());
    for load in [reads, orders, sign_ins] {
        load.succeeds().await?;
    }
    let placed = std::mem::take(&mut *placed.lock().unwrap());
    stream::iter(&placed)
        .map(async |(buyer, order_id)| {
            let order = customers[*buyer].order(order_id).await?;
            ensure!(order.state() == OrderState::Confirmed, "{order:?}");
            Ok(())
        })
        .buffered(16)
        .try_collect::<Vec<()>>()
        .await?;
    let placed: Vec<String> = placed.into_iter().map(|(_, order_id)| order_id).collect();
    shop.check(&placed).await
}

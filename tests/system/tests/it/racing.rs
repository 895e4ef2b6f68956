use std::collections::HashSet;

use anyhow::{Context, Result};
use futures::future::join_all;
use proto::order::v1::OrderState;
use system_tests::Shop;
use tonic::Code;
use tonic_types::StatusExt;

#[tokio::test]
async fn of_64_buyers_20_get_the_20_copies() -> Result<()> {
    let shop = Shop::start().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 20).await?;
    let customers = shop.customers(64, 2_500).await?;

    let request = |(number, customer): (usize, &system_tests::Customer)| {
        customer.order_of(&format!("race-{number}"), &[(&book, 1)])
    };
    let race = customers.iter().enumerate().map(|buyer| buyer.1.try_place(request(buyer)));
    let mut placed = Vec::new();
    for (customer, answer) in customers.iter().zip(join_all(race).await) {
        match answer? {
            Ok(order) => placed.push((customer, order.order_id)),
            Err(refusal) => assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal}"),
        }
    }

    assert_eq!(placed.len(), 20);
    for (customer, order_id) in &placed {
        assert_eq!(customer.ended(order_id).await?.state(), OrderState::Confirmed);
        assert_eq!(customer.balance().await?, 1_500);
    }
    assert_eq!(seller.stock(&book).await?, (0, 0));
    let mut balances = 0;
    for customer in &customers {
        balances += customer.balance().await?;
    }
    assert_eq!(balances, 64 * 2_500 - 20 * 1_000);
    let placed: Vec<String> = placed.into_iter().map(|(_, order_id)| order_id).collect();
    shop.check(&placed).await
}

#[tokio::test]
async fn one_request_sent_by_32_callers_at_once_is_one_order() -> Result<()> {
    let shop = Shop::start().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 100).await?;
    let customer = shop.customer(50_000).await?;
    let request = customer.order_of("only-once", &[(&book, 2)]);

    let callers = (0..32).map(|_| customer.try_place(request.clone()));
    let mut orders = HashSet::new();
    for answer in join_all(callers).await {
        orders.insert(answer??.order_id);
    }

    assert_eq!(orders.len(), 1, "{orders:?}");
    let order_id = orders.into_iter().next().context("no order")?;
    assert_eq!(customer.ended(&order_id).await?.state(), OrderState::Confirmed);
    assert_eq!(customer.balance().await?, 48_000);
    assert_eq!(seller.stock(&book).await?, (98, 0));
    assert_eq!(customer.try_place(request).await??.order_id, order_id);
    let other = customer.order_of("only-once", &[(&book, 3)]);
    let refusal = customer.try_place(other).await?.unwrap_err();
    assert_eq!(refusal.code(), Code::AlreadyExists);
    assert_eq!(refusal.get_details_error_info().context("no ErrorInfo")?.reason, "REQUEST_ID_REUSED");
    shop.check(&[order_id]).await
}

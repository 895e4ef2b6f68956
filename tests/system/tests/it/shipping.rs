use std::time::Duration;

use anyhow::{Context, Result};
use prost_types::FieldMask;
use proto::{
    identity::v1::UpdateAddressRequest,
    order::v1::{OrderState, OrderStep, ShipmentState},
};
use system_tests::{Customer, Shop};
use testkit::eventually;
use tonic::Code;

/// Until something that happened elsewhere has its effect.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn two_shops_send_their_parts_of_an_order_apart() -> Result<()> {
    let shop = Shop::shared().await?;
    let (first, second) = (shop.seller().await?, shop.seller().await?);
    let (emma, persuasion) = (first.add_book(1_000, 5).await?, second.add_book(900, 5).await?);
    let customer = shop.customer(10_000).await?;
    let order = customer.try_place(customer.order_of("two-shops", &[(&emma, 1), (&persuasion, 2)])).await??;
    let id = &order.order_id;
    let order = customer.ended(id).await?;
    assert_eq!(order.state(), OrderState::Confirmed);
    assert_eq!(order.shipments.len(), 2);

    let others = second.owner().try_move(id, &first.shop_id, ShipmentState::Shipped).await?;
    assert_eq!(others.expect_err("the other shop's").code(), Code::NotFound);

    let sent = first.owner().try_move(id, &first.shop_id, ShipmentState::Shipped).await??;
    assert_eq!(sent.lines.len(), 1, "a shop sees its own part");
    assert_eq!(customer.order(id).await?.state(), OrderState::PartiallyShipped);
    let refusal = customer.cancel(id).await.expect_err("it is on its way");
    assert!(format!("{refusal:#}").contains("cancel"), "{refusal:#}");
    first.owner().try_move(id, &first.shop_id, ShipmentState::Delivered).await??;
    assert_eq!(customer.order(id).await?.state(), OrderState::PartiallyShipped);
    second.owner().try_move(id, &second.shop_id, ShipmentState::Shipped).await??;
    assert_eq!(customer.order(id).await?.state(), OrderState::Shipped);
    second.owner().try_move(id, &second.shop_id, ShipmentState::Delivered).await??;

    let order = customer.order(id).await?;
    let mut states: Vec<OrderState> = order.history.iter().map(OrderStep::state).collect();
    // A parcel that moves on where the order stays is a row of the history too.
    states.dedup();
    assert_eq!(
        states,
        [
            OrderState::Pending,
            OrderState::Confirmed,
            OrderState::PartiallyShipped,
            OrderState::Shipped,
            OrderState::Delivered
        ]
    );
    shop.check_orders(&[order.order_id]).await
}

#[tokio::test]
async fn a_changed_address_reaches_only_what_is_not_sent_yet() -> Result<()> {
    let shop = Shop::shared().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 5).await?;
    let customer = shop.customer(5_000).await?;
    let (sent, waiting) = (customer.place(&book, 1).await?, customer.place(&book, 1).await?);
    for order in [&sent, &waiting] {
        assert_eq!(customer.ended(&order.order_id).await?.state(), OrderState::Confirmed);
    }
    seller.owner().try_move(&sent.order_id, &seller.shop_id, ShipmentState::Shipped).await??;

    let request = UpdateAddressRequest {
        address_id: customer.address_id.clone(),
        city: "Leeds".to_owned(),
        update_mask: Some(FieldMask { paths: vec!["city".to_owned()] }),
        ..Default::default()
    };
    shop.clients()?.identity().update_address(customer.request(request)?).await?;

    eventually("the order that waits goes to Leeds", SOON, async || {
        (city(&customer, &waiting.order_id).await.ok()? == "Leeds").then_some(())
    })
    .await?;
    assert_eq!(city(&customer, &sent.order_id).await?, "London");
    shop.check_orders(&[sent.order_id, waiting.order_id]).await
}

async fn city(customer: &Customer, order_id: &str) -> Result<String> {
    Ok(customer.order(order_id).await?.shipping_address.context("no address")?.city)
}

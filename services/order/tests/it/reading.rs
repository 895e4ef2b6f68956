//! Reading one's own orders, and nobody else's.

use anyhow::Result;
use proto::order::v1::{
    GetOrderHistoryRequest, GetOrderHistoryResponse, GetOrderStatusRequest, Order, OrderState,
};
use testkit::as_user;
use tonic::Code;
use values::OrderId;

use crate::shop::{Reader, Shop};

async fn page(shop: &Shop, reader: &Reader, size: i32, token: &str) -> Result<GetOrderHistoryResponse> {
    let request = GetOrderHistoryRequest { page_size: size, page_token: token.to_owned() };
    Ok(shop.client.clone().get_order_history(as_user(&reader.token, request)?).await?.into_inner())
}

#[tokio::test]
async fn an_order_is_read_by_its_customer_only() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, stranger) = (shop.reader()?, shop.reader()?);
    let order = shop.pending(&reader).await?;

    for (who, order_id) in [(&stranger, order.order_id.clone()), (&reader, OrderId::new().to_string())] {
        assert_eq!(shop.get(who, &order_id).await?.expect_err("read").code(), Code::NotFound);
        let request = as_user(&who.token, GetOrderStatusRequest { order_id })?;
        assert_eq!(
            shop.client.clone().get_order_status(request).await.expect_err("read").code(),
            Code::NotFound
        );
    }
    assert!(page(&shop, &stranger, 0, "").await?.orders.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_status_says_what_the_order_says() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.confirmed(&reader).await?;

    let request = as_user(&reader.token, GetOrderStatusRequest { order_id: order.order_id.clone() })?;
    let status = shop.client.clone().get_order_status(request).await?.into_inner();

    assert_eq!(status.state(), OrderState::Confirmed);
    assert_eq!(status.payment_state(), order.payment_state());
    assert_eq!(status.stock_state(), order.stock_state());
    assert_eq!((status.version, status.update_time), (order.version, order.update_time));
    Ok(())
}

#[tokio::test]
async fn pages_bring_every_order_once_the_newest_first() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, other) = (shop.reader()?, shop.reader()?);
    let mut placed: Vec<Order> = Vec::new();
    for _ in 0..7 {
        placed.push(shop.pending(&reader).await?);
        shop.pending(&other).await?;
    }
    placed.reverse();

    let first = page(&shop, &reader, 3, "").await?;
    let second = page(&shop, &reader, 3, &first.next_page_token).await?;
    // Newer than the cursor: belongs to no later page.
    shop.pending(&reader).await?;
    let third = page(&shop, &reader, 3, &second.next_page_token).await?;

    assert_eq!([first.orders, second.orders, third.orders].concat(), placed);
    assert_eq!(third.next_page_token, "");

    let exact = page(&shop, &reader, 8, "").await?;
    assert_eq!((exact.orders.len(), exact.next_page_token.as_str()), (8, ""));
    Ok(())
}

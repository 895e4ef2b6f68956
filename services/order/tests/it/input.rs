//! What is refused, and how it is named.

use anyhow::{Context as _, Result};
use proto::order::v1::{
    CancelOrderRequest, GetOrderHistoryRequest, GetOrderRequest, GetOrderStatusRequest, OrderItem,
    PaymentMethod, PlaceOrderRequest, WatchOrderRequest,
};
use testkit::as_user;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use values::{CardId, OfferId, OrderId};

use crate::shop::{Shop, item, request};

fn wrong_fields<T>(answer: Result<T, Status>) -> Result<Vec<String>> {
    let status = answer.err().context("an answer")?;
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert_eq!(status.get_details_error_info().context("no ErrorInfo")?.reason, "INVALID_FIELDS");
    let request = status.get_details_bad_request().context("no BadRequest")?;
    Ok(request.field_violations.into_iter().map(|violation| violation.field).collect())
}

#[tokio::test]
async fn every_wrong_field_of_an_order_is_named_at_once() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let good = request(&reader);
    let twice = OfferId::new().to_string();

    for (request, wrong) in [
        (PlaceOrderRequest::default(), vec!["request_id", "items", "payment_method"]),
        (PlaceOrderRequest { request_id: "a b".to_owned(), ..good.clone() }, vec!["request_id"]),
        (PlaceOrderRequest { request_id: "a".repeat(65), ..good.clone() }, vec!["request_id"]),
        (PlaceOrderRequest { address_id: twice.clone(), ..good.clone() }, vec!["address_id"]),
        (PlaceOrderRequest { payment_method: 77, ..good.clone() }, vec!["payment_method"]),
        (PlaceOrderRequest { card_id: CardId::new().to_string(), ..good.clone() }, vec!["card_id"]),
        (PlaceOrderRequest { payment_method: PaymentMethod::Card.into(), ..good.clone() }, vec!["card_id"]),
        (PlaceOrderRequest { items: vec![item(1); 101], ..good.clone() }, vec!["items"]),
        (
            PlaceOrderRequest {
                items: vec![
                    item(0),
                    OrderItem { offer_id: twice.clone(), quantity: 1001 },
                    OrderItem { offer_id: "'; DROP TABLE orders; --".to_owned(), quantity: -1 },
                    OrderItem { offer_id: twice.clone(), quantity: 1 },
                ],
                ..good.clone()
            },
            vec![
                "items[0].quantity",
                "items[1].quantity",
                "items[2].offer_id",
                "items[2].quantity",
                "items[3].offer_id",
            ],
        ),
    ] {
        assert_eq!(wrong_fields(shop.place(&reader, request.clone()).await?)?, wrong, "{request:?}");
    }
    assert_eq!(shop.inventory.reserve_calls(), 0);
    assert_eq!(shop.number("SELECT count(*) FROM orders").await?, 0);
    Ok(())
}

#[tokio::test]
async fn of_more_wrong_fields_than_an_answer_holds_the_first_are_named_and_the_others_counted() -> Result<()>
{
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let request = PlaceOrderRequest {
        request_id: "a b".to_owned(),
        items: vec![OrderItem { offer_id: "no offer at all".to_owned(), quantity: -1 }; 100],
        address_id: "no address at all".to_owned(),
        payment_method: 77,
        card_id: String::new(),
    };

    let refused = shop.place(&reader, request).await?.err().context("an answer")?;

    assert_eq!(refused.message(), "203 fields of the request are wrong");
    let mut named = refused.get_details_bad_request().context("no BadRequest")?.field_violations;
    let last = named.pop().context("no field")?;
    assert_eq!(named[0].field, "request_id");
    assert!((100..202).contains(&named.len()), "{} fields are named", named.len());
    assert_eq!(last.description, format!("and {} more", 203 - named.len()));
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_of_the_other_calls_is_named() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let mut client = shop.client.clone();
    let order_id = "ord_1".to_owned();

    let request = GetOrderRequest { order_id: order_id.clone() };
    assert_eq!(wrong_fields(client.get_order(as_user(&reader.token, request)?).await)?, ["order_id"]);
    let request = GetOrderStatusRequest::default();
    assert_eq!(wrong_fields(client.get_order_status(as_user(&reader.token, request)?).await)?, ["order_id"]);
    let request = WatchOrderRequest { order_id: order_id.clone() };
    assert_eq!(wrong_fields(client.watch_order(as_user(&reader.token, request)?).await)?, ["order_id"]);
    let request = CancelOrderRequest { request_id: String::new(), order_id, note: "a".repeat(201) };
    assert_eq!(
        wrong_fields(client.cancel_order(as_user(&reader.token, request)?).await)?,
        ["request_id", "order_id", "note"]
    );
    let request = GetOrderHistoryRequest { page_size: -1, page_token: "made up".to_owned() };
    assert_eq!(
        wrong_fields(client.get_order_history(as_user(&reader.token, request)?).await)?,
        ["page_size", "page_token"]
    );
    Ok(())
}

#[tokio::test]
async fn nobody_orders_without_signing_in() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let mut client = shop.client.clone();
    let order_id = OrderId::new().to_string();

    let codes = [
        client.place_order(Request::new(request(&reader))).await.map(drop),
        client.get_order(GetOrderRequest { order_id: order_id.clone() }).await.map(drop),
        client.get_order_status(GetOrderStatusRequest { order_id: order_id.clone() }).await.map(drop),
        client.watch_order(WatchOrderRequest { order_id }).await.map(drop),
        client.cancel_order(CancelOrderRequest::default()).await.map(drop),
        client.get_order_history(GetOrderHistoryRequest::default()).await.map(drop),
    ]
    .map(|answer| answer.map_err(|status| status.code()));
    assert_eq!(codes, [Err(Code::Unauthenticated); 6]);
    Ok(())
}

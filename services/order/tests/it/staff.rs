//! What those who run the whole see and do.

use anyhow::{Context as _, Result};
use auth::Permission;
use proto::{
    order::v1::{
        Actor, CancelOrderRequest, CancelReason, GetOrderStatusRequest, ListOrdersRequest,
        ListOrdersResponse, OrderState, PaymentState, StockState,
    },
    payment::v1::FailureReason,
};
use testkit::as_user;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::shop::{Reader, Shop};

async fn list(
    shop: &Shop,
    who: &Reader,
    request: ListOrdersRequest,
) -> Result<Result<ListOrdersResponse, Status>> {
    let answer = shop.client.clone().list_orders(as_user(&who.token, request)?).await;
    Ok(answer.map(tonic::Response::into_inner))
}

#[tokio::test]
async fn everybodys_orders_are_listed_for_staff_without_names_and_streets() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, other) = (shop.reader()?, shop.reader()?);
    let staff = shop.staff(&[Permission::ORDERS_READ])?;
    let mut placed = vec![];
    for who in [&reader, &other, &reader] {
        placed.insert(0, shop.pending(who).await?.order_id);
    }

    let first = list(&shop, &staff, ListOrdersRequest { page_size: 2, ..Default::default() }).await??;
    let next = ListOrdersRequest { page_token: first.next_page_token.clone(), ..Default::default() };
    let second = list(&shop, &staff, next).await??;

    let all = [first.orders, second.orders].concat();
    assert_eq!(all.iter().map(|order| order.order_id.clone()).collect::<Vec<_>>(), placed);
    for order in &all {
        let address = order.shipping_address.as_ref().context("no address")?;
        assert_eq!((order.customer_name.as_str(), address.recipient.as_str()), ("", ""));
        assert!(address.lines.is_empty() && address.postal_code.is_empty());
        assert_eq!(address.city, "London");
    }
    let refused = list(&shop, &reader, ListOrdersRequest::default()).await?.expect_err("listed");
    assert_eq!(refused.code(), Code::PermissionDenied);
    Ok(())
}

#[tokio::test]
async fn staff_find_what_went_wrong() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, other) = (shop.reader()?, shop.reader()?);
    let staff = shop.staff(&[Permission::ORDERS_READ])?;
    let failed = shop.pending(&reader).await?;
    shop.fail(&failed, FailureReason::CardExpired).await?;
    shop.in_state(OrderState::Cancelled, &reader, &failed).await?;
    let given_up = shop.confirmed(&reader).await?;
    shop.cancel(&reader, "cancel", &given_up.order_id).await??;
    let confirmed = shop.confirmed(&other).await?;

    let any = ListOrdersRequest::default();
    for (request, found) in [
        (ListOrdersRequest { state: OrderState::Cancelled.into(), ..any.clone() }, vec![&given_up, &failed]),
        (
            ListOrdersRequest { cancel_reason: CancelReason::PaymentDeclined.into(), ..any.clone() },
            vec![&failed],
        ),
        (ListOrdersRequest { payment_state: PaymentState::Failed.into(), ..any.clone() }, vec![&failed]),
        (ListOrdersRequest { stock_state: StockState::Committed.into(), ..any.clone() }, vec![&confirmed]),
        (ListOrdersRequest { user_id: other.user.to_string(), ..any.clone() }, vec![&confirmed]),
        (ListOrdersRequest { state: OrderState::Delivered.into(), ..any.clone() }, vec![]),
    ] {
        let listed = list(&shop, &staff, request).await??.orders;
        let ids: Vec<_> = listed.iter().map(|order| &order.order_id).collect();
        assert_eq!(ids, found.iter().map(|order| &order.order_id).collect::<Vec<_>>());
    }
    let wrong = ListOrdersRequest {
        state: 99,
        cancel_reason: 99,
        payment_state: 99,
        stock_state: 99,
        user_id: "x".to_owned(),
        page_size: -1,
        page_token: "made up".to_owned(),
    };
    let refused = list(&shop, &staff, wrong).await?.expect_err("listed");
    assert_eq!(refused.get_details_bad_request().context("no BadRequest")?.field_violations.len(), 7);
    Ok(())
}

#[tokio::test]
async fn any_order_is_read_with_the_permission_to() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let staff = shop.staff(&[Permission::ORDERS_READ])?;
    let order = shop.pending(&reader).await?;

    let read = shop.get(&staff, &order.order_id).await??;
    assert_eq!((read.user_id, read.customer_name), (reader.user.to_string(), "Ada".to_owned()));
    let request = GetOrderStatusRequest { order_id: order.order_id.clone() };
    shop.client.clone().get_order_status(as_user(&staff.token, request)?).await?;
    // Reading is not doing.
    let refused = shop.cancel(&staff, "cancel", &order.order_id).await?.expect_err("cancelled");
    assert_eq!(refused.code(), Code::NotFound);
    Ok(())
}

#[tokio::test]
async fn staff_cancel_anybodys_order_and_it_says_so() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let staff = shop.staff(&[Permission::ORDERS_MANAGE])?;
    let order = shop.confirmed(&reader).await?;

    let request = CancelOrderRequest {
        request_id: "cancel".to_owned(),
        order_id: order.order_id.clone(),
        note: "recalled".to_owned(),
    };
    let mut client = shop.client.clone();
    let first = client.cancel_order(as_user(&staff.token, request.clone())?).await?.into_inner();
    let again = client.cancel_order(as_user(&staff.token, request)?).await?.into_inner();

    assert_eq!(first, again);
    assert_eq!(first.cancel_reason(), CancelReason::Staff);
    let order = shop.get(&reader, &order.order_id).await??;
    let step = order.history.last().context("no history")?;
    assert_eq!((step.actor(), step.note.as_str()), (Actor::Staff, "recalled"));
    Ok(())
}

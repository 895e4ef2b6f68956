//! Books that come back.

use anyhow::{Context as _, Result};
use auth::Permission;
use proto::order::v1::{
    Actor, ListReturnsRequest, ListReturnsResponse, Order, OrderItem, OrderReturned, OrderState, OrderStep,
    RequestReturnRequest, ResolveReturnRequest, Return, ReturnRequested, ReturnState,
};
use testkit::{as_user, eventually, published};
use tonic::Code;
use tonic_types::StatusExt as _;
use values::ShopId;

use crate::{
    fulfilment::fresh_id,
    inventory::PRICE,
    shop::{Answer, Reader, SOON, Shop},
};

fn back(order: &Order, items: &[(usize, i32)]) -> RequestReturnRequest {
    let items = items
        .iter()
        .map(|&(line, quantity)| OrderItem { offer_id: order.lines[line].offer_id.clone(), quantity });
    RequestReturnRequest {
        request_id: fresh_id(),
        order_id: order.order_id.clone(),
        shop_id: order.lines[0].shop_id.clone(),
        items: items.collect(),
        reason: "read it already".to_owned(),
    }
}

fn say(made: &Return, accept: bool, restock: bool) -> ResolveReturnRequest {
    ResolveReturnRequest {
        request_id: fresh_id(),
        return_id: made.return_id.clone(),
        accept,
        restock,
        answer: "as you say".to_owned(),
    }
}

async fn list(shop: &Shop, who: &Reader, request: ListReturnsRequest) -> Result<Answer<ListReturnsResponse>> {
    let answer = shop.client.clone().list_returns(as_user(&who.token, request)?).await;
    Ok(answer.map(tonic::Response::into_inner))
}

#[tokio::test]
async fn what_a_shop_takes_back_is_told_with_its_price_and_the_order_follows() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, seller) = (shop.reader()?, ShopId::new());
    let ann = shop.worker(&[seller]).await?;
    let order = shop.delivered_of(&reader, &[seller]).await?;

    let first = shop.send_back(&reader, back(&order, &[(0, 1)])).await??;
    assert_eq!(first.state(), ReturnState::Requested);
    assert_eq!(first.amount.as_ref().context("no amount")?.minor_units, PRICE);
    assert_eq!(shop.get(&reader, &order.order_id).await??.state(), OrderState::ReturnRequested);
    let taken = shop.resolve(&ann, say(&first, true, true)).await??;
    assert_eq!((taken.state(), taken.restocked), (ReturnState::Accepted, true));
    assert_eq!(shop.get(&reader, &order.order_id).await??.state(), OrderState::Delivered);
    let rest = shop.send_back(&reader, back(&order, &[])).await??;
    assert_eq!(rest.items[0].quantity, 1, "all that is left");
    shop.resolve(&ann, say(&rest, true, false)).await??;

    let order = shop.get(&reader, &order.order_id).await??;
    assert_eq!(order.state(), OrderState::Returned);
    let actors: Vec<_> = order.history.iter().rev().take(2).map(OrderStep::actor).collect();
    assert_eq!(actors, [Actor::Shop, Actor::Customer]);
    let returned = eventually("both are announced", SOON, async || {
        let returned = published::<OrderReturned>(&shop.broker).await.ok()?;
        (returned.len() == 2).then_some(returned)
    })
    .await?;
    assert_eq!(returned[0].event.return_id, first.return_id);
    assert_eq!(returned[0].event.items, first.items);
    assert_eq!(returned[0].event.amount, first.amount);
    assert_eq!(returned.iter().map(|one| one.event.restock).collect::<Vec<_>>(), [true, false]);
    let (_, reservation) = shop.inventory.reservations().pop().context("no reservation")?;
    assert_eq!(returned[0].event.reservation_id, reservation.reservation_id);
    let asked = published::<ReturnRequested>(&shop.broker).await?;
    assert_eq!(asked.len(), 2);
    assert_eq!((&asked[0].aggregate_id, &asked[0].event.shop_id), (&order.order_id, &seller.to_string()));
    Ok(())
}

#[tokio::test]
async fn what_is_rejected_may_be_asked_for_again() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, seller) = (shop.reader()?, ShopId::new());
    let ann = shop.worker(&[seller]).await?;
    let order = shop.delivered_of(&reader, &[seller]).await?;

    let made = shop.send_back(&reader, back(&order, &[])).await??;
    let twice = shop.send_back(&reader, back(&order, &[(0, 1)])).await?.expect_err("asked");
    assert_eq!(twice.code(), Code::FailedPrecondition);
    assert_eq!(twice.get_details_error_info().context("no ErrorInfo")?.reason, "NOT_LEFT_TO_RETURN");
    shop.resolve(&ann, say(&made, false, false)).await??;
    assert_eq!(shop.get(&reader, &order.order_id).await??.state(), OrderState::Delivered);

    shop.send_back(&reader, back(&order, &[(0, 2)])).await??;
    assert!(published::<OrderReturned>(&shop.broker).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn no_more_comes_back_than_was_bought_however_many_ask_at_once() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, seller) = (shop.reader()?, ShopId::new());
    let order = shop.delivered_of(&reader, &[seller]).await?;

    let asks = (0..8).map(|_| shop.send_back(&reader, back(&order, &[(0, 1)])));
    let answers = futures::future::try_join_all(asks).await?;

    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 6);
    assert!(refused.iter().all(|status| status.code() == Code::FailedPrecondition), "{refused:?}");
    assert_eq!(shop.number("SELECT claimed FROM orders").await?, 2 * PRICE);
    Ok(())
}

#[tokio::test]
async fn only_delivered_orders_of_ones_own_come_back() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, stranger, seller) = (shop.reader()?, shop.reader()?, ShopId::new());
    let confirmed = shop.confirmed_of(&reader, &[seller]).await?;
    let early = shop.send_back(&reader, back(&confirmed, &[])).await?.expect_err("asked");
    assert_eq!(early.code(), Code::FailedPrecondition);

    let order = shop.delivered_of(&reader, &[seller]).await?;
    let staff = shop.staff(&[Permission::ORDERS_READ, Permission::ORDERS_MANAGE])?;
    for who in [&stranger, &staff] {
        assert_eq!(shop.send_back(who, back(&order, &[])).await?.expect_err("asked").code(), Code::NotFound);
    }
    let elsewhere = RequestReturnRequest { shop_id: ShopId::new().to_string(), ..back(&order, &[]) };
    assert_eq!(shop.send_back(&reader, elsewhere).await?.expect_err("asked").code(), Code::NotFound);
    Ok(())
}

#[tokio::test]
async fn of_two_shops_one_is_to_be_named() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, one, other) = (shop.reader()?, ShopId::new(), ShopId::new());
    let order = shop.delivered_of(&reader, &[one, other]).await?;

    let unnamed = RequestReturnRequest { shop_id: String::new(), ..back(&order, &[]) };
    assert_eq!(shop.send_back(&reader, unnamed).await?.expect_err("asked").code(), Code::InvalidArgument);
    // A line of the other shop's.
    let foreign = shop.send_back(&reader, back(&order, &[(1, 1)])).await?.expect_err("asked");
    assert_eq!(foreign.code(), Code::FailedPrecondition);
    let made = shop.send_back(&reader, back(&order, &[])).await??;
    assert_eq!(made.items.len(), 1);
    Ok(())
}

#[tokio::test]
async fn the_same_request_makes_one_return_and_resolves_it_once() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, seller) = (shop.reader()?, ShopId::new());
    let ann = shop.worker(&[seller]).await?;
    let order = shop.delivered_of(&reader, &[seller]).await?;

    let ask = back(&order, &[]);
    let made = futures::future::try_join_all((0..8).map(|_| shop.send_back(&reader, ask.clone()))).await?;
    let made = made.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert!(made.iter().all(|one| *one == made[0]));
    let other = RequestReturnRequest { reason: String::new(), ..ask };
    assert_eq!(shop.send_back(&reader, other).await?.expect_err("asked").code(), Code::AlreadyExists);

    let answer = say(&made[0], true, true);
    let taken = futures::future::try_join_all((0..8).map(|_| shop.resolve(&ann, answer.clone()))).await?;
    let taken = taken.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert!(taken.iter().all(|one| *one == taken[0] && one.state() == ReturnState::Accepted));
    let reused = ResolveReturnRequest { answer: String::new(), ..answer };
    assert_eq!(shop.resolve(&ann, reused).await?.expect_err("resolved").code(), Code::AlreadyExists);
    assert_eq!(shop.number("SELECT count(*) FROM outbox WHERE subject LIKE '%returned'").await?, 1);

    // The same once more under another id is as well; the other way is not.
    shop.resolve(&ann, say(&made[0], true, true)).await??;
    for (accept, restock) in [(false, false), (true, false)] {
        let turned = shop.resolve(&ann, say(&made[0], accept, restock)).await?.expect_err("resolved");
        assert_eq!(turned.code(), Code::FailedPrecondition);
    }
    Ok(())
}

#[tokio::test]
async fn a_return_is_for_its_shop_and_its_customer_and_for_staff() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, stranger) = (shop.reader()?, shop.reader()?);
    let (seller, other) = (ShopId::new(), ShopId::new());
    let (ann, bob) = (shop.worker(&[seller]).await?, shop.worker(&[other]).await?);
    let staff = shop.staff(&[Permission::ORDERS_READ, Permission::ORDERS_MANAGE])?;
    let order = shop.delivered_of(&reader, &[seller]).await?;
    let made = shop.send_back(&reader, back(&order, &[(0, 1)])).await??;

    for who in [&reader, &stranger, &bob] {
        let refused = shop.resolve(who, say(&made, true, false)).await?.expect_err("resolved");
        assert_eq!(refused.code(), Code::NotFound);
    }
    let of_shop = ListReturnsRequest { shop_id: seller.to_string(), ..Default::default() };
    let of_order = ListReturnsRequest { order_id: order.order_id.clone(), ..Default::default() };
    for (who, request) in [
        (&ann, of_shop.clone()),
        (&staff, of_shop.clone()),
        (&staff, of_order.clone()),
        (&staff, ListReturnsRequest::default()),
        (&staff, ListReturnsRequest { state: ReturnState::Requested.into(), ..Default::default() }),
        (&reader, of_order.clone()),
        (&reader, ListReturnsRequest::default()),
    ] {
        assert_eq!(list(&shop, who, request).await??.returns, std::slice::from_ref(&made));
    }
    for (who, request) in [
        (&stranger, of_order),
        (&ann, ListReturnsRequest::default()),
        (&staff, ListReturnsRequest { state: ReturnState::Accepted.into(), ..Default::default() }),
        (&ann, ListReturnsRequest { state: ReturnState::Accepted.into(), ..of_shop.clone() }),
    ] {
        assert!(list(&shop, who, request).await??.returns.is_empty());
    }
    for who in [&bob, &stranger] {
        assert_eq!(list(&shop, who, of_shop.clone()).await?.expect_err("listed").code(), Code::NotFound);
    }
    let by_staff = shop.resolve(&staff, say(&made, true, false)).await??;
    assert_eq!(by_staff.state(), ReturnState::Accepted);
    let order = shop.get(&reader, &order.order_id).await??;
    assert_eq!(order.history.last().map(OrderStep::actor), Some(Actor::Staff));
    Ok(())
}

#[tokio::test]
async fn pages_bring_every_return_once() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, seller) = (shop.reader()?, ShopId::new());
    let mut made = vec![];
    for _ in 0..3 {
        let order = shop.delivered_of(&reader, &[seller]).await?;
        made.push(shop.send_back(&reader, back(&order, &[])).await??);
    }

    let two = ListReturnsRequest { page_size: 2, ..Default::default() };
    let first = list(&shop, &reader, two.clone()).await??;
    let next = ListReturnsRequest { page_token: first.next_page_token.clone(), ..two };
    let second = list(&shop, &reader, next).await??;

    assert_eq!([first.returns, second.returns].concat(), made);
    assert_eq!(second.next_page_token, "");
    Ok(())
}

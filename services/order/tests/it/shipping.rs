//! Shops that send their parts of orders.

use anyhow::{Context as _, Result};
use auth::Permission;
use proto::{
    inventory::v1::ShopRole,
    order::v1::{
        Actor, ListShipmentsRequest, ListShipmentsResponse, OrderDelivered, OrderShipped, OrderState,
        OrderStep, ShipmentState, UpdateOrderStatusRequest,
    },
};
use sea_orm::ConnectionTrait as _;
use testkit::{as_user, eventually, published};
use tonic::Code;
use tonic_types::StatusExt as _;
use values::ShopId;

use crate::{
    fulfilment::{arrived, fresh_id, sent},
    shop::{Answer, Reader, SOON, Shop},
};

async fn shipments(
    shop: &Shop,
    who: &Reader,
    request: ListShipmentsRequest,
) -> Result<Answer<ListShipmentsResponse>> {
    let answer = shop.client.clone().list_shipments(as_user(&who.token, request)?).await;
    Ok(answer.map(tonic::Response::into_inner))
}

fn of(seller: ShopId) -> ListShipmentsRequest {
    ListShipmentsRequest { shop_id: seller.to_string(), ..Default::default() }
}

#[tokio::test]
async fn two_shops_send_their_parts_apart_and_the_order_follows() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let (one, other) = (ShopId::new(), ShopId::new());
    let (ann, bob) = (shop.worker(&[one]).await?, shop.worker(&[other]).await?);
    let order = shop.confirmed_of(&reader, &[one, other]).await?;
    assert_eq!(order.shipments.len(), 2);
    assert!(order.shipments.iter().all(|part| part.state() == ShipmentState::Ready));

    let mut states = vec![];
    for (who, told) in [
        (&ann, sent(&order, None)),
        (&ann, arrived(&order, None)),
        (&bob, sent(&order, None)),
        (&bob, arrived(&order, None)),
    ] {
        let answer = shop.tell(who, told).await??;
        assert!(answer.ship_time.is_some() && !answer.tracking_number.is_empty(), "{answer:?}");
        states.push(shop.get(&reader, &order.order_id).await??.state());
    }

    let expected = [
        OrderState::PartiallyShipped,
        OrderState::PartiallyShipped,
        OrderState::Shipped,
        OrderState::Delivered,
    ];
    assert_eq!(states, expected);
    let order = shop.get(&reader, &order.order_id).await??;
    let steps: Vec<_> = order.history.iter().map(|step| (step.state(), step.actor())).collect();
    let placed = [(OrderState::Pending, Actor::Customer), (OrderState::Confirmed, Actor::System)];
    assert_eq!(steps[..2], placed);
    assert_eq!(steps[2..], expected.map(|state| (state, Actor::Shop)));
    assert_eq!(order.history[2].note, "left at noon");

    let shipped = eventually("both are announced", SOON, async || {
        let shipped = published::<OrderShipped>(&shop.broker).await.ok()?;
        (shipped.len() == 2).then_some(shipped)
    })
    .await?;
    assert_eq!(shipped[0].event.shop_id, one.to_string());
    assert_eq!((shipped[0].event.tracking_number.as_str(), shipped[0].sequence), ("RM 123", 3));
    eventually("both have arrived", SOON, async || {
        (published::<OrderDelivered>(&shop.broker).await.ok()?.len() == 2).then_some(())
    })
    .await
}

#[tokio::test]
async fn a_shop_sees_its_own_lines_and_the_address_and_nothing_else() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let (one, other) = (ShopId::new(), ShopId::new());
    let ann = shop.worker(&[one]).await?;
    let order = shop.confirmed_of(&reader, &[one, other]).await?;
    shop.confirmed_of(&reader, &[other]).await?;

    let [part] = &shipments(&shop, &ann, of(one)).await??.shipments[..] else { anyhow::bail!("not one") };

    let shops: Vec<_> = part.lines.iter().map(|line| line.shop_id.clone()).collect();
    assert_eq!(shops, [one.to_string()]);
    assert_eq!(part.order_id, order.order_id);
    assert_eq!(part.shipping_address.as_ref().context("no address")?.recipient, "Ada Lovelace");
    for seller in [other, ShopId::new()] {
        assert_eq!(shipments(&shop, &ann, of(seller)).await?.expect_err("listed").code(), Code::NotFound);
    }
    assert_eq!(shop.get(&ann, &order.order_id).await?.expect_err("read").code(), Code::NotFound);
    Ok(())
}

#[tokio::test]
async fn only_who_works_in_a_shop_tells_of_its_parcels() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let (one, other) = (ShopId::new(), ShopId::new());
    let (bob, stranger) = (shop.worker(&[other]).await?, shop.reader()?);
    let order = shop.confirmed_of(&reader, &[one]).await?;

    for who in [&reader, &bob, &stranger] {
        for named in [None, Some(one)] {
            let refused = shop.tell(who, sent(&order, named)).await?.expect_err("told");
            assert_eq!(refused.code(), Code::NotFound);
        }
    }
    let staff = shop.staff(&[Permission::ORDERS_MANAGE])?;
    shop.tell(&staff, sent(&order, None)).await??;
    let order = shop.get(&reader, &order.order_id).await??;
    assert_eq!(order.history.last().map(OrderStep::actor), Some(Actor::Staff));
    Ok(())
}

#[tokio::test]
async fn only_legal_steps_are_taken_and_only_while_the_order_stands() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let seller = ShopId::new();
    let ann = shop.worker(&[seller]).await?;
    let refused = async |told| -> Result<Code> { Ok(shop.tell(&ann, told).await?.expect_err("told").code()) };

    let order = shop.confirmed_of(&reader, &[seller]).await?;
    assert_eq!(refused(arrived(&order, None)).await?, Code::FailedPrecondition);
    shop.tell(&ann, sent(&order, None)).await??;
    assert_eq!(refused(sent(&order, None)).await?, Code::FailedPrecondition);
    let late = shop.cancel(&reader, "late", &order.order_id).await?.expect_err("cancelled");
    assert_eq!(late.code(), Code::FailedPrecondition);

    let cancelled = shop.confirmed_of(&reader, &[seller]).await?;
    let cancelled = shop.cancel(&reader, "cancel", &cancelled.order_id).await??;
    assert_eq!(cancelled.shipments[0].state(), ShipmentState::Cancelled);
    assert_eq!(refused(sent(&cancelled, None)).await?, Code::FailedPrecondition);
    let listed = shipments(&shop, &ann, of(seller)).await??.shipments;
    let cancelled = listed.iter().find(|part| part.order_id == cancelled.order_id).context("not listed")?;
    assert_eq!(cancelled.shipping_address, None, "nobody has to know where it does not go");
    Ok(())
}

#[tokio::test]
async fn the_same_request_tells_once_and_another_is_refused() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let seller = ShopId::new();
    let ann = shop.worker(&[seller]).await?;
    let order = shop.confirmed_of(&reader, &[seller]).await?;
    let told = sent(&order, None);

    let answers = futures::future::try_join_all((0..8).map(|_| shop.tell(&ann, told.clone()))).await?;
    let first = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert!(first.iter().all(|answer| *answer == first[0]));
    shop.tell(&ann, arrived(&order, None)).await??;

    let again = shop.tell(&ann, told.clone()).await??;
    assert_eq!(again.state(), ShipmentState::Delivered, "as it is now");
    let other = UpdateOrderStatusRequest { tracking_number: "RM 124".to_owned(), ..told.clone() };
    let refused = shop.tell(&ann, other).await?.expect_err("told");
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert_eq!(refused.get_details_error_info().context("no ErrorInfo")?.reason, "REQUEST_ID_REUSED");
    assert_eq!(shop.get(&reader, &order.order_id).await??.history.len(), 4);

    shop.employ(ann.user, seller, ShopRole::Unspecified, 9).await?;
    assert_eq!(shop.tell(&ann, told).await?.expect_err("told").code(), Code::NotFound);
    Ok(())
}

#[tokio::test]
async fn of_what_is_told_of_a_member_the_latest_holds_whatever_comes_last() -> Result<()> {
    let shop = Shop::open().await?;
    let seller = ShopId::new();
    let ann = shop.reader()?;

    shop.employ(ann.user, seller, ShopRole::Owner, 5).await?;
    shop.employ(ann.user, seller, ShopRole::Unspecified, 3).await?;
    shipments(&shop, &ann, of(seller)).await??;
    shop.employ(ann.user, seller, ShopRole::Unspecified, 7).await?;
    shop.employ(ann.user, seller, ShopRole::Staff, 6).await?;

    let refused = shipments(&shop, &ann, of(seller)).await?.expect_err("listed");
    assert_eq!(refused.code(), Code::NotFound);
    Ok(())
}

#[tokio::test]
async fn pages_bring_every_shipment_once_the_oldest_first() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let seller = ShopId::new();
    let ann = shop.worker(&[seller]).await?;
    let mut orders = vec![];
    for _ in 0..5 {
        orders.push(shop.confirmed_of(&reader, &[seller]).await?);
    }
    shop.tell(&ann, sent(&orders[1], None)).await??;
    let ids = |listed: &ListShipmentsResponse| {
        listed.shipments.iter().map(|part| part.order_id.clone()).collect::<Vec<_>>()
    };

    let first = shipments(&shop, &ann, ListShipmentsRequest { page_size: 3, ..of(seller) }).await??;
    let next = ListShipmentsRequest { page_token: first.next_page_token.clone(), ..of(seller) };
    let second = shipments(&shop, &ann, next.clone()).await??;

    let all: Vec<_> = orders.iter().map(|order| order.order_id.clone()).collect();
    assert_eq!([ids(&first), ids(&second)].concat(), all);
    assert_eq!(second.next_page_token, "");
    let ready = ListShipmentsRequest { state: ShipmentState::Ready.into(), ..of(seller) };
    assert_eq!(ids(&shipments(&shop, &ann, ready).await??).len(), 4);
    let other_list = ListShipmentsRequest { state: ShipmentState::Ready.into(), ..next };
    assert_eq!(shipments(&shop, &ann, other_list).await?.expect_err("listed").code(), Code::InvalidArgument);
    Ok(())
}

#[tokio::test]
async fn staff_look_into_any_shop_that_there_is() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let seller = ShopId::new();
    shop.confirmed_of(&reader, &[seller]).await?;
    let staff = shop.staff(&[Permission::ORDERS_READ])?;

    assert_eq!(shipments(&shop, &staff, of(seller)).await??.shipments.len(), 1);
    let nowhere = shipments(&shop, &staff, of(ShopId::new())).await?.expect_err("listed");
    assert_eq!(nowhere.code(), Code::NotFound);
    Ok(())
}

#[tokio::test]
async fn whoever_works_in_several_shops_of_an_order_says_which() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let (one, other) = (ShopId::new(), ShopId::new());
    let ann = shop.worker(&[one, other]).await?;
    let order = shop.confirmed_of(&reader, &[one, other]).await?;

    let refused = shop.tell(&ann, sent(&order, None)).await?.expect_err("told");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let part = shop.tell(&ann, sent(&order, Some(other))).await??;
    assert_eq!(part.shop_id, other.to_string());
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_is_named() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    for (request, wrong) in [
        (UpdateOrderStatusRequest::default(), vec!["request_id", "order_id", "state"]),
        (
            UpdateOrderStatusRequest {
                request_id: fresh_id(),
                order_id: values::OrderId::new().to_string(),
                shop_id: "shop".to_owned(),
                state: ShipmentState::Shipped.into(),
                tracking_number: " ".to_owned(),
                carrier: "c".repeat(101),
                note: "n".repeat(201),
            },
            vec!["shop_id", "tracking_number", "carrier", "note"],
        ),
        (
            UpdateOrderStatusRequest {
                request_id: fresh_id(),
                order_id: values::OrderId::new().to_string(),
                state: ShipmentState::Delivered.into(),
                tracking_number: "RM 1".to_owned(),
                ..Default::default()
            },
            vec!["tracking_number"],
        ),
    ] {
        let refused = shop.tell(&reader, request).await?.expect_err("told");
        let details = refused.get_details_bad_request().context("no BadRequest")?;
        let fields: Vec<_> = details.field_violations.into_iter().map(|wrong| wrong.field).collect();
        assert_eq!(fields, wrong);
    }
    Ok(())
}

#[tokio::test]
async fn an_order_that_the_release_before_placed_is_sent_by_its_shops_too() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;
    shop.db.execute_unprepared("UPDATE orders SET shop_ids = NULL").await?;

    shop.capture(&order).await?;
    let order = shop.in_state(OrderState::Confirmed, &reader, &order).await?;

    let mut sellers: Vec<_> = order.lines.iter().map(|line| line.shop_id.clone()).collect();
    sellers.sort_unstable();
    let parts: Vec<_> = order.shipments.iter().map(|part| part.shop_id.clone()).collect();
    assert_eq!(parts, sellers);
    Ok(())
}

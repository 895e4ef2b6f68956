//! Customers who move, change their names, and go.

use anyhow::{Context as _, Result};
use auth::Permission;
use proto::{
    identity::v1::{Address, AddressChanged, ProfileUpdated, UserDeleted},
    order::v1::{Order, OrderState, RequestReturnRequest, ResolveReturnRequest},
};
use sea_orm::ConnectionTrait as _;
use testkit::eventually;
use values::{AddressId, EventId, ShopId};

use crate::{
    fulfilment::{arrived, fresh_id, sent},
    shop::{Reader, SOON, Shop},
};

/// The reader's address is in another street from now on; the event says so.
async fn moves(shop: &Shop, reader: &Reader, sequence: i64, street: &str) -> Result<EventId> {
    let address = Address {
        address_id: reader.address.to_string(),
        recipient: "Ada King".to_owned(),
        lines: vec![street.to_owned()],
        city: "London".to_owned(),
        country_code: "GB".to_owned(),
        ..Default::default()
    };
    shop.identity.set_address(reader.user, address);
    let changed = AddressChanged { user_id: reader.user.to_string(), address_id: reader.address.to_string() };
    testkit::publish(&shop.broker, &changed.address_id, sequence, &changed).await
}

async fn goes(shop: &Shop, reader: &Reader) -> Result<()> {
    shop.identity.remove_user(reader.user);
    let deleted = UserDeleted { user_id: reader.user.to_string() };
    let event = testkit::publish(&shop.broker, &deleted.user_id, 9, &deleted).await?;
    shop.handled(&[event]).await
}

fn street(order: &Order) -> String {
    order.shipping_address.as_ref().map(|address| address.lines.join(", ")).unwrap_or_default()
}

/// Nothing that is to be asked for has not been asked for once.
async fn asked(shop: &Shop) -> Result<()> {
    eventually("identity is asked", SOON, async || {
        (shop.number("SELECT count(*) FROM refreshes WHERE NOT is_repeat").await.ok()? == 0).then_some(())
    })
    .await
}

#[tokio::test]
async fn a_changed_address_reaches_the_unshipped_orders_that_go_there_and_no_other() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, seller) = (shop.reader()?, ShopId::new());
    let staff = shop.staff(&[Permission::ORDERS_MANAGE])?;
    let pending = shop.pending(&reader).await?;
    let confirmed = shop.confirmed(&reader).await?;
    let shipped = shop.confirmed_of(&reader, &[seller]).await?;
    shop.tell(&staff, sent(&shipped, None)).await??;
    let elsewhere = Reader { address: shop.another_address(&reader), ..reader.clone() };
    let elsewhere = shop.pending(&elsewhere).await?;

    moves(&shop, &reader, 2, "Ockham Park").await?;

    for order in [&pending, &confirmed] {
        let order =
            shop.until("it goes there", &reader, order, |order| street(order) == "Ockham Park").await?;
        assert_eq!(order.shipping_address.context("no address")?.recipient, "Ada King");
    }
    asked(&shop).await?;
    for order in [&shipped, &elsewhere] {
        assert_eq!(street(&shop.get(&reader, &order.order_id).await??), "St James's Square 12");
    }
    Ok(())
}

#[tokio::test]
async fn an_order_that_was_under_way_while_its_address_changed_is_made_up_for() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    moves(&shop, &reader, 2, "Ockham Park").await?;
    eventually("it was asked for once", SOON, async || {
        (shop.number("SELECT count(*) FROM refreshes WHERE is_repeat").await.ok()? == 1).then_some(())
    })
    .await?;
    let order = shop.pending(&reader).await?;
    // As it would be, had the address been read before it changed.
    let old = "UPDATE orders SET shipping_address = shipping_address || '{\"lines\": [\"Old Street\"]}'";
    shop.db.execute_unprepared(old).await?;

    shop.db.execute_unprepared("UPDATE refreshes SET due_at = now()").await?;

    shop.until("it goes there", &reader, &order, |order| street(order) == "Ockham Park").await?;
    eventually("it is asked for no more", SOON, async || {
        (shop.number("SELECT count(*) FROM refreshes").await.ok()? == 0).then_some(())
    })
    .await
}

#[tokio::test]
async fn a_new_name_is_on_orders_that_are_not_shipped_yet() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let (open, ended) = (shop.pending(&reader).await?, shop.pending(&reader).await?);
    assert_eq!(open.customer_name, "Ada");
    shop.cancel(&reader, "cancel", &ended.order_id).await??;

    shop.identity.set_contact(reader.user, "ada@example.org", "Countess Lovelace");
    let updated = ProfileUpdated { user_id: reader.user.to_string() };
    testkit::publish(&shop.broker, &updated.user_id, 2, &updated).await?;

    shop.until("it says so", &reader, &open, |order| order.customer_name == "Countess Lovelace").await?;
    assert_eq!(shop.get(&reader, &ended.order_id).await??.customer_name, "Ada");
    Ok(())
}

#[tokio::test]
async fn of_a_customer_who_is_gone_ended_orders_keep_nothing_and_open_ones_until_they_end() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, other, seller) = (shop.reader()?, shop.reader()?, ShopId::new());
    let staff = shop.staff(&[Permission::ORDERS_MANAGE, Permission::ORDERS_READ])?;
    let is_erased = |order: &Order| {
        order.customer_name.is_empty()
            && street(order).is_empty()
            && order.shipping_address.as_ref().is_some_and(|address| {
                address.recipient.is_empty() && address.postal_code.is_empty() && address.city == "London"
            })
            && order.history.iter().all(|step| step.note.is_empty())
    };
    let kept = shop.pending(&other).await?;
    shop.cancel(&other, "cancel", &kept.order_id).await??;
    let ended = shop.pending(&reader).await?;
    shop.cancel(&reader, "cancel", &ended.order_id).await??;
    let open = shop.confirmed(&reader).await?;
    let returned = shop.delivered_of(&reader, &[seller]).await?;
    let ask = RequestReturnRequest {
        request_id: fresh_id(),
        order_id: returned.order_id.clone(),
        reason: "I move abroad".to_owned(),
        ..Default::default()
    };
    let made = shop.send_back(&reader, ask).await??;

    goes(&shop, &reader).await?;

    assert!(is_erased(&shop.get(&staff, &ended.order_id).await??));
    for order in [&open, &returned] {
        assert_eq!(shop.get(&staff, &order.order_id).await??.customer_name, "Ada");
    }
    assert_eq!(shop.get(&other, &kept.order_id).await??.customer_name, "Ada");

    shop.cancel(&staff, "staff", &open.order_id).await??;
    let answer = ResolveReturnRequest {
        request_id: fresh_id(),
        return_id: made.return_id,
        accept: true,
        restock: false,
        answer: "farewell, Ada".to_owned(),
    };
    shop.resolve(&staff, answer).await??;
    for order in [&open, &returned] {
        let order = shop.get(&staff, &order.order_id).await??;
        assert!(is_erased(&order), "{order:?}");
    }
    assert_eq!(shop.number("SELECT count(*) FROM returns WHERE reason <> '' OR answer <> ''").await?, 0);
    Ok(())
}

#[tokio::test]
async fn an_order_that_arrives_while_its_customer_goes_keeps_nothing_either() -> Result<()> {
    let shop = Shop::open().await?;
    let staff = shop.staff(&[Permission::ORDERS_MANAGE, Permission::ORDERS_READ])?;
    for _ in 0..5 {
        let (reader, seller) = (shop.reader()?, ShopId::new());
        let order = shop.confirmed_of(&reader, &[seller]).await?;
        shop.tell(&staff, sent(&order, None)).await??;

        let (told, ()) = tokio::try_join!(shop.tell(&staff, arrived(&order, None)), goes(&shop, &reader))?;
        told?;

        let order = shop.get(&staff, &order.order_id).await??;
        assert_eq!((order.state(), order.customer_name.as_str()), (OrderState::Delivered, ""));
        assert_eq!(street(&order), "");
    }
    Ok(())
}

#[tokio::test]
async fn an_address_that_changes_after_its_user_is_gone_changes_nothing() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;
    goes(&shop, &reader).await?;

    let event = moves(&shop, &reader, 2, "Ockham Park").await?;
    shop.handled(&[event]).await?;

    assert_eq!(shop.number("SELECT count(*) FROM refreshes").await?, 0);
    assert_eq!(street(&shop.get(&reader, &order.order_id).await??), "St James's Square 12");
    Ok(())
}

#[tokio::test]
async fn what_is_gone_before_it_is_asked_for_changes_nothing() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let order = shop.pending(&reader).await?;
    let gone = AddressId::new().to_string();
    let changed = AddressChanged { user_id: reader.user.to_string(), address_id: gone };
    let event = testkit::publish(&shop.broker, &changed.address_id, 2, &changed).await?;
    shop.handled(&[event]).await?;
    asked(&shop).await?;

    let unchanged = shop.get(&reader, &order.order_id).await??;
    assert_eq!((unchanged.version, unchanged.state()), (1, OrderState::Pending));
    Ok(())
}

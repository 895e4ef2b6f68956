//! Reading what was told to whom.

use anyhow::{Context as _, Result};
use auth::Permission;
use proto::notification::v1::{DeliveryState, ListDeliveriesRequest};
use testkit::Manners;
use tonic::Code;
use tonic_types::StatusExt as _;
use values::OrderId;

use crate::shop::{SOON, Shop};

#[tokio::test]
async fn deliveries_are_listed_the_newest_first_page_by_page() -> Result<()> {
    let shop = Shop::open().await?;
    let (ada, grace) = (shop.reader("Ada"), shop.reader("Grace"));
    let mut events = Vec::new();
    for _ in 0..3 {
        let event = shop.confirm(&ada, OrderId::new()).await?;
        shop.handled(&[event]).await?;
        events.push(event.to_string());
    }
    shop.letters(&ada, 3).await?;
    shop.mailbox.behave(Manners::RefuseRecipient(550));
    shop.register(&grace).await?;
    shop.delivery_in(DeliveryState::Failed, &grace).await?;
    events.reverse();

    let mut seen = Vec::new();
    let mut request =
        ListDeliveriesRequest { page_size: 2, user_id: ada.user.to_string(), ..Default::default() };
    loop {
        let page = shop.list(request.clone()).await?;
        seen.extend(page.deliveries.into_iter().map(|delivery| delivery.event_id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, events);

    let all = shop.list(ListDeliveriesRequest::default()).await?.deliveries;
    assert_eq!(all.len(), 4);
    let failed = ListDeliveriesRequest { state: DeliveryState::Failed.into(), ..Default::default() };
    let failed = shop.list(failed).await?.deliveries;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].user_id, grace.user.to_string());
    let none = ListDeliveriesRequest {
        state: DeliveryState::Pending.into(),
        user_id: grace.user.to_string(),
        ..Default::default()
    };
    assert_eq!(shop.list(none).await?.deliveries, []);
    Ok(())
}

#[tokio::test]
async fn what_was_told_long_ago_is_forgotten_and_what_is_to_be_told_is_not() -> Result<()> {
    let mut shop = Shop::open().await?;
    let reader = shop.reader("Ada");
    shop.confirm(&reader, OrderId::new()).await?;
    shop.delivery_in(DeliveryState::Sent, &reader).await?;
    shop.mailbox.behave(Manners::RefuseRecipient(450));
    for _ in 0..2 {
        let event = shop.confirm(&reader, OrderId::new()).await?;
        shop.handled(&[event]).await?;
        shop.delivery("it was tried", &reader, |delivery| delivery.attempts > 0).await?;
    }
    shop.stop().await?;
    shop.database
        .execute(
            "UPDATE deliveries SET created_at = now() - interval '91 days', due_at = now() + interval '1 day'
             WHERE id <> (SELECT id FROM deliveries ORDER BY id DESC LIMIT 1)",
        )
        .await?;

    shop.start().await?;

    testkit::eventually("the old one is gone", SOON, async || {
        (shop.deliveries(&reader).await.ok()?.len() == 2).then_some(())
    })
    .await?;
    assert_eq!(shop.count("SELECT count(*) FROM deliveries WHERE state = 'PENDING'").await?, 2);
    Ok(())
}

#[tokio::test]
async fn all_that_is_wrong_with_a_request_is_named() -> Result<()> {
    let shop = Shop::open().await?;
    let request = ListDeliveriesRequest {
        page_size: -1,
        page_token: "made up".to_owned(),
        user_id: "usr_".to_owned(),
        state: 9,
    };

    let refused = shop.list_as(&[Permission::DELIVERIES_READ], request).await?.expect_err("a list");

    let wrong = refused.get_details_bad_request().context("no BadRequest")?.field_violations;
    let wrong: Vec<_> = wrong.into_iter().map(|wrong| wrong.field).collect();
    assert_eq!(wrong, ["page_size", "user_id", "state", "page_token"]);
    Ok(())
}

#[tokio::test]
async fn only_who_may_read_deliveries_does() -> Result<()> {
    let shop = Shop::open().await?;

    let refused = shop.list_as(&[Permission::ORDERS_PLACE], ListDeliveriesRequest::default()).await?;

    assert_eq!(refused.expect_err("a list").code(), Code::PermissionDenied);
    Ok(())
}

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use proto::{
    notification::v1::{Delivery, DeliveryState, ListDeliveriesRequest},
    order::v1::OrderState,
};
use system_tests::{Customer, Service, Shop};
use testkit::eventually;

/// Until a mail has arrived.
const SOON: Duration = Duration::from_mins(1);

#[tokio::test]
async fn customers_get_one_mail_for_each_thing_that_happens() -> Result<()> {
    let shop = Shop::start().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 5).await?;
    let customer = shop.customer(2_000).await?;
    let (sent, cancelled) =
        (customer.place(&book, 1).await?.order_id, customer.place(&book, 1).await?.order_id);
    for order_id in [&sent, &cancelled] {
        assert_eq!(customer.ended(order_id).await?.state(), OrderState::Confirmed);
    }
    seller.owner().deliver(&sent, &seller.shop_id).await?;
    customer.cancel(&cancelled).await?;
    let beyond = customer.place(&book, 3).await?.order_id;
    assert_eq!(customer.ended(&beyond).await?.state(), OrderState::Cancelled);

    // Signed up, two confirmed, one sent, two cancelled, one refunded.
    shop.mailbox.received(&customer.email, 7, SOON).await?;
    shop.check(&[sent.clone(), cancelled.clone(), beyond.clone()]).await?;

    let letters = shop.mailbox.letters_to(&customer.email);
    let about = |order_id: &str| letters.iter().filter(|letter| letter.source.contains(order_id)).count();
    assert_eq!(letters.len(), 7, "{letters:?}");
    assert_eq!((about(&sent), about(&cancelled), about(&beyond)), (2, 3, 1));
    let tracked = letters.iter().any(|letter| letter.source.contains(&format!("track-{}", seller.shop_id)));
    assert!(tracked, "no mail tells the tracking number: {letters:?}");
    let ids: BTreeMap<_, usize> = letters.iter().fold(BTreeMap::new(), |mut ids, letter| {
        *ids.entry(letter.header("Message-ID")).or_default() += 1;
        ids
    });
    assert_eq!(ids.len(), 7, "{ids:?}");
    Ok(())
}

#[tokio::test]
async fn mails_that_waited_for_a_notification_service_come_once_it_is_back() -> Result<()> {
    let shop = Shop::start().await?;
    let book = shop.seller().await?.add_book(1_000, 5).await?;
    let customer = shop.customer(1_000).await?;
    shop.mailbox.received(&customer.email, 1, SOON).await?;
    // Killed before that, it would send it again.
    all_sent(&shop, &customer, 1).await?;
    shop.kill(Service::Notification).await?;

    let order_id = customer.place(&book, 1).await?.order_id;
    assert_eq!(customer.ended(&order_id).await?.state(), OrderState::Confirmed);
    shop.start_again(Service::Notification).await?;

    shop.mailbox.received(&customer.email, 2, SOON).await?;
    shop.check(&[order_id]).await?;
    assert_eq!(shop.mailbox.letters_to(&customer.email).len(), 2);
    all_sent(&shop, &customer, 2).await
}

/// Waits until so many letters to a customer are noted as sent, and no other is on its way.
async fn all_sent(shop: &Shop, customer: &Customer, letters: usize) -> Result<()> {
    let admin = shop.admin().await?;
    let mut notification = shop.clients()?.notification();
    eventually("all letters are noted as sent", SOON, async || {
        let request = ListDeliveriesRequest { user_id: customer.user_id.clone(), ..Default::default() };
        let told = notification.list_deliveries(admin.request(request).ok()?).await.ok()?.into_inner();
        let states: Vec<DeliveryState> = told.deliveries.iter().map(Delivery::state).collect();
        (states == vec![DeliveryState::Sent; letters]).then_some(())
    })
    .await
}

//! Which letters people get, and what stands in them.

use std::time::Duration;

use anyhow::Result;
use proto::{
    notification::v1::DeliveryState,
    order::v1::{CancelReason, OrderCancelled, OrderShipped},
    payment::v1::PaymentRefunded,
    types::v1::Money,
};
use testkit::{Log, publish, publish_as, publish_bytes};
use values::{EventId, OrderId, PaymentId, ReservationId, ShopId};

use crate::shop::Shop;

#[tokio::test]
async fn who_registers_is_welcomed_by_name() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader("Adélaïde Łęcka");
    let event = shop.register(&reader).await?;

    let letters = shop.letters(&reader, 1).await?;

    let letter = &letters[0];
    assert_eq!(letter.header("Subject").as_deref(), Some("Welcome"));
    assert!(letter.text().starts_with("Hello,\n\nyour account is open."), "{}", letter.text());
    assert!(letter.text().ends_with("\n\nThe Bookstore\n"), "{}", letter.text());
    assert_eq!(letter.sender, "shop@bookstore.example");
    assert_eq!(letter.recipients, std::slice::from_ref(&reader.email));
    assert_eq!(letter.header("From").as_deref(), Some(r#""The Bookstore" <shop@bookstore.example>"#));
    assert_eq!(letter.header("To"), Some(reader.email.clone()));
    assert_eq!(letter.header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(letter.header("MIME-Version").as_deref(), Some("1.0"));
    assert_eq!(letter.header("Content-Type").as_deref(), Some("text/plain; charset=utf-8"));
    assert!(letter.header("Date").is_some() && letter.source.is_ascii());

    let sent = shop.delivery_in(DeliveryState::Sent, &reader).await?;
    assert_eq!(letter.header("Message-ID"), Some(format!("<{}@bookstore.example>", sent.delivery_id)));
    assert_eq!((sent.event_id, sent.attempts, sent.last_error.as_str()), (event.to_string(), 1, ""));
    assert_eq!(sent.subject, "bookstore.identity.v1.user_registered");
    assert_eq!(sent.aggregate_id, reader.user.to_string());
    assert!(sent.create_time.is_some() && sent.send_time.is_some());
    Ok(())
}

#[tokio::test]
async fn each_step_of_an_order_that_concerns_its_customer_is_told() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, order) = (shop.reader("Ada"), OrderId::new());
    let (order_id, user_id) = (order.to_string(), reader.user.to_string());

    shop.confirm(&reader, order).await?;
    let shipped = OrderShipped {
        order_id: order_id.clone(),
        user_id: user_id.clone(),
        shop_id: ShopId::new().to_string(),
        tracking_number: "1Z 999 AA1".to_owned(),
        carrier: "Royal Mail".to_owned(),
    };
    publish(&shop.broker, &order_id, 3, &shipped).await?;
    let cancelled = OrderCancelled {
        order_id: order_id.clone(),
        user_id: user_id.clone(),
        reservation_id: ReservationId::new().to_string(),
        reason: CancelReason::StockLost.into(),
    };
    publish(&shop.broker, &order_id, 4, &cancelled).await?;
    let euros = |minor_units| Some(Money { minor_units, currency_code: "EUR".to_owned() });
    let refunded = PaymentRefunded {
        payment_id: PaymentId::new().to_string(),
        order_id: order_id.clone(),
        amount: euros(5_05),
        user_id,
        refunded: euros(7_50),
    };
    publish(&shop.broker, &refunded.payment_id, 3, &refunded).await?;

    let letters = shop.letters(&reader, 4).await?;
    assert_eq!(letters.len(), 4);
    for (subject, words) in [
        (format!("Your order {order} is confirmed"), vec!["we have your payment"]),
        (
            format!("A parcel of your order {order} is on its way"),
            vec!["with Royal Mail", "The tracking number is 1Z 999 AA1\n"],
        ),
        (format!("Your order {order} is cancelled"), vec!["sold out before the payment arrived"]),
        (format!("A refund for your order {order}"), vec!["5.05 EUR", "7.50 EUR altogether"]),
    ] {
        let letter = letters.iter().find(|letter| letter.header("Subject").as_ref() == Some(&subject));
        let text = letter.unwrap_or_else(|| panic!("no {subject}")).text();
        assert!(text.contains(&order_id), "{text}");
        for word in words {
            assert!(text.contains(word), "{word} is missing in {text}");
        }
    }
    let about = shop.deliveries(&reader).await?;
    assert!(about.iter().all(|delivery| delivery.aggregate_id == order_id), "{about:?}");
    Ok(())
}

#[tokio::test]
async fn a_mail_leaves_with_its_event_and_waits_for_no_sweep() -> Result<()> {
    let shop = Shop::open_with(|config| config.sweep_interval = Duration::from_hours(1)).await?;
    for _ in 0..3 {
        let reader = shop.reader("Ada");
        shop.register(&reader).await?;
        shop.letters(&reader, 1).await?;
    }
    Ok(())
}

#[tokio::test]
async fn where_mails_are_discarded_they_count_as_sent_and_reach_nobody() -> Result<()> {
    let discard = "discard:".parse()?;
    let shop = Shop::open_with(|config| config.smtp_url = discard).await?;
    let reader = shop.reader("Ada");
    shop.register(&reader).await?;

    let sent = shop.delivery_in(DeliveryState::Sent, &reader).await?;
    assert_eq!((sent.attempts, sent.last_error.as_str()), (1, ""));
    assert_eq!(shop.letters(&reader, 0).await?, []);
    Ok(())
}

#[tokio::test]
async fn people_are_reached_in_their_own_script() -> Result<()> {
    let shop = Shop::open().await?;
    for email in ["用户@例子.广告", "jürgen@bücher.example", "o'neill+books@example.org"] {
        let mut reader = shop.reader("Jürgen");
        shop.identity.set_contact(reader.user, email, "Jürgen");
        reader.email = email.to_owned();
        shop.confirm(&reader, OrderId::new()).await?;

        let sent =
            shop.delivery(email, &reader, |delivery| delivery.state() != DeliveryState::Pending).await?;
        assert_eq!((sent.state(), sent.last_error.as_str()), (DeliveryState::Sent, ""), "{email}");
        let letters = shop.letters(&reader, 1).await?;
        assert_eq!(letters[0].header("To").as_deref(), Some(email));
        assert!(letters[0].text().starts_with("Hello Jürgen,\n"), "{}", letters[0].text());
    }
    Ok(())
}

#[tokio::test]
async fn an_event_that_comes_again_is_told_once() -> Result<()> {
    let shop = Shop::open().await?;
    let _other = shop.replica().await?;
    let (reader, event, order) = (shop.reader("Ada"), EventId::new(), OrderId::new());

    for _ in 0..5 {
        shop.confirm_as(event, &reader, order).await?;
    }
    // The inbox forgets after a month; the delivery doesn't.
    shop.handled(&[event]).await?;
    shop.database.execute("DELETE FROM inbox").await?;
    shop.confirm_as(event, &reader, order).await?;
    shop.handled(&[event]).await?;
    let last = shop.reader("Grace");
    shop.confirm(&last, OrderId::new()).await?;

    shop.letters(&last, 1).await?;
    shop.delivery_in(DeliveryState::Sent, &reader).await?;
    assert_eq!(shop.mailbox.letters_to(&reader.email).len(), 1);
    Ok(())
}

#[tokio::test]
async fn whatever_a_name_or_a_tracking_number_holds_it_adds_no_header_and_no_line() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader("Eve\r\nBcc: all@example.org\r\n\r\n.\r\nMAIL FROM:<eve@example.org>");
    let order = OrderId::new();
    let shipped = OrderShipped {
        order_id: order.to_string(),
        user_id: reader.user.to_string(),
        shop_id: ShopId::new().to_string(),
        tracking_number: "1\r\n.\r\nRSET\r\nSubject: free books".to_owned(),
        carrier: "\u{202e}\u{2028}Post".to_owned(),
    };
    publish(&shop.broker, &shipped.order_id, 3, &shipped).await?;

    let letters = shop.letters(&reader, 1).await?;

    let text = letters[0].text();
    assert_eq!(letters[0].recipients, std::slice::from_ref(&reader.email));
    assert_eq!(letters[0].header("Bcc"), None);
    assert_eq!(letters[0].header("Subject"), Some(format!("A parcel of your order {order} is on its way")));
    assert!(text.starts_with("Hello Eve Bcc: all@example.org . MAIL FROM:<eve@example.org>,\n"), "{text}");
    assert!(text.contains("\nThe tracking number is 1 . RSET Subject: free books\n"), "{text}");
    assert!(text.contains(" with Post.\n"), "{text}");
    Ok(())
}

/// On one thread, whose log is collected.
#[tokio::test]
async fn nothing_personal_is_stored_or_logged() -> Result<()> {
    let (log, _guard) = Log::collect("trace");
    let shop = Shop::open().await?;
    let reader = shop.reader("Konstanze");
    shop.mailbox.behave_once(testkit::Manners::RefuseRecipient(451));
    shop.register(&reader).await?;
    shop.letters(&reader, 1).await?;
    let stranger = shop.reader("Konstanze");
    shop.mailbox.behave_once(testkit::Manners::RefuseRecipient(550));
    shop.register(&stranger).await?;
    shop.delivery_in(DeliveryState::Failed, &stranger).await?;

    let said = format!("{} {}", log.text(), shop.everything().await?);
    assert!(said.contains("a mail was not sent yet"), "{said}");
    for personal in [&reader.email, &stranger.email, "Konstanze"] {
        assert!(!said.contains(personal), "{personal}");
    }
    Ok(())
}

#[tokio::test]
async fn an_event_that_nobody_can_read_is_given_up_and_holds_up_nothing() -> Result<()> {
    let shop = Shop::open().await?;
    let (reader, bad) = (shop.reader("Ada"), EventId::new());
    let body = vec![0x0a, 0x03, b'o', b'r', b'd'];
    publish_bytes(&shop.broker, "bookstore.order.v1.confirmed", bad, "ord_", 2, body).await?;
    let refund = PaymentRefunded { user_id: reader.user.to_string(), ..PaymentRefunded::default() };
    publish_as(&shop.broker, EventId::new(), "pay_", 3, &refund).await?;
    shop.confirm(&reader, OrderId::new()).await?;

    shop.letters(&reader, 1).await?;

    testkit::eventually("both are given up", crate::shop::SOON, async || {
        let letters = shop.count("SELECT count(*) FROM dead_letters").await.ok()?;
        (letters == 2).then_some(())
    })
    .await
}

#[tokio::test]
async fn a_refund_that_says_not_whose_it_is_is_told_to_nobody() -> Result<()> {
    let shop = Shop::open().await?;
    let refund = PaymentRefunded {
        payment_id: PaymentId::new().to_string(),
        order_id: OrderId::new().to_string(),
        ..PaymentRefunded::default()
    };

    let event = publish(&shop.broker, &refund.payment_id, 3, &refund).await?;

    shop.handled(&[event]).await?;
    assert_eq!(shop.count("SELECT count(*) FROM deliveries").await?, 0);
    assert_eq!(shop.count("SELECT count(*) FROM dead_letters").await?, 0);
    Ok(())
}

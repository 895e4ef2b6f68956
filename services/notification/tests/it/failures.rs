//! The mail server, identity and the database are down, slow or strict.

use std::time::{Duration, Instant};

use anyhow::Result;
use auth::Permission;
use notification::Notification;
use proto::notification::v1::{DeliveryState, ListDeliveriesRequest};
use testkit::{Gate, Manners};
use values::OrderId;

use crate::shop::Shop;

#[tokio::test]
async fn a_mail_server_that_is_down_gets_the_mails_when_it_is_back() -> Result<()> {
    let mut shop = Shop::closed().await?;
    let gate = Gate::to(shop.mailbox.url().trim_start_matches("smtp://")).await?;
    shop.config.smtp_url = format!("smtp://{}", gate.address()).parse()?;
    shop.start().await?;
    gate.close();
    let reader = shop.reader("Ada");
    shop.register(&reader).await?;
    let tried = shop.delivery("it was tried", &reader, |delivery| delivery.attempts >= 3).await?;
    assert_eq!(tried.state(), DeliveryState::Pending);
    assert!(tried.last_error.starts_with("the mail server can't be reached: "), "{}", tried.last_error);

    gate.open();

    assert_eq!(shop.letters(&reader, 1).await?.len(), 1);
    shop.delivery_in(DeliveryState::Sent, &reader).await?;
    Ok(())
}

#[tokio::test]
async fn what_a_mail_server_refuses_for_now_is_tried_again() -> Result<()> {
    let shop = Shop::open().await?;
    for manners in [
        Manners::RefuseSender(421),
        // What is said to the sender is no word about the recipient.
        Manners::RefuseSender(550),
        Manners::RefuseRecipient(450),
        Manners::RefuseText(451),
    ] {
        let reader = shop.reader("Ada");
        shop.mailbox.behave_once(manners);
        shop.register(&reader).await?;
        shop.letters(&reader, 1).await?;
        let sent = shop.delivery_in(DeliveryState::Sent, &reader).await?;
        assert_eq!((sent.attempts, sent.last_error.as_str()), (2, ""), "{manners:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_a_mail_server_refuses_for_good_is_not_sent() -> Result<()> {
    let shop = Shop::open().await?;
    for (manners, error) in [
        (Manners::RefuseRecipient(550), "the mail server refused the recipient: 550"),
        (Manners::RefuseText(554), "the mail server refused the mail: 554"),
    ] {
        let reader = shop.reader("Ada");
        shop.mailbox.behave_once(manners);
        shop.register(&reader).await?;
        let failed = shop.delivery_in(DeliveryState::Failed, &reader).await?;
        assert_eq!((failed.attempts, failed.last_error.as_str()), (1, error));
        assert_eq!((failed.send_time, shop.mailbox.letters_to(&reader.email).len()), (None, 0));
    }
    Ok(())
}

#[tokio::test]
async fn an_outcome_that_was_lost_brings_the_same_mail_again() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader("Ada");
    shop.mailbox.behave_once(Manners::HangUp);
    shop.confirm(&reader, OrderId::new()).await?;

    let sent = shop.delivery_in(DeliveryState::Sent, &reader).await?;

    let letters = shop.letters(&reader, 2).await?;
    assert_eq!((letters.len(), sent.attempts), (2, 2));
    assert_eq!(letters[0].source, letters[1].source);
    assert!(letters[0].header("Message-ID").is_some_and(|id| id.contains(&sent.delivery_id)));
    Ok(())
}

#[tokio::test]
async fn a_mail_server_that_hangs_holds_up_no_events() -> Result<()> {
    let shop = Shop::open_with(|config| config.mail_timeout = Duration::from_mins(5)).await?;
    shop.mailbox.behave(Manners::Hang);
    let mut events = Vec::new();
    for _ in 0..40 {
        events.push(shop.confirm(&shop.reader("Ada"), OrderId::new()).await?);
    }

    shop.handled(&events).await?;
    assert_eq!(shop.count("SELECT count(*) FROM deliveries WHERE state = 'PENDING'").await?, 40);

    shop.mailbox.behave(Manners::Polite);
    testkit::eventually("all are sent", crate::shop::SOON, async || {
        let sent = shop.count("SELECT count(*) FROM deliveries WHERE state = 'SENT'").await.ok()?;
        (sent == 40).then_some(())
    })
    .await?;
    assert_eq!(shop.mailbox.letters().len(), 40);
    Ok(())
}

#[tokio::test]
async fn a_mail_server_that_hangs_is_given_up_after_a_while() -> Result<()> {
    let shop = Shop::open_with(|config| config.mail_timeout = Duration::from_millis(300)).await?;
    let reader = shop.reader("Ada");
    shop.mailbox.behave(Manners::Hang);
    shop.register(&reader).await?;
    let late = "the mail server did not answer in time";
    shop.delivery(late, &reader, |delivery| delivery.last_error == late).await?;

    shop.mailbox.behave(Manners::Polite);

    assert_eq!(shop.letters(&reader, 1).await?.len(), 1);
    shop.delivery_in(DeliveryState::Sent, &reader).await?;
    Ok(())
}

#[tokio::test]
async fn who_is_gone_gets_nothing() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader("Ada");
    shop.identity.remove_user(reader.user);
    shop.register(&reader).await?;

    let failed = shop.delivery_in(DeliveryState::Failed, &reader).await?;

    assert_eq!(failed.last_error, "the user is gone");
    assert_eq!(shop.mailbox.letters(), []);
    Ok(())
}

#[tokio::test]
async fn whoever_moves_gets_their_mail_at_the_new_address() -> Result<()> {
    let shop = Shop::open().await?;
    let mut reader = shop.reader("Ada");
    shop.mailbox.behave(Manners::RefuseRecipient(450));
    shop.register(&reader).await?;
    let old = std::mem::replace(&mut reader.email, "new@example.org".to_owned());
    let tried = shop.delivery("it was tried", &reader, |delivery| delivery.attempts >= 1).await?.attempts;

    shop.identity.set_contact(reader.user, &reader.email, "Ada");
    // One attempt may have asked before.
    shop.delivery("it was tried again", &reader, |delivery| delivery.attempts > tried + 1).await?;
    shop.mailbox.behave(Manners::Polite);

    shop.letters(&reader, 1).await?;
    assert_eq!(shop.mailbox.letters_to(&old), []);
    Ok(())
}

#[tokio::test]
async fn an_address_that_no_mail_can_be_sent_to_fails_at_once() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader("Ada");
    shop.identity.set_contact(reader.user, "ada@example.org>\r\nRCPT TO:<eve@example.org", "Ada");
    shop.register(&reader).await?;

    let failed = shop.delivery_in(DeliveryState::Failed, &reader).await?;

    assert_eq!(failed.last_error, "the user's address is none that mails can be sent to");
    assert_eq!(shop.mailbox.letters(), []);
    Ok(())
}

#[tokio::test]
async fn mails_wait_for_identity() -> Result<()> {
    let mut shop = Shop::closed().await?;
    let gate = Gate::to(&shop.identity.address().to_string()).await?;
    shop.config.identity_target = format!("ipv4:{}", gate.address()).parse()?;
    shop.start().await?;
    gate.close();
    let reader = shop.reader("Ada");
    shop.register(&reader).await?;
    testkit::eventually("it was tried", crate::shop::SOON, async || {
        let tried = shop.count("SELECT count(*) FROM deliveries WHERE attempts > 0 AND last_error <> ''");
        (tried.await.ok()? == 1).then_some(())
    })
    .await?;

    gate.open();

    shop.letters(&reader, 1).await?;
    Ok(())
}

#[tokio::test]
async fn replicas_share_the_work_and_send_nothing_twice() -> Result<()> {
    let shop = Shop::open().await?;
    let _others = [shop.replica().await?, shop.replica().await?];
    let readers: Vec<_> = (0..60).map(|_| shop.reader("Ada")).collect();
    for reader in &readers {
        shop.register(reader).await?;
    }

    testkit::eventually("all are sent", crate::shop::SOON, async || {
        let sent = shop.count("SELECT count(*) FROM deliveries WHERE state = 'SENT'").await.ok()?;
        (sent == 60).then_some(())
    })
    .await?;

    assert_eq!(shop.mailbox.letters().len(), 60);
    assert!(readers.iter().all(|reader| shop.mailbox.letters_to(&reader.email).len() == 1));
    Ok(())
}

#[tokio::test]
async fn a_mail_that_nobody_takes_for_a_day_is_given_up() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader("Ada");
    shop.mailbox.behave(Manners::RefuseRecipient(450));
    shop.register(&reader).await?;
    shop.delivery("it was tried", &reader, |delivery| delivery.attempts >= 1).await?;

    shop.database.execute("UPDATE deliveries SET created_at = now() - interval '25 hours'").await?;

    let failed = shop.delivery_in(DeliveryState::Failed, &reader).await?;
    assert_eq!(failed.last_error, "the mail server did not take the recipient yet: 450");
    Ok(())
}

#[tokio::test]
async fn what_another_release_wrote_down_holds_up_nothing() -> Result<()> {
    let mut shop = Shop::open().await?;
    shop.stop().await?;
    let reader = shop.reader("Ada");
    let user = reader.user.uuid();
    shop.database
        .execute(&format!(
            r#"INSERT INTO deliveries (id, event_id, subject, user_id, aggregate_id, news) VALUES
               (gen_random_uuid(), gen_random_uuid(), 'next', '{user}', 'usr_', '{{"what":"promoted"}}'),
               (gen_random_uuid(), gen_random_uuid(), 'this', '{user}', 'usr_', '{{"what":"registered"}}')"#
        ))
        .await?;

    shop.start().await?;

    shop.letters(&reader, 1).await?;
    let newer =
        "SELECT count(*) FROM deliveries WHERE subject = 'next' AND state = 'PENDING' AND attempts > 0";
    testkit::eventually("the newer one waits", crate::shop::SOON, async || {
        (shop.count(newer).await.ok()? == 1).then_some(())
    })
    .await
}

#[tokio::test]
async fn without_its_database_the_service_waits_and_goes_on() -> Result<()> {
    let mut shop = Shop::closed().await?;
    let (gate, through) = Gate::before(shop.database.url()).await?;
    shop.config.server.database_url = through.into();
    shop.start().await?;
    let reader = shop.reader("Ada");

    gate.close();
    shop.register(&reader).await?;
    let began = Instant::now();
    let down = shop.list_as(&[Permission::DELIVERIES_READ], ListDeliveriesRequest::default()).await?;
    assert_eq!(down.expect_err("an answer").code(), tonic::Code::Unavailable);
    assert!(began.elapsed() < Duration::from_secs(10), "took {:?}", began.elapsed());
    gate.open();

    shop.letters(&reader, 1).await?;
    shop.delivery_in(DeliveryState::Sent, &reader).await?;
    Ok(())
}

#[tokio::test]
async fn a_password_is_not_sent_where_others_read_it() -> Result<()> {
    let mut shop = Shop::closed().await?;
    shop.config.smtp_user = Some("shop".to_owned());
    shop.config.smtp_password = Some("hunter2".into());

    let refused = format!("{:#}", testkit::running::<Notification>(shop.config.clone()).await.unwrap_err());

    assert!(refused.contains("BOOKSTORE_SMTP_URL") && !refused.contains("hunter2"), "{refused}");
    Ok(())
}

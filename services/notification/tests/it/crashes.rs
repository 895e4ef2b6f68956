//! The process dies while it sends.

use std::time::Duration;

use anyhow::Result;
use proto::notification::v1::DeliveryState;
use values::OrderId;

use crate::shop::Shop;

/// Whoever took a mail keeps it for this long and some seconds more, alive or not.
const TIMEOUT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn after_a_crash_before_a_mail_was_handed_over_it_is_sent_once() -> Result<()> {
    assert_eq!(letters_after_a_crash_at("mail.hand_over.before").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn after_a_crash_that_hid_the_outcome_the_same_mail_is_sent_again() -> Result<()> {
    let letters = letters_after_a_crash_at("mail.hand_over.after").await?;

    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].source, letters[1].source);
    assert!(letters[0].header("Message-ID").is_some());
    Ok(())
}

async fn letters_after_a_crash_at(point: &str) -> Result<Vec<testkit::Letter>> {
    let mut shop = Shop::closed().await?;
    shop.config.mail_timeout = TIMEOUT;
    let logs = tempfile::tempdir()?;
    let fault = [("BOOKSTORE_FAULT", point.to_owned())];
    let mut process = shop.launch(fault, &logs.path().join("notification.log")).await?;
    let reader = shop.reader("Ada");
    shop.confirm(&reader, OrderId::new()).await?;
    assert!(!process.ended().await?);
    assert_eq!(
        shop.count("SELECT count(*) FROM deliveries WHERE state = 'PENDING' AND attempts = 1").await?,
        1
    );

    shop.start().await?;

    let sent = shop.delivery_in(DeliveryState::Sent, &reader).await?;
    assert_eq!(sent.attempts, 2);
    Ok(shop.mailbox.letters_to(&reader.email))
}

//! The process dies while it sends.

use std::{path::Path, process::Child, time::Duration};

use anyhow::{Context as _, Result};
use notification::Config;
use proto::notification::v1::DeliveryState;
use secrecy::ExposeSecret as _;
use values::OrderId;

use crate::shop::{SOON, Shop};

/// Whoever took a mail keeps it for this long and some seconds more, alive or not.
const TIMEOUT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn after_a_crash_before_a_mail_was_handed_over_it_is_sent_once() -> Result<()> {
    assert_eq!(letters_after_a_crash_at("notification.attempted").await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn after_a_crash_that_hid_the_outcome_the_same_mail_is_sent_again() -> Result<()> {
    let letters = letters_after_a_crash_at("notification.sent").await?;

    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].source, letters[1].source);
    assert!(letters[0].header("Message-ID").is_some());
    Ok(())
}

async fn letters_after_a_crash_at(point: &str) -> Result<Vec<testkit::Letter>> {
    let mut shop = Shop::closed().await?;
    shop.config.mail_timeout = TIMEOUT;
    let logs = tempfile::tempdir()?;
    let mut process = launch(&shop.config, point, &logs.path().join("notification.log"))?;
    // It has noted its first start, and so tells what happens from here on.
    testkit::eventually("it has started", SOON, async || {
        (shop.count("SELECT count(*) FROM first_start").await.ok()? == 3).then_some(())
    })
    .await?;
    let reader = shop.reader("Ada");
    shop.confirm(&reader, OrderId::new()).await?;
    let ended = testkit::eventually("it dies", SOON, async || process.try_wait().ok().flatten()).await?;
    assert!(!ended.success(), "{ended}");
    assert_eq!(
        shop.count("SELECT count(*) FROM deliveries WHERE state = 'PENDING' AND attempts = 1").await?,
        1
    );

    shop.start().await?;

    let sent = shop.delivery_in(DeliveryState::Sent, &reader).await?;
    assert_eq!(sent.attempts, 2);
    Ok(shop.mailbox.letters_to(&reader.email))
}

fn launch(config: &Config, point: &str, log: &Path) -> Result<Child> {
    let base = &config.server.base;
    let path = |path: &Option<std::path::PathBuf>| {
        path.as_ref().map(|path| path.display().to_string()).context("no certificate")
    };
    let environment = [
        ("BOOKSTORE_FAULT", point.to_owned()),
        ("BOOKSTORE_LISTEN", "127.0.0.1:0".to_owned()),
        ("BOOKSTORE_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("BOOKSTORE_DATABASE_URL", config.server.database_url.expose_secret().to_owned()),
        ("BOOKSTORE_NATS_URL", config.server.nats_url.expose_secret().to_owned()),
        ("BOOKSTORE_TLS_CERTIFICATE", path(&base.tls_certificate)?),
        ("BOOKSTORE_TLS_KEY", path(&base.tls_key)?),
        ("BOOKSTORE_TLS_ROOTS", path(&base.tls_roots)?),
        ("BOOKSTORE_IDENTITY_TARGET", config.identity_target.to_string()),
        ("BOOKSTORE_SMTP_URL", format!("smtp://{}:{}", config.smtp_url.host, config.smtp_url.port)),
        ("BOOKSTORE_MAIL_FROM", config.mail_from.to_string()),
        ("BOOKSTORE_MAIL_TIMEOUT", format!("{}ms", config.mail_timeout.as_millis())),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    localservers::launch(Path::new(env!("CARGO_BIN_EXE_notification")), &environment, log)
}

use std::path::Path;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use testkit::{Broker, Certificates, Log, eventually};
use tokio::time::timeout;

use crate::shop::SOON;

fn count(log: &Log, text: &str) -> usize {
    log.text().lines().filter(|line| line.contains(text)).count()
}

async fn reaches(log: &Log, text: &str, times: usize) -> Result<()> {
    let reached = eventually(text, SOON, async || (count(log, text) >= times).then_some(())).await;
    reached.with_context(|| format!("the log says:\n{}", log.text()))
}

#[tokio::test]
async fn an_outage_of_the_broker_is_told_once_however_often_it_is_asked() -> Result<()> {
    let (log, _collecting) = Log::collect("off,events=debug");

    let broker = Broker::start().await?;
    broker.stop().await?;
    let _connection = events::connect(broker.url(), None, "test").await?;
    for outage in 1..=2 {
        reaches(&log, "still away", outage * 3).await?;
        assert_eq!(count(&log, "WARN"), outage);
        broker.start_again().await?;
        reaches(&log, "the broker is back", outage).await?;
        broker.kill().await?;
    }
    Ok(())
}

/// Says something and hears it.
async fn talks(url: &str, roots: Option<&Path>) -> Result<()> {
    let (client, _) = events::connect(url, roots, "test").await?;
    let mut heard = client.subscribe("said").await?;
    client.publish("said", "something".into()).await?;
    timeout(SOON, heard.next()).await?.context("the subscription ended")?;
    Ok(())
}

#[tokio::test]
async fn the_account_stands_in_the_address() -> Result<()> {
    let broker =
        Broker::configured("authorization { user: order, password: \"p@ss/word\" }".to_owned()).await?;
    let (log, _collecting) = Log::collect("off,events=debug");

    let with = |account: &str| broker.url().replace("//", &format!("//{account}@"));
    talks(&with("order:p%40ss%2Fword"), None).await?;

    let _refused = events::connect(&with("order:guessed"), None, "test").await?;
    reaches(&log, "the broker is away", 1).await
}

#[tokio::test]
async fn only_a_broker_with_a_certificate_of_ours_is_told_anything() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ours = Certificates::new("bookstore.local")?.write(&folder.path().join("ours"), "nats")?;
    let others = Certificates::new("bookstore.local")?.write(&folder.path().join("others"), "nats")?;
    let (certificate, key) = (&ours.certificate, &ours.key);
    let broker =
        Broker::configured(format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}")).await?;
    let url = broker.url().replace("nats://127.0.0.1", "tls://localhost");
    let (log, _collecting) = Log::collect("off,events=debug");

    talks(&url, Some(&ours.roots)).await?;
    let _strangers = events::connect(&url, Some(&others.roots), "test").await?;
    reaches(&log, "the broker is away", 1).await?;

    let open = Broker::empty().await?;
    let _readable = events::connect(open.url(), Some(&ours.roots), "test").await?;
    reaches(&log, "the broker is away", 2).await
}

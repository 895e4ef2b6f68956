use anyhow::{Context as _, Result};
use testkit::{Broker, Log, eventually};

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
    let _connection = events::connect(broker.url(), "test").await?;
    for outage in 1..=2 {
        reaches(&log, "still away", outage * 3).await?;
        assert_eq!(count(&log, "WARN"), outage);
        broker.start_again().await?;
        reaches(&log, "the broker is back", outage).await?;
        broker.kill().await?;
    }
    Ok(())
}

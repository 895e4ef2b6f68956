use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use testkit::{Broker, eventually};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _};

use crate::shop::SOON;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn count(&self, text: &str) -> usize {
        self.text().lines().filter(|line| line.contains(text)).count()
    }

    async fn reaches(&self, text: &str, count: usize) -> Result<()> {
        let reached = eventually(text, SOON, async || (self.count(text) >= count).then_some(())).await;
        reached.with_context(|| format!("the log says:\n{}", self.text()))
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_outage_of_the_broker_is_told_once_however_often_it_is_asked() -> Result<()> {
    let log = Log::default();
    let writer = log.clone();
    let format = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(EnvFilter::new("off,events=debug")).with(format);
    testkit::listen();
    let _guard = tracing::subscriber::set_default(subscriber);

    let broker = Broker::start().await?;
    broker.stop().await?;
    let _connection = events::connect(broker.url(), "test").await?;
    for outage in 1..=2 {
        log.reaches("still away", outage * 3).await?;
        assert_eq!(log.count("WARN"), outage);
        broker.start_again().await?;
        log.reaches("the broker is back", outage).await?;
        broker.kill().await?;
    }
    Ok(())
}

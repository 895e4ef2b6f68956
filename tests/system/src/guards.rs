use std::time::Duration;

use anyhow::Result;
use fault::Guard;
use testkit::eventually;

use crate::{Service, Shop};

/// Until something is said, on a busy machine.
const SAID: Duration = Duration::from_mins(1);

/// Services that go without guards, for tests of whether anybody notices.
impl Shop {
    /// Starts a service, anew if it runs, without these guards: from now on until it is told otherwise.
    pub async fn without(&self, service: Service, guards: &[Guard]) -> Result<()> {
        self.process(service.into(), |process| {
            if process.is_started() {
                process.kill()?;
            }
            let names: Vec<&str> = guards.iter().map(|guard| guard.name()).collect();
            process.set("BOOKSTORE_FAULT_GUARDS_OFF", names.join(","));
            process.start()
        })
        .await?;
        self.ready(service).await
    }

    /// Waits until a service has written these words into its log since its last start.
    pub async fn says(&self, service: Service, words: &str) -> Result<()> {
        let what = format!("{} says {words:?}", service.name());
        eventually(&what, SAID, async || {
            let said = self.process(service.into(), |process| Ok(process.said())).await.ok()?;
            said.contains(words).then_some(())
        })
        .await
    }
}

use anyhow::{Context, Result};

use crate::{Replica, Shop, process::Process};

impl Shop {
    /// Starts a replica that has ended; does not wait for it.
    pub async fn launch(&self, replica: Replica) -> Result<()> {
        self.process(replica, Process::start).await
    }

    /// As [`Shop::launch`]; it ends at the first of these points of its own code that it meets, see [`Shop::arm`].
    pub async fn launch_armed(&self, replica: Replica, points: &[String]) -> Result<()> {
        let points: Vec<&str> = points.iter().map(String::as_str).collect();
        self.process(replica, |process| process.start_armed(&points)).await
    }

    /// At which point of its code a replica has died, if it has; then it can be started again.
    pub async fn died_at(&self, replica: Replica) -> Result<Option<String>> {
        self.process(replica, |process| {
            let Some(status) = process.ended()? else { return Ok(None) };
            let log = process.fault_log()?;
            let point = log.lines().filter_map(|line| line.strip_prefix("died ")).next_back();
            let point = point.with_context(|| format!("{replica} ended by itself: {status}"))?;
            Ok(Some(point.to_owned()))
        })
        .await
    }
}

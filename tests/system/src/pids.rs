use anyhow::Result;

use crate::{Replica, Shop};

impl Shop {
    /// Every process of the shop with its id, for those who measure.
    pub async fn pids(&self) -> Result<Vec<(Replica, u32)>> {
        let mut pids = Vec::new();
        for replica in self.replicas().await {
            pids.push((replica, self.process(replica, |process| process.pid()).await?));
        }
        Ok(pids)
    }
}

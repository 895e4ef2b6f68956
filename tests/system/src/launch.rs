use std::process::ExitStatus;

use anyhow::Result;

use crate::{Replica, Shop, process::Process};

impl Shop {
    /// Starts a replica that has ended; does not wait for it.
    pub async fn launch(&self, replica: Replica) -> Result<()> {
        self.process(replica, Process::start).await
    }

    /// As [`Shop::launch`]; it ends at a point of its own code, see [`Shop::arm`].
    pub async fn launch_armed(&self, replica: Replica, fault: &str) -> Result<()> {
        self.process(replica, |process| process.start_armed(&[fault])).await
    }

    /// How a replica has ended, if it has.
    pub async fn ended(&self, replica: Replica) -> Result<Option<ExitStatus>> {
        self.process(replica, Process::ended).await
    }
}

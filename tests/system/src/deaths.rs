use std::{collections::BTreeSet, os::unix::process::ExitStatusExt, time::Duration};

use anyhow::{Context, Result, ensure};
use testkit::eventually;

use crate::{Service, Shop};

/// Until an armed process has come to its point.
const FALL: Duration = Duration::from_mins(1);
const SIGKILL: i32 = 9;

/// How a process has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It killed itself at this point of its code.
    At(String),
    /// It said that it cannot go on, as one may that starts on a machine with too much to do: whoever runs it starts it
    /// again.
    GaveUp,
}

/// Deaths of processes at points of their own code.
impl Shop {
    /// Starts a service anew so that it ends, at once, at a point of its own code: `relay.note.commit.before:3` for the
    /// third time it comes there.
    pub async fn arm(&self, service: Service, fault: &str) -> Result<()> {
        self.kill(service).await?;
        self.start_armed(service, &[fault]).await?;
        self.ready(service).await
    }

    /// Waits until an armed service has met its end.
    pub async fn falls(&self, service: Service) -> Result<()> {
        let what = format!("{} comes to the point where it is to end", service.name());
        let end = eventually(&what, FALL, async || self.fallen(service).await.transpose()).await??;
        ensure!(end != End::GaveUp, "{} gave up instead", service.name());
        Ok(())
    }

    /// Starts a service that doesn't run so that it ends at the first of these points that it meets, and doesn't wait
    /// for it: that may be on the way to being ready.
    pub async fn start_armed(&self, service: Service, faults: &[&str]) -> Result<()> {
        self.process(service.into(), |process| process.start_armed(faults)).await
    }

    /// Kills a service and starts it again in one step, so that nobody finds it away; as [`Shop::start_armed`].
    pub async fn begin_again(&self, service: Service, faults: &[&str]) -> Result<()> {
        self.process(service.into(), |process| {
            process.kill()?;
            process.start_armed(faults)
        })
        .await
    }

    /// A variable of a service from its next start on.
    pub async fn set(&self, service: Service, variable: &str, value: &str) -> Result<()> {
        self.process(service.into(), |process| {
            process.set(variable, value);
            Ok(())
        })
        .await
    }

    /// How a service has ended since it was started, if it has; then it can be started again.
    pub async fn fallen(&self, service: Service) -> Result<Option<End>> {
        let name = service.name();
        let Some((status, log, tail)) = self
            .process(service.into(), |process| {
                let status = process.ended()?;
                Ok(status.map(|status| (status, process.fault_log(), process.tail())))
            })
            .await?
        else {
            return Ok(None);
        };
        if status.code() == Some(1) {
            return Ok(Some(End::GaveUp));
        }
        ensure!(status.signal() == Some(SIGKILL), "{name} ended by itself ({status}):\n{tail}");
        let point = log?.lines().filter_map(|line| line.strip_prefix("died ")).next_back().map(str::to_owned);
        let point = point.with_context(|| format!("{name} was killed, at no point of its own:\n{tail}"))?;
        Ok(Some(End::At(point)))
    }

    /// The points that a service has come to in all its lives so far.
    pub async fn passed(&self, service: Service) -> Result<BTreeSet<String>> {
        let log = self.process(service.into(), |process| process.fault_log()).await?;
        Ok(log.lines().filter_map(|line| line.strip_prefix("passed ")).map(str::to_owned).collect())
    }
}

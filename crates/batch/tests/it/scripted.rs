//! A step that shows the test each batch and does what the test says.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use batch::Step;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("an item is to blame")]
    OfAnItem,
    #[error("no item is to blame")]
    Outage,
    #[error("the step is to panic")]
    Panic,
}

/// What the step makes of items: ten times each.
pub(crate) fn answers(items: &[u32]) -> Vec<u32> {
    items.iter().map(|item| item * 10).collect()
}

pub(crate) struct Scripted {
    runs: mpsc::UnboundedSender<Run>,
    ended: mpsc::UnboundedSender<Vec<u32>>,
}

impl Scripted {
    pub(crate) fn new() -> (Self, Runs) {
        let (runs, next) = mpsc::unbounded_channel();
        let (ended, after) = mpsc::unbounded_channel();
        (Self { runs, ended }, Runs { next, after })
    }
}

impl Step for Scripted {
    type Item = u32;
    type Outcome = u32;
    type Error = Fault;

    async fn run(&self, items: &[u32]) -> Result<Vec<u32>, Fault> {
        let (finish, finished) = oneshot::channel();
        self.runs.send(Run { items: items.to_vec(), finish }).map_err(|_| Fault::Outage)?;
        let result = finished.await.map_err(|_| Fault::Outage)?;
        assert_ne!(result, Err(Fault::Panic), "as the test asked for");
        self.ended.send(items.to_vec()).map_err(|_| Fault::Outage)?;
        result
    }

    fn may_blame_an_item(error: &Fault) -> bool {
        *error == Fault::OfAnItem
    }
}

pub(crate) struct Runs {
    next: mpsc::UnboundedReceiver<Run>,
    after: mpsc::UnboundedReceiver<Vec<u32>>,
}

impl Runs {
    /// The batch that is being run now.
    pub(crate) async fn next(&mut self) -> Result<Run> {
        timeout(LIMIT, self.next.recv()).await.context("no batch was begun")?.context("the worker is gone")
    }

    /// A batch that was run to its end.
    pub(crate) async fn ended(&mut self) -> Result<Vec<u32>> {
        timeout(LIMIT, self.after.recv()).await.context("no batch ended")?.context("the worker is gone")
    }

    pub(crate) async fn worker_has_ended(&mut self) -> Result<()> {
        match timeout(LIMIT, self.next.recv()).await? {
            None => Ok(()),
            Some(run) => bail!("another batch was begun: {:?}", run.items),
        }
    }
}

pub(crate) struct Run {
    pub(crate) items: Vec<u32>,
    finish: oneshot::Sender<Result<Vec<u32>, Fault>>,
}

impl Run {
    pub(crate) fn finish(self, result: Result<Vec<u32>, Fault>) {
        assert!(self.finish.send(result).is_ok(), "the batch is still running");
    }
}

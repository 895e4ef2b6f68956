use futures::{StreamExt as _, stream};
use sea_orm::TransactionTrait;

use super::{BATCH, Sweeper};
use crate::{
    clients::CallError,
    settle::SettleError,
    store::refreshes::{self, Change, Due, News, Subject},
};

/// Calls to identity that are under way at once.
const CALLS: usize = 16;

impl Sweeper {
    /// Asks identity for what it said has changed, and writes that into the orders that are not shipped yet.
    pub(super) async fn refresh(&self) -> Result<(), SettleError> {
        let due = refreshes::due(&self.db, BATCH).await?;
        let answers = stream::iter(due).map(|due| async move { (due, self.ask(&due.change).await) });
        let mut answers = std::pin::pin!(answers.buffer_unordered(CALLS));
        while let Some((due, answer)) = answers.next().await {
            match answer {
                Ok(news) => self.write(&due, &news).await?,
                // Identity is away: the next sweep asks again.
                Err(CallError::Unanswered { .. }) => {}
                Err(error) => {
                    tracing::error!(%error, "a changed address or name cannot be read");
                    fault::around("order.postpone.commit", refreshes::postpone(&self.db, &due)).await?;
                }
            }
        }
        Ok(())
    }

    async fn ask(&self, change: &Change) -> Result<News, CallError> {
        let news = match change.subject {
            Subject::Address(address) => {
                self.identity.delivery_address(change.user, address).await?.map(News::Address)
            }
            Subject::Name => self.identity.name_of(change.user).await?.map(News::Name),
        };
        Ok(news.unwrap_or(News::Gone))
    }

    async fn write(&self, due: &Due, news: &News) -> Result<(), SettleError> {
        let tx = self.db.begin().await?;
        let changed = refreshes::apply(&tx, due, news).await?;
        fault::around("order.refresh.commit", tx.commit()).await?;
        if !changed.is_empty() {
            self.notifier.changed(changed);
        }
        Ok(())
    }
}

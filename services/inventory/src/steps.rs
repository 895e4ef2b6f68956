//! What is done in transactions that many callers share.

mod reserve;
mod settle;

use std::sync::Arc;

use sea_orm::DbErr;

pub(crate) use reserve::Reserve;
pub(crate) use settle::{Settle, settle_locked};

/// The transaction of a whole batch failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct StepError(pub(crate) Arc<DbErr>);

impl From<DbErr> for StepError {
    fn from(error: DbErr) -> Self {
        Self(Arc::new(error))
    }
}

impl StepError {
    /// Whether one item may be to blame: not for a database that is down.
    fn may_blame_an_item(&self) -> bool {
        !server::database::is_down(&self.0)
    }
}

//! What the service hears of others, one file an event, and what it tells them.

pub(crate) mod on_address_changed;
pub(crate) mod on_payment_captured;
pub(crate) mod on_payment_failed;
pub(crate) mod on_payment_refunded;
pub(crate) mod on_profile_updated;
pub(crate) mod on_shop_member_changed;
pub(crate) mod on_user_deleted;
pub(crate) mod published;

use events::{Delivery, Event, HandleError, Verdict};
use sea_orm::DatabaseTransaction;
use values::{IdError, OrderId};

use crate::{
    domain::Happening,
    settle::{Report, SettleError, settle},
    store::refreshes::{self, Change},
};

/// Lets what payments tell happen to their orders. An order that isn't known yet will be, since payments learn of
/// orders from us only.
async fn settle_deliveries<'a, E: Event>(
    tx: &DatabaseTransaction,
    deliveries: impl Iterator<Item = (&'a Delivery<E>, Result<(OrderId, Happening), IdError>)>,
) -> Result<Vec<Verdict>, HandleError> {
    let told: Vec<Result<Report, IdError>> = deliveries
        .map(|(delivery, told)| {
            told.map(|(order, happening)| Report::by_system(order, happening, delivery.span()))
        })
        .collect();
    let reports: Vec<Report> = told.iter().flatten().cloned().collect();
    let mut effects = settle(tx, &reports).await?.into_iter();
    let verdicts = told.into_iter().map(|told| match told {
        Err(error) => Verdict::Reject(format!("order_id {error}")),
        Ok(_) if effects.next().flatten().is_some() => Verdict::Done,
        Ok(_) => Verdict::TooEarly,
    });
    Ok(verdicts.collect())
}

/// Notes what identity told has changed, as far as it can be read.
async fn note_changes(
    tx: &DatabaseTransaction,
    told: impl Iterator<Item = Result<Change, IdError>>,
) -> Result<Vec<Verdict>, HandleError> {
    let told: Vec<Result<Change, IdError>> = told.collect();
    refreshes::note(tx, told.iter().flatten().copied().collect()).await?;
    let verdicts = told.into_iter().map(|change| match change {
        Ok(_) => Verdict::Done,
        Err(error) => Verdict::Reject(error.to_string()),
    });
    Ok(verdicts.collect())
}

impl From<SettleError> for HandleError {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::Database(error) => error.into(),
            SettleError::Event(error) => Self::Failed(error.to_string()),
        }
    }
}

/// The orders that payments' events are about, as far as they can be read.
fn orders<'a>(ids: impl Iterator<Item = &'a str>) -> impl Iterator<Item = OrderId> {
    ids.filter_map(|id| id.parse().ok())
}

use std::time::Duration;

use batch::Step;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, TransactionTrait};
use server::database::answered;
use values::ReservationId;

use super::StepError;
use crate::{
    domain::{Holdings, Reservation, Trigger},
    store::{self, changes::Written},
};

/// Commits or releases many reservations at once.
#[derive(Clone, Debug)]
pub(crate) struct Settle {
    pub(crate) db: DatabaseConnection,
    /// What happens to them.
    pub(crate) trigger: Trigger,
}

impl Step for Settle {
    type Item = ReservationId;
    /// `None`: there is no such reservation.
    type Outcome = Option<Reservation>;
    type Error = StepError;

    async fn run(&self, ids: &[ReservationId]) -> Result<Vec<Option<Reservation>>, StepError> {
        let holdings = answered(self.settle(ids)).await?;
        Ok(ids.iter().map(|&id| holdings.reservation(id).cloned()).collect())
    }

    fn may_blame_an_item(error: &StepError) -> bool {
        error.may_blame_an_item()
    }
}

impl Settle {
    async fn settle(&self, ids: &[ReservationId]) -> Result<Holdings, DbErr> {
        let tx = self.db.begin().await?;
        let locked = store::reservations::lock(&tx, ids.iter().copied()).await?;
        let holdings = settle_locked(&tx, locked, self.trigger).await?;
        fault::around("inventory.settle.commit", tx.commit()).await?;
        Ok(holdings)
    }
}

/// Lets `trigger` happen to each of the locked reservations, and writes what follows.
pub(crate) async fn settle_locked(
    tx: &impl ConnectionTrait,
    locked: Vec<Reservation>,
    trigger: Trigger,
) -> Result<Holdings, DbErr> {
    let mut holdings = Holdings::new(locked);
    let offers = holdings.offers_to_lock(trigger);
    if !offers.is_empty() {
        // Nothing is held anew, so that nothing begins to lapse.
        store::stock::lock(tx, &offers, Duration::ZERO, &mut holdings).await?;
    }
    holdings.settle_all(trigger);
    match store::changes::write(tx, holdings.changes()).await? {
        Written::All => Ok(holdings),
        Written::KeyTaken => Err(DbErr::RecordNotInserted),
    }
}

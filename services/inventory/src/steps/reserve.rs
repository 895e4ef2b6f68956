use std::time::Duration;

use batch::Step;
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
use server::database::answered;
use values::ReservationId;

use super::StepError;
use crate::{
    domain::{Holdings, Refusal, Reservation, ReserveRequest},
    store::{self, changes::Written},
};

/// Sets stock aside for many orders at once.
#[derive(Clone, Debug)]
pub(crate) struct Reserve {
    pub(crate) db: DatabaseConnection,
    /// How long a reservation is held.
    pub(crate) ttl: Duration,
}

impl Step for Reserve {
    type Item = ReserveRequest;
    type Outcome = Result<Reservation, Refusal>;
    type Error = StepError;

    async fn run(&self, requests: &[ReserveRequest]) -> Result<Vec<Self::Outcome>, StepError> {
        // Each further attempt finds at least one reservation more, which another replica made of the same key.
        loop {
            if let Some(outcomes) = answered(self.attempt(requests)).await? {
                return Ok(outcomes);
            }
        }
    }

    fn may_blame_an_item(error: &StepError) -> bool {
        error.may_blame_an_item()
    }
}

impl Reserve {
    /// `None`: another replica was faster with one of the keys, and nothing was written.
    async fn attempt(
        &self,
        requests: &[ReserveRequest],
    ) -> Result<Option<Vec<Result<Reservation, Refusal>>>, DbErr> {
        let offers = requests.iter().flat_map(|request| &request.lines).map(|&(offer, _)| offer).collect();

        let tx = self.db.begin().await?;
        let known =
            store::reservations::lock_by_key(&tx, requests.iter().map(|request| &request.key)).await?;
        let mut holdings = Holdings::new(known);
        store::stock::lock(&tx, &offers, self.ttl, &mut holdings).await?;
        let decided: Vec<_> =
            requests.iter().map(|request| holdings.reserve(ReservationId::new(), request)).collect();

        // Before this transaction got the shelves, another replica may have used the same keys: for a reservation that
        // can't be inserted again now, or with the very copies that are short now.
        let keys_without = requests.iter().map(|request| &request.key).filter(|key| !holdings.has(key));
        let raced = store::reservations::any_exists(&tx, keys_without).await?
            || store::changes::write(&tx, holdings.changes()).await? == Written::KeyTaken;
        if raced {
            tx.rollback().await?;
            return Ok(None);
        }
        fault::around("inventory.reserve.commit", tx.commit()).await?;

        let answer = |id| holdings.reservation(id).cloned();
        Ok(decided.into_iter().map(|outcome| outcome.map(answer).transpose()).collect())
    }
}

use std::{collections::BTreeSet, time::Duration};

use batch::Step;
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
use server::database::answered;
use values::{OfferId, ReservationId};

use super::StepError;
use crate::{
    domain::{Holdings, Refusal, Reservation, ReservationKey, ReserveRequest},
    store::{
        self,
        changes::{Opening, Written},
    },
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
        if let Some(outcomes) = answered(self.attempt_without_locks(requests)).await? {
            return Ok(outcomes);
        }
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
    /// Most requests come once, for books of which there are enough: what is decided by a glance at the shelves
    /// stands when it is written, since the database refuses a key that is taken and copies that are not there.
    ///
    /// `None`: it was refused, or a request that would get nothing may have come before; nothing was written.
    async fn attempt_without_locks(
        &self,
        requests: &[ReserveRequest],
    ) -> Result<Option<Vec<Result<Reservation, Refusal>>>, DbErr> {
        let mut holdings = Holdings::default();
        store::stock::read(&self.db, &offers(requests), self.ttl, &mut holdings).await?;
        let decided = decide(requests, &mut holdings);
        if store::reservations::any_exists(&self.db, keys_without(requests, &holdings)).await? {
            return Ok(None);
        }
        let written = store::changes::open(&self.db, holdings.changes());
        let written = fault::around("inventory.reserve.commit", written).await?;
        Ok(if written == Opening::Done { answers(decided, &holdings) } else { None })
    }

    /// `None`: another replica was faster with one of the keys, and nothing was written.
    async fn attempt(
        &self,
        requests: &[ReserveRequest],
    ) -> Result<Option<Vec<Result<Reservation, Refusal>>>, DbErr> {
        let tx = self.db.begin().await?;
        let known =
            store::reservations::lock_by_key(&tx, requests.iter().map(|request| &request.key)).await?;
        let mut holdings = Holdings::new(known);
        store::stock::lock(&tx, &offers(requests), self.ttl, &mut holdings).await?;
        let decided = decide(requests, &mut holdings);

        // Before this transaction got the shelves, another replica may have used the same keys: for a reservation that
        // can't be inserted again now, or with the very copies that are short now.
        let raced = store::reservations::any_exists(&tx, keys_without(requests, &holdings)).await?
            || store::changes::write(&tx, holdings.changes()).await? == Written::KeyTaken;
        if raced {
            tx.rollback().await?;
            return Ok(None);
        }
        fault::around("inventory.reserve.commit", tx.commit()).await?;
        Ok(answers(decided, &holdings))
    }
}

type Decided = Vec<Result<ReservationId, Refusal>>;

fn offers(requests: &[ReserveRequest]) -> BTreeSet<OfferId> {
    requests.iter().flat_map(|request| &request.lines).map(|&(offer, _)| offer).collect()
}

fn decide(requests: &[ReserveRequest], holdings: &mut Holdings) -> Decided {
    requests.iter().map(|request| holdings.reserve(ReservationId::new(), request)).collect()
}

/// Of the requests that have no reservation so far.
fn keys_without<'a>(
    requests: &'a [ReserveRequest],
    holdings: &'a Holdings,
) -> impl Iterator<Item = &'a ReservationKey> {
    requests.iter().map(|request| &request.key).filter(|key| !holdings.has(key))
}

fn answers(decided: Decided, holdings: &Holdings) -> Option<Vec<Result<Reservation, Refusal>>> {
    let answer = |id| holdings.reservation(id).cloned();
    decided.into_iter().map(|outcome| outcome.map(answer).transpose()).collect()
}

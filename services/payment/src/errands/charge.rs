use sea_orm::{DatabaseTransaction, DbErr, TransactionTrait as _};

use super::Errands;
use crate::{
    domain::{
        card_charge::{self, Step},
        failure::Failure,
    },
    gateway::{Answer, Reference},
    store::{
        card_charges::{self, CardCharge, Purpose},
        errands::{self, Errand},
        top_ups,
    },
};

impl Errands {
    /// Takes a charge to a card one step on.
    pub(super) async fn charge(&self, errand: &Errand) -> Result<bool, DbErr> {
        let charge = card_charges::find(&self.db, errand.id).await?;
        let Some(charge) = charge.filter(|charge| charge.step.is_open()) else {
            errands::end(&self.db, errand.id).await?;
            return Ok(true);
        };
        let (answer, made) = match self.ask_for(errand, &charge).await {
            Answer::Done(made) => (Ok(()), Some(made)),
            Answer::Declined(failure) => (Err(failure), None),
            Answer::Unknown => return Ok(false),
        };
        let tx = self.db.begin().await?;
        let Some(locked) =
            card_charges::lock(&tx, charge.id).await?.filter(|locked| locked.step == charge.step)
        else {
            // Another has recorded the answer, or the charge was given up meanwhile: there is another question.
            tx.rollback().await?;
            return Ok(true);
        };
        self.record(&tx, &locked, answer, made).await?;
        tx.commit().await?;
        self.wake.wake();
        Ok(true)
    }

    async fn ask_for(&self, errand: &Errand, charge: &CardCharge) -> Answer<Reference> {
        let key = format!("charge/{}/{}", charge.id, charge.step.name());
        match (charge.step, &errand.token, &charge.authorisation) {
            (Step::Authorise, Some(token), _) => {
                self.gateway.ask(|gateway| gateway.authorise(&key, token, charge.amount)).await
            }
            (Step::Capture, _, Some(authorisation)) => {
                self.gateway.ask(|gateway| gateway.capture(&key, authorisation, charge.amount)).await
            }
            (Step::Void, _, Some(authorisation)) => {
                self.gateway.ask(|gateway| gateway.void(&key, authorisation)).await
            }
            _ => Answer::Declined(Failure::ProcessingError),
        }
    }

    async fn record(
        &self,
        tx: &DatabaseTransaction,
        charge: &CardCharge,
        answer: Result<(), Failure>,
        made: Option<Reference>,
    ) -> Result<(), DbErr> {
        let mut next = card_charge::after(charge.step, answer, charge.refusal);
        if charge.purpose == Purpose::TopUp
            && next.0 == Step::Capture
            && let Some(refusal) = top_ups::refusal(tx, charge.user, charge.amount).await?
            && charge.step == Step::Authorise
        {
            next = (Step::Void, Some(refusal));
        }
        card_charges::go_on(tx, charge.id, next, made.as_ref()).await?;
        match (charge.purpose, next.0) {
            (_, Step::Authorise | Step::Capture | Step::Void) => {
                return errands::go_on(tx, charge.id, self.pace).await;
            }
            (Purpose::TopUp, Step::Captured) => {
                top_ups::book(tx, charge.id, charge.user, charge.amount).await?;
            }
            (Purpose::TopUp, Step::Refused) | (Purpose::Order, _) => {}
        }
        errands::end(tx, charge.id).await
    }
}

use sea_orm::{DatabaseTransaction, DbErr, TransactionTrait as _};
use values::{Money, PaymentId};

use super::{Errands, tell};
use crate::{
    domain::{
        card_charge::{self, Refusal, Step},
        failure::Failure,
    },
    events::published,
    gateway::{Answer, Reference},
    store::{
        card_charges::{self, CardCharge, Purpose},
        card_payments,
        errands::{self, Errand},
        records::{self, Locked},
        refunds::{self, Due, Origin},
        top_ups,
    },
};

/// What the gateway said to what a step asks, and what it has made.
type Said = Result<Reference, Failure>;

impl Errands {
    /// Takes a charge to a card one step on; `false` if the gateway says nothing.
    pub(super) async fn charge(&self, errand: &Errand) -> Result<bool, DbErr> {
        let charge = card_charges::find(&self.db, errand.id).await?;
        let Some(charge) = charge.filter(|charge| charge.step.is_open()) else {
            fault::around("payment.end.commit", errands::end(&self.db, errand.id)).await?;
            return Ok(true);
        };
        let said = match self.ask_for(errand, &charge).await {
            Answer::Done(made) => Ok(made),
            Answer::Declined(failure) => Err(failure),
            Answer::Unknown => return Ok(false),
        };
        let tx = self.db.begin().await?;
        // The payment before its charge, as everybody locks them.
        let payment = match charge.purpose {
            Purpose::Order => Some(
                records::lock_one(&tx, PaymentId::from_uuid(charge.id))
                    .await?
                    .ok_or_else(|| DbErr::RecordNotFound("the payment of a charge".to_owned()))?,
            ),
            Purpose::TopUp => None,
        };
        let locked = card_charges::lock(&tx, charge.id).await?;
        let Some(locked) = locked.filter(|locked| locked.step == charge.step) else {
            // Another has recorded the answer, or the charge was given up meanwhile: there is another question.
            tx.rollback().await?;
            return Ok(true);
        };
        match payment {
            Some(payment) => self.record_payment(&tx, &payment, &locked, said, errand).await?,
            None => self.record_top_up(&tx, &locked, said).await?,
        }
        fault::around(|| format!("payment.charge.{}.commit", charge.step.name()), tx.commit()).await?;
        self.wake.wake();
        if locked.refusal.is_some() {
            // What was captured all the same is to be given back.
            self.wake();
        }
        Ok(true)
    }

    async fn ask_for(&self, errand: &Errand, charge: &CardCharge) -> Answer<Reference> {
        let key = format!("charge/{}/{}", charge.id, charge.step.name());
        match (charge.step, &errand.token, &charge.authorisation) {
            (Step::Authorise, Some(token), _) => {
                self.gateway
                    .ask("card.authorise", |gateway| gateway.authorise(&key, token, charge.amount))
                    .await
            }
            (Step::Capture, _, Some(authorisation)) => {
                self.gateway
                    .ask("card.capture", |gateway| gateway.capture(&key, authorisation, charge.amount))
                    .await
            }
            (Step::Void, _, Some(authorisation)) => {
                self.gateway.ask("card.void", |gateway| gateway.void(&key, authorisation)).await
            }
            _ => Answer::Declined(Failure::ProcessingError),
        }
    }

    /// The wallet is asked again before the card is charged for good; what it refuses is given back.
    async fn record_top_up(
        &self,
        tx: &DatabaseTransaction,
        charge: &CardCharge,
        said: Said,
    ) -> Result<(), DbErr> {
        let mut next = card_charge::after(charge.step, outcome(&said), charge.refusal);
        if charge.step == Step::Authorise
            && next.0 == Step::Capture
            && let Some(refusal) = top_ups::refusal(tx, charge.user, charge.amount).await?
        {
            next = (Step::Void, Some(refusal));
        }
        card_charges::go_on(tx, charge.id, next, said.as_ref().ok()).await?;
        if next.0 == Step::Captured {
            top_ups::book(tx, charge.id, charge.user, charge.amount).await?;
        }
        self.go_on_or_end(tx, charge, next.0).await
    }

    async fn record_payment(
        &self,
        tx: &DatabaseTransaction,
        payment: &Locked,
        charge: &CardCharge,
        said: Said,
        errand: &Errand,
    ) -> Result<(), DbErr> {
        let next = card_charge::after(charge.step, outcome(&said), charge.refusal);
        card_charges::go_on(tx, charge.id, next, said.as_ref().ok()).await?;
        match next {
            (Step::Capture, None) => card_payments::authorised(tx, payment.payment).await?,
            (Step::Authorise | Step::Capture | Step::Void, _) => {}
            (Step::Captured, refusal) => {
                capture(tx, payment, charge.amount).await?;
                if refusal.is_some() {
                    give_back(tx, payment, charge.amount, errand).await?;
                }
            }
            (Step::Refused, refusal) => {
                let failure = match refusal {
                    Some(Refusal::Failure(failure)) => failure,
                    Some(Refusal::WalletFull) | None => Failure::ProcessingError,
                };
                card_payments::failed(tx, &[payment.payment], failure).await?;
                let (order, version) = (payment.order, payment.version + 1);
                tell(tx, published::failed(payment.payment, order, version, failure)).await?;
            }
        }
        self.go_on_or_end(tx, charge, next.0).await
    }

    async fn go_on_or_end(
        &self,
        tx: &DatabaseTransaction,
        charge: &CardCharge,
        step: Step,
    ) -> Result<(), DbErr> {
        if step.is_open() {
            errands::go_on(tx, charge.id, self.pace).await
        } else {
            errands::end(tx, charge.id).await
        }
    }
}

fn outcome(said: &Said) -> Result<(), Failure> {
    said.as_ref().map(|_| ()).map_err(|failure| *failure)
}

async fn capture(tx: &DatabaseTransaction, payment: &Locked, amount: Money) -> Result<(), DbErr> {
    card_payments::captured(tx, payment, amount).await?;
    let (order, version) = (payment.order, payment.version + 1);
    tell(tx, published::captured(payment.payment, order, version, amount)).await
}

/// The order was cancelled while its capture was under way.
async fn give_back(
    tx: &DatabaseTransaction,
    payment: &Locked,
    amount: Money,
    errand: &Errand,
) -> Result<(), DbErr> {
    let due =
        Due { traceparent: errand.traceparent.clone(), ..Due::new(*payment, amount, Origin::Cancelled) };
    refunds::decide(tx, &[due]).await
}

//! A card gateway that moves no money: it stands for a real one in tests, demonstrations and shops that have none yet.
//! What it remembers is its own, survives any process of ours, and is shared by all of them. docs/PAYMENTS.md lists its
//! cards.

mod cards;
mod memory;

use sea_orm::DbErr;
use secrecy::SecretString;
use tokio::sync::oneshot;
use tracing::Instrument as _;
use values::Money;

use self::memory::{Kind, Memory, Operation, Said};
use super::{Answer, CardGateway, Face, Reference, Token};
use crate::domain::failure::Failure;

/// A card gateway that moves no money.
#[derive(Clone, Debug)]
pub(crate) struct Simulated {
    memory: Memory,
}

impl Simulated {
    /// A gateway whose memory lies in this database, reached over connections of its own.
    pub(crate) async fn open(database: &SecretString) -> Result<Self, DbErr> {
        Ok(Self { memory: Memory::open(database).await? })
    }

    /// Works on, as a gateway elsewhere does, when the caller has given up.
    async fn perform(&self, operation: Operation) -> Answer<Reference> {
        let (answer, heard) = oneshot::channel();
        let memory = self.memory.clone();
        let work = async move {
            let mut answer = answer;
            match memory.perform(&operation).await {
                // Nobody may be there to hear it.
                Ok(Said::Now(said)) => drop(answer.send(said)),
                Ok(Said::TooLate) => answer.closed().await,
                Err(error) => tracing::warn!(%error, "the simulated card gateway can't remember"),
            }
        };
        tokio::spawn(work.in_current_span());
        heard.await.unwrap_or(Answer::Unknown)
    }
}

#[tonic::async_trait]
impl CardGateway for Simulated {
    async fn look_up(&self, token: &Token) -> Answer<Face> {
        cards::find(&token.0).map_or(Answer::Declined(Failure::CardUnknown), |card| Answer::Done(card.face()))
    }

    async fn authorise(&self, key: &str, token: &Token, amount: Money) -> Answer<Reference> {
        self.perform(Operation::of_card(key, Kind::Authorise, token, amount)).await
    }

    async fn capture(&self, key: &str, authorisation: &Reference, amount: Money) -> Answer<Reference> {
        self.perform(Operation::on(key, Kind::Capture, authorisation, Some(amount))).await
    }

    async fn void(&self, key: &str, authorisation: &Reference) -> Answer<Reference> {
        self.perform(Operation::on(key, Kind::Void, authorisation, None)).await
    }

    async fn refund(&self, key: &str, capture: &Reference, amount: Money) -> Answer<Reference> {
        self.perform(Operation::on(key, Kind::Refund, capture, Some(amount))).await
    }

    async fn pay_out(&self, key: &str, token: &Token, amount: Money) -> Answer<Reference> {
        self.perform(Operation::of_card(key, Kind::PayOut, token, amount)).await
    }
}

//! The card gateway: whoever moves money to and from cards.

mod simulated;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tracing::Instrument as _;
use values::Money;

pub(crate) use simulated::Simulated;

use crate::domain::failure::Failure;

/// What the gateway calls a card; whoever has it can charge the card.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) String);

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// What the gateway did for a key, by its own name for it: an authorisation or a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference(pub(crate) String);

/// What can be shown of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Face {
    /// `visa`.
    pub(crate) brand: String,
    /// The last digits of its number.
    pub(crate) last4: String,
    /// 1 to 12.
    pub(crate) expire_month: i16,
    /// The year.
    pub(crate) expire_year: i16,
}

/// What the gateway says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer<T> {
    /// It is done.
    Done(T),
    /// It is not done, and won't be under this key.
    Declined(Failure),
    /// Nothing. It may be done or not: ask again with the same key.
    Unknown,
}

/// Who moves money to and from cards.
///
/// A key names one operation for ever: asked again, the gateway gives the answer that it gave, and does nothing twice.
/// The calls may take long and be given up at any moment, after which the operation may be done or not.
#[tonic::async_trait]
pub(crate) trait CardGateway: fmt::Debug + Send + Sync {
    /// What can be shown of a card.
    async fn look_up(&self, token: &Token) -> Answer<Face>;
    /// Has the card's bank promise the amount.
    async fn authorise(&self, key: &str, token: &Token, amount: Money) -> Answer<Reference>;
    /// Takes what was promised.
    async fn capture(&self, key: &str, authorisation: &Reference, amount: Money) -> Answer<Reference>;
    /// Gives a promise back; declined once it was captured.
    async fn void(&self, key: &str, authorisation: &Reference) -> Answer<Reference>;
    /// Gives back what was captured, or a part.
    async fn refund(&self, key: &str, capture: &Reference, amount: Money) -> Answer<Reference>;
    /// Sends money to a card.
    async fn pay_out(&self, key: &str, token: &Token, amount: Money) -> Answer<Reference>;
}

/// A gateway of which nobody waits longer than so long for an answer.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    behind: Arc<dyn CardGateway>,
    patience: Duration,
}

impl Gateway {
    pub(crate) fn new(behind: impl CardGateway + 'static, patience: Duration) -> Self {
        Self { behind: Arc::new(behind), patience }
    }

    /// How long an answer is waited for.
    pub(crate) const fn patience(&self) -> Duration {
        self.patience
    }

    /// What the gateway says to a question in time; `act` names it.
    pub(crate) async fn ask<'a, T, F>(
        &'a self,
        act: &'static str,
        question: impl FnOnce(&'a dyn CardGateway) -> F,
    ) -> Answer<T>
    where
        F: Future<Output = Answer<T>>,
    {
        let span = tracing::info_span!(
            "card gateway",
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            act
        );
        let answer = tokio::time::timeout(self.patience, question(&*self.behind)).instrument(span.clone());
        let answer = fault::around(act, answer).await.unwrap_or(Answer::Unknown);
        if matches!(answer, Answer::Unknown) {
            span.record("otel.status_code", "ERROR");
        }
        answer
    }
}

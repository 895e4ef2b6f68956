//! What the simulated gateway has been asked and has said, by key.
//!
//! Its transactions are its own: none of the service's ever sees or holds them.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr,
    FromQueryResult, TransactionTrait as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use server::database::sql;
use uuid::Uuid;
use values::Money;

use super::cards::{self, TestCard};
use crate::{
    domain::failure::Failure,
    gateway::{Answer, Reference, Token},
};

const CONNECTIONS: u32 = 4;
const ACQUIRE: Duration = Duration::from_secs(5);

/// What the gateway can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Authorise,
    Capture,
    Void,
    Refund,
    PayOut,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Authorise => "AUTHORISE",
            Self::Capture => "CAPTURE",
            Self::Void => "VOID",
            Self::Refund => "REFUND",
            Self::PayOut => "PAY_OUT",
        }
    }
}

/// Something that the gateway is asked to do.
#[derive(Debug)]
pub(super) struct Operation {
    key: String,
    kind: Kind,
    on: On,
    amount: Option<Money>,
}

#[derive(Debug)]
enum On {
    Card(Token),
    /// Something that the gateway did before.
    Earlier(Reference),
}

impl Operation {
    pub(super) fn of_card(key: &str, kind: Kind, token: &Token, amount: Money) -> Self {
        Self { key: key.to_owned(), kind, on: On::Card(token.clone()), amount: Some(amount) }
    }

    pub(super) fn on(key: &str, kind: Kind, earlier: &Reference, amount: Option<Money>) -> Self {
        Self { key: key.to_owned(), kind, on: On::Earlier(earlier.clone()), amount }
    }
}

/// When an answer is given.
pub(super) enum Said {
    Now(Answer<Reference>),
    /// When nobody listens any more.
    TooLate,
}

#[derive(Clone, Debug)]
pub(super) struct Memory(DatabaseConnection);

/// What an operation is about.
struct Subject {
    card: &'static TestCard,
    token: String,
    target: Option<Target>,
    amount: i64,
    currency: String,
}

#[derive(FromQueryResult)]
struct Target {
    id: Uuid,
    kind: String,
    token: String,
    currency: String,
    amount: i64,
    answer: Option<String>,
    /// Captured or void.
    is_ended: bool,
    refunded: i64,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    calls: i32,
    is_same: bool,
    answer: Option<String>,
}

const DONE: &str = "DONE";

impl Memory {
    pub(super) async fn open(database: &SecretString) -> Result<Self, DbErr> {
        let mut options = ConnectOptions::new(database.expose_secret());
        options
            .max_connections(CONNECTIONS)
            .connect_lazy(true)
            .acquire_timeout(ACQUIRE)
            .sqlx_logging(false)
            .set_application_name("bookstore-simulated-card-gateway");
        Ok(Self(Database::connect(options).await?))
    }

    /// Does what is asked, unless it was done or declined under this key before.
    pub(super) async fn perform(&self, operation: &Operation) -> Result<Said, DbErr> {
        let tx = self.0.begin().await?;
        let Some(subject) = subject(&tx, operation).await? else {
            return Ok(Said::Now(Answer::Declined(Failure::ProcessingError)));
        };
        let row = note(&tx, operation, &subject).await?;
        if !row.is_same {
            tracing::error!("a key of the card gateway was used for something else");
            return Ok(Said::Now(Answer::Declined(Failure::ProcessingError)));
        }
        if subject.card.ignores(row.calls) {
            fault::around("card.memory.commit", tx.commit()).await?;
            return Ok(Said::TooLate);
        }
        let answer = if let Some(answer) = row.answer {
            answer
        } else {
            let answer = decide(operation.kind, &subject).map_or_else(Failure::name, |()| DONE).to_owned();
            let say = "UPDATE simulated_gateway.operations SET answer = $2 WHERE key = $1";
            tx.execute_raw(sql(say, [operation.key.as_str().into(), answer.as_str().into()])).await?;
            answer
        };
        fault::around("card.memory.commit", tx.commit()).await?;
        if subject.card.answers_late(row.calls) {
            return Ok(Said::TooLate);
        }
        Ok(Said::Now(match answer.as_str() {
            DONE => Answer::Done(Reference(row.id.to_string())),
            failure => Answer::Declined(Failure::named(failure).unwrap_or(Failure::ProcessingError)),
        }))
    }
}

/// What the operation is about; locks what it goes on from. Nothing if the gateway doesn't know it.
async fn subject(tx: &DatabaseTransaction, operation: &Operation) -> Result<Option<Subject>, DbErr> {
    let (token, target) = match &operation.on {
        On::Card(token) => (token.0.clone(), None),
        On::Earlier(reference) => {
            let Some(target) = target(tx, reference).await? else { return Ok(None) };
            (target.token.clone(), Some(target))
        }
    };
    let Some(card) = cards::find(&token) else { return Ok(None) };
    let (amount, currency) = match (operation.amount, &target) {
        (Some(amount), _) => (amount.minor_units(), amount.currency().code().to_owned()),
        (None, Some(target)) => (target.amount, target.currency.clone()),
        (None, None) => return Ok(None),
    };
    Ok(Some(Subject { card, token, target, amount, currency }))
}

async fn target(tx: &DatabaseTransaction, reference: &Reference) -> Result<Option<Target>, DbErr> {
    let Ok(id) = reference.0.parse::<Uuid>() else { return Ok(None) };
    let lock = "SELECT FROM simulated_gateway.operations WHERE id = $1 FOR UPDATE";
    tx.query_one_raw(sql(lock, [id.into()])).await?;
    // A statement of its own: it must see what happened while it waited for the lock.
    let read = "
        SELECT id, kind, token, currency, amount, answer,
               EXISTS (SELECT FROM simulated_gateway.operations AS ended
                       WHERE ended.target = earlier.id AND kind IN ('CAPTURE', 'VOID') AND answer = 'DONE') AS is_ended,
               (SELECT COALESCE(sum(amount), 0)::bigint FROM simulated_gateway.operations AS refund
                WHERE refund.target = earlier.id AND kind = 'REFUND' AND answer = 'DONE') AS refunded
        FROM simulated_gateway.operations AS earlier
        WHERE id = $1";
    Target::find_by_statement(sql(read, [id.into()])).one(tx).await
}

/// Counts the call.
async fn note(tx: &DatabaseTransaction, operation: &Operation, subject: &Subject) -> Result<Row, DbErr> {
    let note = "
        INSERT INTO simulated_gateway.operations AS known (key, id, kind, target, token, currency, amount)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (key) DO UPDATE SET calls = known.calls + 1
        RETURNING id, calls, answer,
                  kind = $3 AND target IS NOT DISTINCT FROM $4 AND token = $5 AND currency = $6 AND amount = $7 AS is_same";
    let values = [
        operation.key.as_str().into(),
        Uuid::now_v7().into(),
        operation.kind.name().into(),
        subject.target.as_ref().map(|target| target.id).into(),
        subject.token.as_str().into(),
        subject.currency.as_str().into(),
        subject.amount.into(),
    ];
    let row = Row::find_by_statement(sql(note, values)).one(tx).await?;
    row.ok_or_else(|| DbErr::RecordNotInserted)
}

fn decide(kind: Kind, subject: &Subject) -> Result<(), Failure> {
    if let Some(failure) = subject.card.declines(kind) {
        return Err(failure);
    }
    let is_possible = match (kind, &subject.target) {
        (Kind::Authorise | Kind::PayOut, _) => true,
        (_, None) => false,
        (_, Some(target))
            if target.answer.as_deref() != Some(DONE) || target.currency != subject.currency =>
        {
            false
        }
        (Kind::Capture | Kind::Void, Some(target)) => {
            target.kind == Kind::Authorise.name() && !target.is_ended && subject.amount <= target.amount
        }
        (Kind::Refund, Some(target)) => {
            target.kind == Kind::Capture.name() && target.refunded + subject.amount <= target.amount
        }
    };
    if is_possible { Ok(()) } else { Err(Failure::ProcessingError) }
}

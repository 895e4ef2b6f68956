use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{Currency, Fingerprint, Money, PaymentId, RefundId, RequestId, ReturnId, TransferId, UserId};

use super::{
    errands::{self, Errand, Kind},
    money,
    records::Locked,
    sql, stored, wallets,
};
use crate::domain::refund::{Cause, Refund};

/// Money that is to be given back for a locked payment.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) id: RefundId,
    pub(crate) payment: Locked,
    pub(crate) amount: Money,
    pub(crate) cause: Origin,
    /// The trace in which a card is asked.
    pub(crate) traceparent: Option<String>,
}

/// What a refund comes from, once.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The cancellation of the order.
    Cancelled,
    /// A return.
    Returned(ReturnId),
    /// A request of staff.
    Staff { by: UserId, request: RequestId, fingerprint: Fingerprint, note: String },
}

impl Due {
    pub(crate) fn new(payment: Locked, amount: Money, cause: Origin) -> Self {
        Self { id: RefundId::new(), payment, amount, cause, traceparent: None }
    }

    /// Whether it is done when it is decided: a wallet takes it at once, a card's bank has to be asked.
    pub(crate) const fn is_done_at_once(&self) -> bool {
        self.payment.card.is_none()
    }
}

/// How the ledger names what a refund comes from; with the order it names the refund.
fn ledger_cause(id: RefundId, is_cancelled: bool) -> String {
    if is_cancelled { "order.cancelled".to_owned() } else { id.to_string() }
}

/// Decides refunds, at most one a payment: those to wallets are booked with it, for those to cards the gateway is to be
/// asked. Locks the wallets in the order of their ids.
pub(crate) async fn decide(tx: &impl ConnectionTrait, dues: &[Due]) -> Result<(), DbErr> {
    note(tx, dues).await?;
    let (at_once, by_card): (Vec<&Due>, Vec<&Due>) = dues.iter().partition(|due| due.is_done_at_once());
    if !at_once.is_empty() {
        give_to_wallets(tx, &at_once).await?;
    }
    if !by_card.is_empty() {
        let errands: Vec<Errand> = by_card
            .into_iter()
            .map(|due| Errand {
                id: due.id.uuid(),
                kind: Kind::Refund,
                token: None,
                traceparent: due.traceparent.clone(),
            })
            .collect();
        errands::add(tx, &errands, std::time::Duration::ZERO).await?;
    }
    Ok(())
}

async fn note(tx: &impl ConnectionTrait, dues: &[Due]) -> Result<(), DbErr> {
    let mut rows = Rows::default();
    for due in dues {
        rows.push(due);
    }
    let note = "
        WITH due AS (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::bigint[],
                                 $8::text[], $9::uuid[], $10::text[], $11::bytea[])
                AS due (id, payment_id, cause, cause_id, state, currency, amount, note, given_by, request_id,
                        request_fingerprint)
        ), owed AS (
            UPDATE payments SET refund_due = refund_due + due.amount
            FROM due WHERE payments.id = due.payment_id AND due.state = 'PENDING'
        )
        INSERT INTO refunds (id, payment_id, cause, cause_id, state, currency, amount, note, given_by, request_id,
                             request_fingerprint)
        SELECT id, payment_id, cause, NULLIF(cause_id, $12), state, currency, amount, note, NULLIF(given_by, $12),
               NULLIF(request_id, ''), NULLIF(request_fingerprint, ''::bytea)
        FROM due ORDER BY id";
    let values = [
        rows.ids.into(),
        rows.payments.into(),
        rows.causes.into(),
        rows.cause_ids.into(),
        rows.states.into(),
        rows.currencies.into(),
        rows.amounts.into(),
        rows.notes.into(),
        rows.given_by.into(),
        rows.requests.into(),
        rows.fingerprints.into(),
        Uuid::nil().into(),
    ];
    tx.execute_raw(sql(note, values)).await?;
    Ok(())
}

#[derive(Default)]
struct Rows {
    ids: Vec<Uuid>,
    payments: Vec<Uuid>,
    causes: Vec<String>,
    cause_ids: Vec<Uuid>,
    states: Vec<String>,
    currencies: Vec<String>,
    amounts: Vec<i64>,
    notes: Vec<String>,
    given_by: Vec<Uuid>,
    requests: Vec<String>,
    fingerprints: Vec<Vec<u8>>,
}

impl Rows {
    fn push(&mut self, due: &Due) {
        let (cause, cause_id) = match &due.cause {
            Origin::Cancelled => ("CANCELLED", Uuid::nil()),
            Origin::Returned(id) => ("RETURNED", id.uuid()),
            Origin::Staff { .. } => ("STAFF", due.id.uuid()),
        };
        let (given_by, request, fingerprint, note) = match &due.cause {
            Origin::Staff { by, request, fingerprint, note } => {
                (by.uuid(), request.as_str(), fingerprint.as_bytes().to_vec(), note.clone())
            }
            Origin::Cancelled | Origin::Returned(_) => (Uuid::nil(), "", Vec::new(), String::new()),
        };
        self.ids.push(due.id.uuid());
        self.payments.push(due.payment.payment.uuid());
        self.causes.push(cause.to_owned());
        self.cause_ids.push(cause_id);
        self.states.push(if due.is_done_at_once() { "DONE" } else { "PENDING" }.to_owned());
        self.currencies.push(due.amount.currency().to_string());
        self.amounts.push(due.amount.minor_units());
        self.notes.push(note);
        self.given_by.push(given_by);
        self.requests.push(request.to_owned());
        self.fingerprints.push(fingerprint);
    }
}

/// Books refunds, at most one a payment, into their customers' wallets. A closed wallet takes them too.
async fn give_to_wallets(tx: &impl ConnectionTrait, dues: &[&Due]) -> Result<(), DbErr> {
    let users: Vec<Uuid> = dues.iter().map(|due| due.payment.user.uuid()).collect();
    let payments: Vec<Uuid> = dues.iter().map(|due| due.payment.payment.uuid()).collect();
    let currencies: Vec<String> = dues.iter().map(|due| due.amount.currency().to_string()).collect();
    let amounts: Vec<i64> = dues.iter().map(|due| due.amount.minor_units()).collect();
    let transfers: Vec<Uuid> = dues.iter().map(|_| TransferId::new().uuid()).collect();
    let causes: Vec<String> =
        dues.iter().map(|due| ledger_cause(due.id, matches!(due.cause, Origin::Cancelled))).collect();

    let wallets: Vec<(UserId, Currency)> =
        dues.iter().map(|due| (due.payment.user, due.amount.currency())).collect();
    wallets::lock(tx, &wallets).await?;

    let book = "
        WITH refund AS (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::text[])
                AS refund (id, payment_id, user_id, currency, amount, cause)
        ), given AS (
            UPDATE accounts SET balance = balance + back.amount
            FROM (SELECT user_id, currency, sum(amount)::bigint AS amount FROM refund GROUP BY 1, 2) AS back
            WHERE kind = 'WALLET' AND accounts.user_id = back.user_id AND accounts.currency = back.currency
        ), noted AS (
            UPDATE payments
            SET refunded = refunded + refund.amount, version = version + 1, updated_at = now(),
                state = CASE WHEN refunded + refund.amount = payments.amount THEN 'REFUNDED' ELSE state END
            FROM refund WHERE payments.id = refund.payment_id
            RETURNING payments.id, order_id
        )
        INSERT INTO transfers (id, kind, debit_account, credit_account, currency, amount, order_id, cause)
        SELECT refund.id, 'REFUND', sales.id, wallet.id, refund.currency, refund.amount, noted.order_id, refund.cause
        FROM refund
        JOIN noted ON noted.id = refund.payment_id
        JOIN accounts AS sales ON sales.kind = 'SALES' AND sales.currency = refund.currency
        JOIN accounts AS wallet
            ON wallet.kind = 'WALLET' AND wallet.user_id = refund.user_id AND wallet.currency = refund.currency";
    let values =
        [transfers.into(), payments.into(), users.into(), currencies.into(), amounts.into(), causes.into()];
    let booked = tx.execute_raw(sql(book, values)).await?.rows_affected();
    if usize::try_from(booked) != Ok(dues.len()) {
        return Err(DbErr::Custom("a wallet that has paid is gone".to_owned()));
    }
    Ok(())
}

/// Where a card's refund ends up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// On the card.
    Card,
    /// In the wallet, since the card takes it no more.
    Wallet,
}

/// Books a pending refund of a locked payment by card; `false` if it was booked before.
pub(crate) async fn arrive(
    tx: &impl ConnectionTrait,
    payment: &Locked,
    refund: &Refund,
    to: To,
) -> Result<bool, DbErr> {
    if to == To::Wallet {
        wallets::open_for_money_back(tx, payment.user, refund.amount.currency()).await?;
    }
    let book = "
        WITH done AS (
            UPDATE refunds SET state = 'DONE' WHERE id = $1 AND state = 'PENDING'
            RETURNING payment_id, currency, amount
        ), noted AS (
            UPDATE payments
            SET refunded = refunded + done.amount, refund_due = refund_due - done.amount, version = version + 1,
                updated_at = now(),
                state = CASE WHEN refunded + done.amount = payments.amount THEN 'REFUNDED' ELSE state END
            FROM done WHERE payments.id = done.payment_id
            RETURNING order_id, user_id
        ), target AS (
            SELECT accounts.id, kind FROM accounts, done, noted
            WHERE accounts.currency = done.currency
              AND kind = $2 AND (kind <> 'WALLET' OR accounts.user_id = noted.user_id)
        ), given AS (
            UPDATE accounts SET balance = balance + done.amount
            FROM done, target WHERE accounts.id = target.id AND target.kind = 'WALLET'
        )
        INSERT INTO transfers (id, kind, debit_account, credit_account, currency, amount, order_id, cause)
        SELECT $3, 'REFUND', sales.id, target.id, done.currency, done.amount, noted.order_id, $4
        FROM done, noted, target, accounts AS sales
        WHERE sales.kind = 'SALES' AND sales.currency = done.currency";
    let account = match to {
        To::Card => "CARDS",
        To::Wallet => "WALLET",
    };
    let values = [
        refund.id.uuid().into(),
        account.into(),
        TransferId::new().uuid().into(),
        ledger_cause(refund.id, refund.cause == Cause::Cancelled).into(),
    ];
    Ok(tx.execute_raw(sql(book, values)).await?.rows_affected() == 1)
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    payment_id: Uuid,
    cause: String,
    state: String,
    currency: String,
    amount: i64,
    note: String,
    created_at: DateTime<Utc>,
}

const READ: &str = "SELECT id, payment_id, cause, state, currency, amount, note, created_at FROM refunds";

impl TryFrom<Row> for Refund {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        let cause = match row.cause.as_str() {
            "CANCELLED" => Ok(Cause::Cancelled),
            "RETURNED" => Ok(Cause::Returned),
            "STAFF" => Ok(Cause::Staff),
            _ => Err("is no cause of a refund"),
        };
        Ok(Self {
            id: RefundId::from_uuid(row.id),
            payment: PaymentId::from_uuid(row.payment_id),
            is_done: row.state == "DONE",
            amount: money(row.amount, &row.currency)?,
            cause: stored(cause)?,
            note: row.note,
            created_at: row.created_at,
        })
    }
}

/// A refund by its id.
pub(crate) async fn find(db: &impl ConnectionTrait, id: RefundId) -> Result<Option<Refund>, DbErr> {
    let row =
        Row::find_by_statement(sql(&format!("{READ} WHERE id = $1"), [id.uuid().into()])).one(db).await?;
    row.map(Refund::try_from).transpose()
}

/// The refunds of a payment, the oldest first.
pub(crate) async fn of(db: &impl ConnectionTrait, payment: PaymentId) -> Result<Vec<Refund>, DbErr> {
    let read = format!("{READ} WHERE payment_id = $1 ORDER BY id");
    let rows = Row::find_by_statement(sql(&read, [payment.uuid().into()])).all(db).await?;
    rows.into_iter().map(Refund::try_from).collect()
}

/// Whether a return was refunded before; asked with its payment locked.
pub(crate) async fn is_refunded(
    tx: &impl ConnectionTrait,
    payment: PaymentId,
    cause: ReturnId,
) -> Result<bool, DbErr> {
    let find = "SELECT FROM refunds WHERE payment_id = $1 AND cause = 'RETURNED' AND cause_id = $2";
    Ok(tx.query_one_raw(sql(find, [payment.uuid().into(), cause.uuid().into()])).await?.is_some())
}

#[derive(FromQueryResult)]
struct Requested {
    id: Uuid,
    request_fingerprint: Vec<u8>,
}

/// The refund that a request of this member of staff has made, and what the request said.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    by: UserId,
    request: &RequestId,
) -> Result<Option<(RefundId, Fingerprint)>, DbErr> {
    let read = "SELECT id, request_fingerprint FROM refunds
                WHERE cause = 'STAFF' AND given_by = $1 AND request_id = $2";
    let row =
        Requested::find_by_statement(sql(read, [by.uuid().into(), request.as_str().into()])).one(db).await?;
    row.map(|row| {
        let fingerprint = stored(Fingerprint::try_from(row.request_fingerprint.as_slice()))?;
        Ok((RefundId::from_uuid(row.id), fingerprint))
    })
    .transpose()
}

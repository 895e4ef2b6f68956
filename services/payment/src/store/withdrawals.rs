use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{CardId, Fingerprint, Money, RequestId, TransferId, UserId, WithdrawalId};

use super::{money, sql, stored, wallets};
use crate::domain::{
    failure::Failure,
    withdrawal::{State, Withdrawal},
};

/// A withdrawal that is asked for.
#[derive(Debug)]
pub(crate) struct New<'a> {
    pub(crate) id: WithdrawalId,
    pub(crate) user: UserId,
    pub(crate) card: CardId,
    pub(crate) amount: Money,
    pub(crate) request: &'a RequestId,
    pub(crate) fingerprint: Fingerprint,
}

/// What became of taking the money out of the wallet.
pub(crate) enum Taken {
    /// It is on its way.
    Done,
    /// The same request has taken it at this moment.
    Lost,
    /// Nothing was taken.
    Refused(Failure),
}

/// Takes money out of a wallet: waits for an equal request on the unique index, then locks the one wallet.
///
/// What is not [`Taken::Done`] must be rolled back.
pub(crate) async fn take(tx: &impl ConnectionTrait, new: &New<'_>) -> Result<Taken, DbErr> {
    let insert = "
        INSERT INTO withdrawals (id, user_id, card_id, currency, amount, request_id, request_fingerprint)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (user_id, request_id) DO NOTHING";
    let values = [
        new.id.uuid().into(),
        new.user.uuid().into(),
        new.card.uuid().into(),
        new.amount.currency().code().into(),
        new.amount.minor_units().into(),
        new.request.as_str().into(),
        new.fingerprint.as_bytes().to_vec().into(),
    ];
    if tx.execute_raw(sql(insert, values)).await?.rows_affected() == 0 {
        return Ok(Taken::Lost);
    }
    if wallets::is_closed(tx, new.user).await? {
        return Ok(Taken::Refused(Failure::WalletClosed));
    }
    let take = "
        WITH taken AS (
            UPDATE accounts SET balance = balance - $3
            WHERE kind = 'WALLET' AND user_id = $1 AND currency = $2 AND balance >= $3
            RETURNING id, currency
        )
        INSERT INTO transfers (id, kind, debit_account, credit_account, currency, amount, withdrawal_id)
        SELECT $4, 'WITHDRAWAL', taken.id, cards.id, taken.currency, $3, $5
        FROM taken JOIN accounts AS cards ON cards.kind = 'CARDS' AND cards.currency = taken.currency";
    let values = [
        new.user.uuid().into(),
        new.amount.currency().code().into(),
        new.amount.minor_units().into(),
        TransferId::new().uuid().into(),
        new.id.uuid().into(),
    ];
    let taken = tx.execute_raw(sql(take, values)).await?.rows_affected() == 1;
    Ok(if taken { Taken::Done } else { Taken::Refused(Failure::InsufficientFunds) })
}

/// Ends a withdrawal that is under way; what the card refused goes back into the wallet.
pub(crate) async fn end(
    tx: &impl ConnectionTrait,
    id: WithdrawalId,
    outcome: Result<(), Failure>,
) -> Result<(), DbErr> {
    let end = "
        WITH ended AS (
            UPDATE withdrawals SET state = $2 WHERE id = $1 AND state = 'PENDING' RETURNING id
        ), moved AS (
            SELECT transfers.* FROM transfers JOIN ended ON ended.id = withdrawal_id
            WHERE kind = 'WITHDRAWAL' AND $2 = 'FAILED'
        ), given AS (
            UPDATE accounts SET balance = balance + moved.amount FROM moved WHERE accounts.id = moved.debit_account
        )
        INSERT INTO transfers (id, kind, debit_account, credit_account, currency, amount, withdrawal_id)
        SELECT $3, 'WITHDRAWAL_REVERSAL', credit_account, debit_account, currency, amount, withdrawal_id
        FROM moved";
    let state = if outcome.is_ok() { "DONE" } else { "FAILED" };
    let values = [id.uuid().into(), state.into(), TransferId::new().uuid().into()];
    tx.execute_raw(sql(end, values)).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    card_id: Uuid,
    state: String,
    currency: String,
    amount: i64,
    request_fingerprint: Vec<u8>,
    created_at: DateTime<Utc>,
}

const READ: &str =
    "SELECT id, card_id, state, currency, amount, request_fingerprint, created_at FROM withdrawals";

impl TryFrom<Row> for Withdrawal {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        let state = match row.state.as_str() {
            "PENDING" => Ok(State::Pending),
            "DONE" => Ok(State::Done),
            "FAILED" => Ok(State::Failed),
            _ => Err("is no state of a withdrawal"),
        };
        Ok(Self {
            id: WithdrawalId::from_uuid(row.id),
            card: CardId::from_uuid(row.card_id),
            state: stored(state)?,
            amount: money(row.amount, &row.currency)?,
            created_at: row.created_at,
        })
    }
}

/// The withdrawal that a request of this user has made, and what the request said.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    user: UserId,
    request: &RequestId,
) -> Result<Option<(Withdrawal, Fingerprint)>, DbErr> {
    let read = format!("{READ} WHERE user_id = $1 AND request_id = $2");
    let row =
        Row::find_by_statement(sql(&read, [user.uuid().into(), request.as_str().into()])).one(db).await?;
    row.map(|row| {
        let fingerprint = stored(Fingerprint::try_from(row.request_fingerprint.as_slice()))?;
        Ok((Withdrawal::try_from(row)?, fingerprint))
    })
    .transpose()
}

/// A withdrawal that is under way.
pub(crate) async fn find_under_way(
    db: &impl ConnectionTrait,
    id: WithdrawalId,
) -> Result<Option<Withdrawal>, DbErr> {
    let read = format!("{READ} WHERE id = $1 AND state = 'PENDING'");
    Row::find_by_statement(sql(&read, [id.uuid().into()]))
        .one(db)
        .await?
        .map(Withdrawal::try_from)
        .transpose()
}

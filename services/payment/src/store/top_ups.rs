use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, FromQueryResult, TransactionTrait as _};
use values::{Fingerprint, Money, RequestId, TransferId, UserId};

use super::{
    entries::{self, Entry},
    sql, stored, wallets,
};
use crate::domain::wallet::{LIMIT, Refusal};

/// What became of booking a top-up.
pub(crate) enum Booked {
    /// The money is in the wallet.
    Done,
    /// The same request was booked at this moment by somebody else.
    Lost,
    /// Nothing was booked.
    Refused(Refusal),
}

#[derive(FromQueryResult)]
struct Row {
    request_fingerprint: Vec<u8>,
    #[sea_orm(nested)]
    entry: entries::Row,
}

/// The top-up that a request of this user has made, and what the request said.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    user: UserId,
    request: &RequestId,
) -> Result<Option<(Entry, Fingerprint)>, DbErr> {
    let read = "
        SELECT request_fingerprint, id AS transfer_id, amount, currency, kind, order_id, created_at
        FROM transfers
        WHERE kind = 'TOP_UP' AND user_id = $1 AND request_id = $2";
    let row =
        Row::find_by_statement(sql(read, [user.uuid().into(), request.as_str().into()])).one(db).await?;
    row.map(|row| {
        let fingerprint = stored(Fingerprint::try_from(row.request_fingerprint.as_slice()))?;
        Ok((Entry::try_from(row.entry)?, fingerprint))
    })
    .transpose()
}

/// Why a user's wallet would take no such amount now; asked before a card is charged.
pub(crate) async fn refusal(
    db: &impl ConnectionTrait,
    user: UserId,
    amount: Money,
) -> Result<Option<Refusal>, DbErr> {
    if wallets::is_closed(db, user).await? {
        return Ok(Some(Refusal::Closed));
    }
    let balance = wallets::balance(db, user, amount.currency()).await?;
    let takes = balance.minor_units().checked_add(amount.minor_units()).is_some_and(|after| after <= LIMIT);
    Ok((!takes).then_some(Refusal::Full))
}

/// Books money from a card into a user's wallet, which is opened if need be.
///
/// Waits for an equal request on the unique index, holding nothing yet; then locks the one wallet.
pub(crate) async fn book(
    db: &DatabaseConnection,
    user: UserId,
    request: &RequestId,
    fingerprint: Fingerprint,
    amount: Money,
) -> Result<Booked, DbErr> {
    let tx = db.begin().await?;
    if wallets::is_closed(&tx, user).await? {
        return Ok(Booked::Refused(Refusal::Closed));
    }
    wallets::open(&tx, &[user], amount.currency()).await?;
    if !insert(&tx, user, request, fingerprint, amount).await? {
        return Ok(Booked::Lost);
    }
    if !credit(&tx, user, amount).await? {
        return Ok(Booked::Refused(Refusal::Full));
    }
    tx.commit().await?;
    Ok(Booked::Done)
}

async fn insert(
    tx: &impl ConnectionTrait,
    user: UserId,
    request: &RequestId,
    fingerprint: Fingerprint,
    amount: Money,
) -> Result<bool, DbErr> {
    let insert = "
        INSERT INTO transfers (id, kind, debit_account, credit_account, currency, amount, user_id, request_id,
                               request_fingerprint)
        SELECT $1, 'TOP_UP', cards.id, wallet.id, $3, $4, $2, $5, $6
        FROM accounts AS wallet JOIN accounts AS cards ON cards.kind = 'CARDS' AND cards.currency = wallet.currency
        WHERE wallet.kind = 'WALLET' AND wallet.user_id = $2 AND wallet.currency = $3
        ON CONFLICT (user_id, request_id) WHERE kind = 'TOP_UP' DO NOTHING";
    let values = [
        TransferId::new().uuid().into(),
        user.uuid().into(),
        amount.currency().code().into(),
        amount.minor_units().into(),
        request.as_str().into(),
        fingerprint.as_bytes().to_vec().into(),
    ];
    Ok(tx.execute_raw(sql(insert, values)).await?.rows_affected() == 1)
}

async fn credit(tx: &impl ConnectionTrait, user: UserId, amount: Money) -> Result<bool, DbErr> {
    let credit = "
        UPDATE accounts SET balance = balance + $3
        WHERE kind = 'WALLET' AND user_id = $1 AND currency = $2 AND balance + $3 <= $4";
    let values =
        [user.uuid().into(), amount.currency().code().into(), amount.minor_units().into(), LIMIT.into()];
    Ok(tx.execute_raw(sql(credit, values)).await?.rows_affected() == 1)
}

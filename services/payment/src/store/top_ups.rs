use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{Fingerprint, Money, RequestId, TransferId, UserId};

use super::{
    entries::{self, Entry},
    sql, stored, wallets,
};
use crate::domain::{card_charge::Refusal, failure::Failure, wallet::LIMIT};

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
        return Ok(Some(Refusal::Failure(Failure::WalletClosed)));
    }
    let balance = wallets::balance(db, user, amount.currency()).await?;
    let takes = balance.minor_units().checked_add(amount.minor_units()).is_some_and(|after| after <= LIMIT);
    Ok((!takes).then_some(Refusal::WalletFull))
}

/// Books what was captured for a top-up into its user's wallet, which is opened if need be.
///
/// A wallet that was closed or filled since it was asked takes it all the same: the card has paid. Waits for an equal
/// request on the unique index, then locks the one wallet.
pub(crate) async fn book(
    tx: &impl ConnectionTrait,
    charge: Uuid,
    user: UserId,
    amount: Money,
) -> Result<(), DbErr> {
    wallets::open_for_money_back(tx, user, amount.currency()).await?;
    let book = "
        WITH booked AS (
            INSERT INTO transfers (id, kind, debit_account, credit_account, currency, amount, user_id, request_id,
                                   request_fingerprint)
            SELECT $2, 'TOP_UP', cards.id, wallet.id, charge.currency, charge.amount, charge.user_id, request_id,
                   request_fingerprint
            FROM card_charges AS charge
            JOIN accounts AS wallet
                ON wallet.kind = 'WALLET' AND wallet.user_id = charge.user_id AND wallet.currency = charge.currency
            JOIN accounts AS cards ON cards.kind = 'CARDS' AND cards.currency = charge.currency
            WHERE charge.id = $1
            ON CONFLICT (user_id, request_id) WHERE kind = 'TOP_UP' DO NOTHING
            RETURNING credit_account, amount
        )
        UPDATE accounts SET balance = balance + booked.amount FROM booked WHERE accounts.id = booked.credit_account";
    tx.execute_raw(sql(book, [charge.into(), TransferId::new().uuid().into()])).await?;
    Ok(())
}

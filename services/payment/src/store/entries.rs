use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{Currency, Money, OrderId, TransferId, UserId};

use super::{money, sql, stored};

/// What a transfer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From a card into a wallet.
    TopUp,
    /// From a wallet to the house.
    Capture,
    /// From the house back into a wallet.
    Refund,
    /// From a wallet out to a card.
    Withdrawal,
    /// Back into the wallet, since the card refused it.
    WithdrawalReversal,
}

/// One side of a transfer, as a wallet sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) transfer: TransferId,
    /// Above zero: came in.
    pub(crate) amount: Money,
    pub(crate) kind: Kind,
    pub(crate) order: Option<OrderId>,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
pub(super) struct Row {
    transfer_id: Uuid,
    amount: i64,
    currency: String,
    kind: String,
    order_id: Option<Uuid>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Entry {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        let kind = match row.kind.as_str() {
            "TOP_UP" => Ok(Kind::TopUp),
            "CAPTURE" => Ok(Kind::Capture),
            "REFUND" => Ok(Kind::Refund),
            "WITHDRAWAL" => Ok(Kind::Withdrawal),
            "WITHDRAWAL_REVERSAL" => Ok(Kind::WithdrawalReversal),
            _ => Err("is no kind of transfer"),
        };
        Ok(Self {
            transfer: TransferId::from_uuid(row.transfer_id),
            amount: money(row.amount, &row.currency)?,
            kind: stored(kind)?,
            order: row.order_id.map(OrderId::from_uuid),
            created_at: row.created_at,
        })
    }
}

/// At most `limit` entries of a user's wallet, the newest first, older than `before`.
///
/// Transfers are named by `UUIDv7`, so their ids are in the order of time.
pub(crate) async fn page_for(
    db: &impl ConnectionTrait,
    user: UserId,
    currency: Currency,
    before: Option<TransferId>,
    limit: u64,
) -> Result<Vec<Entry>, DbErr> {
    let before = before.map_or(Uuid::max(), TransferId::uuid);
    let read = "
        SELECT transfer_id, amount, currency, kind, order_id, created_at
        FROM ledger_entries
        WHERE account_id = (SELECT id FROM accounts WHERE kind = 'WALLET' AND user_id = $1 AND currency = $2)
          AND transfer_id < $3
        ORDER BY transfer_id DESC
        LIMIT $4";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [user.uuid().into(), currency.code().into(), before.into(), limit.into()];
    let rows = Row::find_by_statement(sql(read, values)).all(db).await?;
    rows.into_iter().map(Entry::try_from).collect()
}

use std::collections::BTreeMap;

use fault::{Guard, is_off};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{Money, OrderId, PaymentId, TransferId, UserId};

use super::sql;
use crate::domain::{charge::Wallet, failure::Failure};

/// An order's total, due from its customer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) order: OrderId,
    pub(crate) user: UserId,
    pub(crate) total: Money,
}

/// What the database knows of a [`Due`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// The order has a payment or a tombstone already.
    pub(crate) settled: bool,
    /// Account id of the wallet, if it was ever opened.
    pub(crate) account: Option<Uuid>,
    /// What the wallet can pay.
    pub(crate) wallet: Wallet,
}

/// A [`Due`] that was decided, and the account that pays if it was not refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    pub(crate) payment: PaymentId,
    pub(crate) due: Due,
    pub(crate) outcome: Result<Uuid, Failure>,
}

#[derive(FromQueryResult)]
struct Row {
    settled: bool,
    account: Option<Uuid>,
    balance: i64,
    closed: bool,
}

/// Locks the wallets of the customers, in the order of their ids, and answers each due in its turn.
///
/// The lock leaves the key alone, so that a top-up's foreign key doesn't wait for it.
pub(crate) async fn lock(tx: &impl ConnectionTrait, dues: &[Due]) -> Result<Vec<Standing>, DbErr> {
    let orders: Vec<Uuid> = dues.iter().map(|due| due.order.uuid()).collect();
    let users: Vec<Uuid> = dues.iter().map(|due| due.user.uuid()).collect();
    let currencies: Vec<String> = dues.iter().map(|due| due.total.currency().to_string()).collect();
    // Unlike `EXISTS`, `SELECT true` is never turned into a look at the whole table.
    let lock = "
        WITH due AS (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[]) WITH ORDINALITY
                AS due (order_id, user_id, currency, place)
        ), wallets AS (
            SELECT id, user_id, currency, balance FROM accounts
            WHERE kind = 'WALLET' AND (user_id, currency) IN (SELECT user_id, currency FROM due)
            ORDER BY id
            FOR NO KEY UPDATE
        )
        SELECT COALESCE((SELECT true FROM payments WHERE payments.order_id = due.order_id), false) AS settled,
               wallets.id AS account,
               COALESCE(wallets.balance, 0) AS balance,
               COALESCE((SELECT true FROM closed_users WHERE closed_users.user_id = due.user_id), false) AS closed
        FROM due LEFT JOIN wallets USING (user_id, currency)
        ORDER BY due.place";
    let rows =
        Row::find_by_statement(sql(lock, [orders.into(), users.into(), currencies.into()])).all(tx).await?;
    let standing = |row: Row| Standing {
        settled: row.settled && !is_off(Guard::Settled),
        account: row.account,
        wallet: Wallet {
            balance: if is_off(Guard::Funds) { i64::MAX } else { row.balance },
            closed: row.closed,
        },
    };
    Ok(rows.into_iter().map(standing).collect())
}

#[derive(FromQueryResult)]
struct Written {
    wallets: i64,
    transfers: i64,
}

/// Carries the decisions out with one statement: what is left in each wallet, changed once, and the transfers to the
/// house.
pub(crate) async fn record(tx: &impl ConnectionTrait, decided: &[Decided]) -> Result<(), DbErr> {
    let mut taken = BTreeMap::<Uuid, i64>::new();
    let mut transfers = Transfers::default();
    for decided in decided {
        if let Ok(wallet) = decided.outcome {
            *taken.entry(wallet).or_default() += decided.due.total.minor_units();
            transfers.push(wallet, decided.due);
        }
    }
    let expected = [taken.len(), transfers.ids.len()].map(Ok);
    let record = "
        WITH charged AS (
            UPDATE accounts SET balance = balance - taken.amount
            FROM unnest($1::uuid[], $2::bigint[]) AS taken (wallet, amount)
            WHERE accounts.id = taken.wallet
            RETURNING 1
        ), moved AS (
            INSERT INTO transfers (id, kind, debit_account, credit_account, currency, amount, order_id)
            SELECT moved.id, 'CAPTURE', wallet, sales.id, moved.currency, moved.amount, moved.order_id
            FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::uuid[])
                AS moved (id, wallet, currency, amount, order_id)
            JOIN accounts AS sales ON sales.kind = 'SALES' AND sales.currency = moved.currency
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM charged) AS wallets, (SELECT count(*) FROM moved) AS transfers";
    let (wallets, amounts): (Vec<Uuid>, Vec<i64>) = taken.into_iter().unzip();
    let values = [
        wallets.into(),
        amounts.into(),
        transfers.ids.into(),
        transfers.wallets.into(),
        transfers.currencies.into(),
        transfers.amounts.into(),
        transfers.orders.into(),
    ];
    let written = Written::find_by_statement(sql(record, values)).one(tx).await?;
    let written = written.ok_or_else(|| DbErr::RecordNotFound("counts of a statement".to_owned()))?;
    if [written.wallets, written.transfers].map(usize::try_from) != expected {
        return Err(DbErr::Custom("a locked wallet or an account of the house is gone".to_owned()));
    }
    Ok(())
}

#[derive(Default)]
struct Transfers {
    ids: Vec<Uuid>,
    wallets: Vec<Uuid>,
    currencies: Vec<String>,
    amounts: Vec<i64>,
    orders: Vec<Uuid>,
}

impl Transfers {
    fn push(&mut self, wallet: Uuid, due: Due) {
        self.ids.push(TransferId::new().uuid());
        self.wallets.push(wallet);
        self.currencies.push(due.total.currency().to_string());
        self.amounts.push(due.total.minor_units());
        self.orders.push(due.order.uuid());
    }
}

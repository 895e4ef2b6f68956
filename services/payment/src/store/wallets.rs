use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{Currency, Money, UserId};

use super::sql;

#[derive(FromQueryResult)]
struct Balance {
    balance: i64,
}

/// What a user's wallet holds; nothing if it was never opened.
pub(crate) async fn balance(
    db: &impl ConnectionTrait,
    user: UserId,
    currency: Currency,
) -> Result<Money, DbErr> {
    let read = "SELECT balance FROM accounts WHERE kind = 'WALLET' AND user_id = $1 AND currency = $2";
    let row =
        Balance::find_by_statement(sql(read, [user.uuid().into(), currency.code().into()])).one(db).await?;
    Ok(Money::new(row.map_or(0, |row| row.balance), currency))
}

/// Opens the wallets of these users in one currency where they are missing, and the house's accounts on their other
/// side. The wallet of a user who is gone stays closed.
///
/// Waits only for who opens the same wallet at this moment; in the order of the users' ids.
pub(crate) async fn open(
    tx: &impl ConnectionTrait,
    users: &[UserId],
    currency: Currency,
) -> Result<(), DbErr> {
    let mut users: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
    users.sort_unstable();
    let open = "
        WITH house AS (
            INSERT INTO accounts (id, kind, currency)
            SELECT gen_random_uuid(), kind, $2 FROM unnest(ARRAY['CARDS', 'SALES']) AS kind
            ON CONFLICT (kind, currency) WHERE kind <> 'WALLET' DO NOTHING
        )
        INSERT INTO accounts (id, kind, user_id, currency, balance)
        SELECT gen_random_uuid(), 'WALLET', user_id, $2, 0
        FROM unnest($1::uuid[]) WITH ORDINALITY AS opened (user_id, place)
        WHERE NOT EXISTS (SELECT FROM closed_users WHERE closed_users.user_id = opened.user_id)
        ORDER BY place
        ON CONFLICT (user_id, currency) WHERE kind = 'WALLET' DO NOTHING";
    tx.execute_raw(sql(open, [users.into(), currency.code().into()])).await?;
    Ok(())
}

/// Opens the house's accounts in one currency where they are missing.
pub(crate) async fn open_house(tx: &impl ConnectionTrait, currency: Currency) -> Result<(), DbErr> {
    let open = "
        INSERT INTO accounts (id, kind, currency)
        SELECT gen_random_uuid(), kind, $1 FROM unnest(ARRAY['CARDS', 'SALES']) AS kind
        ON CONFLICT (kind, currency) WHERE kind <> 'WALLET' DO NOTHING";
    tx.execute_raw(sql(open, [currency.code().into()])).await?;
    Ok(())
}

/// Opens the wallet of a user who has money to get, even of one who is gone: it stays closed to everything else.
pub(crate) async fn open_for_money_back(
    tx: &impl ConnectionTrait,
    user: UserId,
    currency: Currency,
) -> Result<(), DbErr> {
    open_house(tx, currency).await?;
    let open = "
        INSERT INTO accounts (id, kind, user_id, currency, balance)
        VALUES (gen_random_uuid(), 'WALLET', $1, $2, 0)
        ON CONFLICT (user_id, currency) WHERE kind = 'WALLET' DO NOTHING";
    tx.execute_raw(sql(open, [user.uuid().into(), currency.code().into()])).await?;
    Ok(())
}

/// Locks wallets that money is put into, in the order of their ids.
pub(crate) async fn lock(tx: &impl ConnectionTrait, wallets: &[(UserId, Currency)]) -> Result<(), DbErr> {
    let (users, currencies): (Vec<Uuid>, Vec<String>) =
        wallets.iter().map(|(user, currency)| (user.uuid(), currency.to_string())).unzip();
    let lock = "
        SELECT id FROM accounts
        WHERE kind = 'WALLET' AND (user_id, currency) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
        ORDER BY id FOR NO KEY UPDATE";
    tx.query_all_raw(sql(lock, [users.into(), currencies.into()])).await?;
    Ok(())
}

/// Closes all wallets of these users for good, those too that aren't open yet.
pub(crate) async fn close(tx: &impl ConnectionTrait, users: &[UserId]) -> Result<(), DbErr> {
    let mut users: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
    users.sort_unstable();
    let close = "
        INSERT INTO closed_users (user_id)
        SELECT user_id FROM unnest($1::uuid[]) WITH ORDINALITY AS closed (user_id, place) ORDER BY place
        ON CONFLICT DO NOTHING";
    tx.execute_raw(sql(close, [users.into()])).await?;
    Ok(())
}

/// Whether a user's wallets are closed.
pub(crate) async fn is_closed(db: &impl ConnectionTrait, user: UserId) -> Result<bool, DbErr> {
    let read = "SELECT FROM closed_users WHERE user_id = $1";
    Ok(db.query_one_raw(sql(read, [user.uuid().into()])).await?.is_some())
}

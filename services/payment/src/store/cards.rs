use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{CardId, Fingerprint, RequestId, UserId};

use super::{sql, stored};
use crate::{
    domain::card::Card,
    gateway::{Face, Token},
};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    brand: String,
    last4: String,
    expire_month: i16,
    expire_year: i16,
    request_fingerprint: Vec<u8>,
    created_at: DateTime<Utc>,
}

impl From<Row> for Card {
    fn from(row: Row) -> Self {
        Self {
            id: CardId::from_uuid(row.id),
            brand: row.brand,
            last4: row.last4,
            expire_month: row.expire_month,
            expire_year: row.expire_year,
            created_at: row.created_at,
        }
    }
}

/// The card that a request of this user has added, and what the request said.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    user: UserId,
    request: &RequestId,
) -> Result<Option<(Card, Fingerprint)>, DbErr> {
    let read = "
        SELECT id, brand, last4, expire_month, expire_year, request_fingerprint, created_at
        FROM cards WHERE user_id = $1 AND request_id = $2";
    let row =
        Row::find_by_statement(sql(read, [user.uuid().into(), request.as_str().into()])).one(db).await?;
    row.map(|row| {
        let fingerprint = stored(Fingerprint::try_from(row.request_fingerprint.as_slice()))?;
        Ok((Card::from(row), fingerprint))
    })
    .transpose()
}

/// Which of the database's advisory locks are about users' cards.
const LOCKS: i32 = 1;

/// Locks which cards these users have: whoever adds one waits for who deletes them all, and the other way round.
///
/// There may be no row to lock: neither a card nor a closed wallet.
async fn lock(tx: &impl ConnectionTrait, users: &[UserId]) -> Result<(), DbErr> {
    let users: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
    let lock = "
        SELECT pg_advisory_xact_lock($2, number)
        FROM (SELECT DISTINCT hashtext(id::text) AS number FROM unnest($1::uuid[]) AS id ORDER BY 1) AS users";
    tx.execute_raw(sql(lock, [users.into(), LOCKS.into()])).await?;
    Ok(())
}

/// Keeps a card, unless the same request has kept one or the user is gone.
pub(crate) async fn insert(
    tx: &DatabaseTransaction,
    user: UserId,
    request: &RequestId,
    fingerprint: Fingerprint,
    token: &Token,
    face: &Face,
) -> Result<(), DbErr> {
    lock(tx, &[user]).await?;
    let insert = "
        INSERT INTO cards (id, user_id, token, brand, last4, expire_month, expire_year, request_id, request_fingerprint)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
        WHERE NOT EXISTS (SELECT FROM closed_users WHERE user_id = $2)
        ON CONFLICT (user_id, request_id) DO NOTHING";
    let values = [
        CardId::new().uuid().into(),
        user.uuid().into(),
        token.0.as_str().into(),
        face.brand.as_str().into(),
        face.last4.as_str().into(),
        face.expire_month.into(),
        face.expire_year.into(),
        request.as_str().into(),
        fingerprint.as_bytes().to_vec().into(),
    ];
    tx.execute_raw(sql(insert, values)).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Charged {
    id: Uuid,
    token: String,
}

/// A card of this user and its token: the named one, or the newest.
pub(crate) async fn to_charge(
    db: &impl ConnectionTrait,
    user: UserId,
    card: Option<CardId>,
) -> Result<Option<(CardId, Token)>, DbErr> {
    let read = "
        SELECT id, token FROM cards
        WHERE user_id = $1 AND token IS NOT NULL AND ($2::uuid IS NULL OR id = $2)
        ORDER BY id DESC LIMIT 1";
    let values = [user.uuid().into(), card.map(CardId::uuid).into()];
    let row = Charged::find_by_statement(sql(read, values)).one(db).await?;
    Ok(row.map(|row| (CardId::from_uuid(row.id), Token(row.token))))
}

/// At most `limit` cards of a user, the newest first, older than `before`.
pub(crate) async fn page_for(
    db: &impl ConnectionTrait,
    user: UserId,
    before: Option<CardId>,
    limit: u64,
) -> Result<Vec<Card>, DbErr> {
    let read = "
        SELECT id, brand, last4, expire_month, expire_year, request_fingerprint, created_at
        FROM cards WHERE user_id = $1 AND token IS NOT NULL AND id < $2
        ORDER BY id DESC LIMIT $3";
    let before = before.map_or(Uuid::max(), CardId::uuid);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows =
        Row::find_by_statement(sql(read, [user.uuid().into(), before.into(), limit.into()])).all(db).await?;
    Ok(rows.into_iter().map(Card::from).collect())
}

/// Forgets the token of a user's card. What is under way with the card has its own.
pub(crate) async fn forget(db: &impl ConnectionTrait, user: UserId, card: CardId) -> Result<(), DbErr> {
    let forget = "UPDATE cards SET token = NULL WHERE user_id = $1 AND id = $2";
    db.execute_raw(sql(forget, [user.uuid().into(), card.uuid().into()])).await?;
    Ok(())
}

/// Deletes all cards of users whose wallets the same transaction has closed.
pub(crate) async fn delete(tx: &DatabaseTransaction, users: &[UserId]) -> Result<(), DbErr> {
    lock(tx, users).await?;
    let users: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
    tx.execute_raw(sql("DELETE FROM cards WHERE user_id = ANY($1)", [users.into()])).await?;
    Ok(())
}

//! Books that customers send back. Written while their order is locked.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromJsonQueryResult, FromQueryResult, Statement, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use values::{
    Currency, Fingerprint, Money, OfferId, OrderId, Quantity, RequestId, ReturnId, ShopId, UserId,
    page::PageSize,
};

use super::{known, orders::within, rows::fingerprint, sql, stored};
use crate::domain::{Return, ReturnState};

const COLUMNS: &str =
    "id, order_id, shop_id, state, items, amount, currency, restocked, reason, answer, created_at,
                       resolved_at";

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    order_id: Uuid,
    shop_id: Uuid,
    state: String,
    items: StoredItems,
    amount: i64,
    currency: String,
    restocked: bool,
    reason: String,
    answer: String,
    created_at: DateTime<Utc>,
    resolved_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
struct StoredItems(Vec<StoredItem>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredItem {
    offer_id: OfferId,
    quantity: Quantity,
}

impl TryFrom<Row> for Return {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        let currency: Currency = stored(row.currency.parse())?;
        Ok(Self {
            id: ReturnId::from_uuid(row.id),
            order: OrderId::from_uuid(row.order_id),
            shop: ShopId::from_uuid(row.shop_id),
            state: known(ReturnState::named(&row.state))?,
            items: row.items.0.into_iter().map(|item| (item.offer_id, item.quantity)).collect(),
            amount: Money::new(row.amount, currency),
            restocked: row.restocked,
            reason: row.reason,
            answer: row.answer,
            created_at: row.created_at,
            resolved_at: row.resolved_at,
        })
    }
}

/// The returns of an order that the caller may know of, the oldest first.
pub(crate) async fn of_order(db: &impl ConnectionTrait, order: OrderId) -> Result<Vec<Return>, DbErr> {
    let find = format!("SELECT {COLUMNS} FROM returns WHERE order_id = $1 ORDER BY id");
    let rows = Row::find_by_statement(sql(&find, [order.uuid().into()])).all(db).await?;
    rows.into_iter().map(Return::try_from).collect()
}

/// A return, whosever it is: what of it may be told is for who asks to find out.
pub(crate) async fn find(db: &impl ConnectionTrait, id: ReturnId) -> Result<Option<Return>, DbErr> {
    let find = format!("SELECT {COLUMNS} FROM returns WHERE id = $1");
    let row = Row::find_by_statement(sql(&find, [id.uuid().into()])).one(db).await?;
    row.map(Return::try_from).transpose()
}

#[derive(FromQueryResult)]
struct RequestedRow {
    request_fingerprint: Vec<u8>,
    #[sea_orm(nested)]
    made: Row,
}

/// The return that this user's request has made, and what the request said.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    user: UserId,
    request_id: &RequestId,
) -> Result<Option<(Fingerprint, Return)>, DbErr> {
    let find =
        format!("SELECT request_fingerprint, {COLUMNS} FROM returns WHERE user_id = $1 AND request_id = $2");
    let values = [user.uuid().into(), request_id.to_string().into()];
    let row = RequestedRow::find_by_statement(sql(&find, values)).one(db).await?;
    row.map(|row| Ok((fingerprint(&row.request_fingerprint)?, row.made.try_into()?))).transpose()
}

/// A return that is about to be asked for.
#[derive(Clone, Debug)]
pub(crate) struct NewReturn<'a> {
    pub(crate) id: ReturnId,
    pub(crate) order: OrderId,
    pub(crate) shop: ShopId,
    pub(crate) user: UserId,
    pub(crate) request_id: &'a RequestId,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) items: &'a [(OfferId, Quantity)],
    pub(crate) amount: Money,
    pub(crate) reason: &'a str,
}

/// Stores it and counts its amount as claimed; nothing if the request id has made one before.
pub(crate) async fn insert(tx: &impl ConnectionTrait, new: &NewReturn<'_>) -> Result<Option<Return>, DbErr> {
    let insert = format!(
        "WITH made AS (
             INSERT INTO returns (
                 id, order_id, shop_id, user_id, request_id, request_fingerprint, items, amount, currency, reason
             )
             VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10)
             ON CONFLICT (user_id, request_id) DO NOTHING
             RETURNING *
         ), claimed AS (
             UPDATE orders SET claimed = claimed + made.amount FROM made WHERE orders.id = made.order_id
         )
         SELECT {COLUMNS} FROM made"
    );
    let items = new.items.iter().map(|&(offer_id, quantity)| StoredItem { offer_id, quantity });
    let values = [
        new.id.uuid().into(),
        new.order.uuid().into(),
        new.shop.uuid().into(),
        new.user.uuid().into(),
        new.request_id.to_string().into(),
        new.fingerprint.as_bytes().to_vec().into(),
        stored(serde_json::to_string(&StoredItems(items.collect())))?.into(),
        new.amount.minor_units().into(),
        new.amount.currency().code().into(),
        new.reason.into(),
    ];
    let row = Row::find_by_statement(sql(&insert, values)).one(tx).await?;
    row.map(Return::try_from).transpose()
}

/// Ends a return that waits for its shop; what is rejected may be claimed again.
pub(crate) async fn resolve(
    tx: &impl ConnectionTrait,
    id: ReturnId,
    state: ReturnState,
    restocked: bool,
    answer: &str,
) -> Result<(), DbErr> {
    let resolve = "
        WITH resolved AS (
            UPDATE returns SET state = $2, restocked = $3, answer = $4, resolved_at = clock_timestamp()
            WHERE id = $1 AND state = 'REQUESTED'
            RETURNING order_id, state, amount
        )
        UPDATE orders SET claimed = claimed - resolved.amount FROM resolved
        WHERE orders.id = resolved.order_id AND resolved.state = 'REJECTED'";
    let values = [id.uuid().into(), state.name().into(), restocked.into(), answer.into()];
    tx.execute_raw(sql(resolve, values)).await?;
    Ok(())
}

/// Which returns a page is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pile {
    /// A shop's.
    Shop(ShopId),
    /// A customer's.
    User(UserId),
    /// Everybody's, for those who may.
    All,
}

/// Returns after `after`, of this order only if one is given, the oldest first: one more than fit the page, if there are
/// more.
pub(crate) async fn page_of(
    db: &impl ConnectionTrait,
    pile: Pile,
    order: Option<OrderId>,
    state: Option<ReturnState>,
    after: Option<ReturnId>,
    size: PageSize,
) -> Result<Vec<Return>, DbErr> {
    let rows = Row::find_by_statement(statement(pile, order, state, after, size)).all(db).await?;
    rows.into_iter().map(Return::try_from).collect()
}

/// Holds a condition for just what is asked for, and the state by name, so that the plan can use the index for it.
fn statement(
    pile: Pile,
    order: Option<OrderId>,
    state: Option<ReturnState>,
    after: Option<ReturnId>,
    size: PageSize,
) -> Statement {
    let whose = match pile {
        Pile::Shop(shop) => Some(("shop_id", shop.uuid())),
        Pile::User(user) => Some(("user_id", user.uuid())),
        Pile::All => None,
    };
    let mut values: Vec<Value> = vec![after.map_or(Uuid::nil(), ReturnId::uuid).into(), within(size).into()];
    let mut conditions = vec!["id > $1".to_owned()];
    for (column, id) in whose.into_iter().chain(order.map(|order| ("order_id", order.uuid()))) {
        values.push(id.into());
        conditions.push(format!("{column} = ${}", values.len()));
    }
    conditions.extend(state.map(|state| format!("state = '{}'", state.name())));
    let conditions = conditions.join(" AND ");
    let find = format!("SELECT {COLUMNS} FROM returns WHERE {conditions} ORDER BY id LIMIT $2");
    Statement::from_sql_and_values(DbBackend::Postgres, find, values)
}

#[cfg(test)]
mod tests;

//! Requests to cancel that were granted.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use values::{Fingerprint, OrderId, RequestId, UserId};

use super::{rows::fingerprint, sql};

#[derive(FromQueryResult)]
struct Row {
    request_fingerprint: Vec<u8>,
}

/// What this user's request said, if it was granted.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    user: UserId,
    request_id: &RequestId,
) -> Result<Option<Fingerprint>, DbErr> {
    let find = "SELECT request_fingerprint FROM cancellations WHERE user_id = $1 AND request_id = $2";
    let values = [user.uuid().into(), request_id.to_string().into()];
    let row = Row::find_by_statement(sql(find, values)).one(db).await?;
    row.map(|row| fingerprint(&row.request_fingerprint)).transpose()
}

/// Notes that the request was granted; `false`: the request id has cancelled something before.
pub(crate) async fn insert(
    tx: &impl ConnectionTrait,
    user: UserId,
    request_id: &RequestId,
    fingerprint: Fingerprint,
    order: OrderId,
) -> Result<bool, DbErr> {
    let insert = "INSERT INTO cancellations (user_id, request_id, request_fingerprint, order_id)
                  VALUES ($1, $2, $3, $4) ON CONFLICT (user_id, request_id) DO NOTHING";
    let values = [
        user.uuid().into(),
        request_id.to_string().into(),
        fingerprint.as_bytes().to_vec().into(),
        order.uuid().into(),
    ];
    Ok(tx.execute_raw(sql(insert, values)).await?.rows_affected() == 1)
}

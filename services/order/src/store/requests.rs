//! Requests of shops and staff that were granted.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{Fingerprint, OrderId, RequestId, UserId};

use super::{rows::fingerprint, sql};

/// A request: unique for its RPC and caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a> {
    pub(crate) rpc: &'static str,
    pub(crate) user: UserId,
    pub(crate) request_id: &'a RequestId,
}

/// What was granted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) order: OrderId,
    /// The shop, or the return, that it was about.
    pub(crate) subject: Uuid,
}

#[derive(FromQueryResult)]
struct Row {
    request_fingerprint: Vec<u8>,
    order_id: Uuid,
    subject: Uuid,
}

/// What this request said and was about, if it was granted.
pub(crate) async fn find(db: &impl ConnectionTrait, key: Key<'_>) -> Result<Option<Granted>, DbErr> {
    let find = "SELECT request_fingerprint, order_id, subject FROM granted_requests
                WHERE rpc = $1 AND user_id = $2 AND request_id = $3";
    let values = [key.rpc.into(), key.user.uuid().into(), key.request_id.to_string().into()];
    let row = Row::find_by_statement(sql(find, values)).one(db).await?;
    row.map(|row| {
        let order = OrderId::from_uuid(row.order_id);
        Ok(Granted { fingerprint: fingerprint(&row.request_fingerprint)?, order, subject: row.subject })
    })
    .transpose()
}

/// Notes that the request was granted; `false`: its id was used before.
pub(crate) async fn insert(
    tx: &impl ConnectionTrait,
    key: Key<'_>,
    granted: &Granted,
) -> Result<bool, DbErr> {
    let insert = "
        INSERT INTO granted_requests (rpc, user_id, request_id, request_fingerprint, order_id, subject)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (rpc, user_id, request_id) DO NOTHING";
    let values = [
        key.rpc.into(),
        key.user.uuid().into(),
        key.request_id.to_string().into(),
        granted.fingerprint.as_bytes().to_vec().into(),
        granted.order.uuid().into(),
        granted.subject.into(),
    ];
    Ok(tx.execute_raw(sql(insert, values)).await?.rows_affected() == 1)
}

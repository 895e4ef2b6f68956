use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{DeliveryId, EventId, UserId};

use super::{sql, stored};
use crate::domain::news::News;

/// Something that is to be told.
#[derive(Clone, Debug)]
pub(crate) struct NewDelivery {
    pub(crate) event: EventId,
    pub(crate) subject: &'static str,
    pub(crate) user: UserId,
    pub(crate) aggregate_id: String,
    pub(crate) news: News,
    pub(crate) traceparent: Option<String>,
}

/// Writes down what is to be told; what is there already, whatever became of it, stays as it is.
pub(crate) async fn insert(tx: &impl ConnectionTrait, new: &[NewDelivery]) -> Result<(), DbErr> {
    let column = |value: fn(&NewDelivery) -> String| new.iter().map(value).collect::<Vec<_>>();
    let news: Result<Vec<String>, _> =
        new.iter().map(|delivery| serde_json::to_string(&delivery.news)).collect();
    let news = news.map_err(|error| DbErr::Json(error.to_string()))?;
    let ids: Vec<Uuid> = new.iter().map(|_| DeliveryId::new().uuid()).collect();
    let insert = "
        INSERT INTO deliveries (id, event_id, subject, user_id, aggregate_id, news, traceparent)
        SELECT id, event_id, subject, user_id, aggregate_id, news, NULLIF(traceparent, '')
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[])
             AS told (id, event_id, subject, user_id, aggregate_id, news, traceparent)
        ORDER BY event_id
        ON CONFLICT (event_id) DO NOTHING";
    let values = [
        ids.into(),
        new.iter().map(|delivery| delivery.event.uuid()).collect::<Vec<_>>().into(),
        column(|delivery| delivery.subject.to_owned()).into(),
        new.iter().map(|delivery| delivery.user.uuid()).collect::<Vec<_>>().into(),
        column(|delivery| delivery.aggregate_id.clone()).into(),
        news.into(),
        column(|delivery| delivery.traceparent.clone().unwrap_or_default()).into(),
    ];
    tx.execute_raw(sql(insert, values)).await?;
    Ok(())
}

/// Deletes some that ended long ago. Whether there may be more.
pub(crate) async fn delete_ended(db: &impl ConnectionTrait, days: i32) -> Result<bool, DbErr> {
    const AT_ONCE: u32 = 5_000;
    let delete = "
        DELETE FROM deliveries WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM deliveries
            WHERE state <> 'PENDING' AND created_at < now() - make_interval(days => $1) LIMIT $2
        ))";
    let deleted = db.execute_raw(sql(delete, [days.into(), i64::from(AT_ONCE).into()])).await?;
    Ok(deleted.rows_affected() == u64::from(AT_ONCE))
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Sent,
    Failed,
}

impl State {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sent => "SENT",
            Self::Failed => "FAILED",
        }
    }
}

/// What is known of a delivery.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) id: DeliveryId,
    pub(crate) event: EventId,
    pub(crate) subject: String,
    pub(crate) user: UserId,
    pub(crate) aggregate_id: String,
    pub(crate) state: State,
    pub(crate) attempts: i32,
    pub(crate) last_error: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) sent_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    event_id: Uuid,
    subject: String,
    user_id: Uuid,
    aggregate_id: String,
    state: String,
    attempts: i32,
    last_error: String,
    created_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Delivery {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        let states = [State::Pending, State::Sent, State::Failed];
        let state = states.into_iter().find(|state| state.name() == row.state);
        Ok(Self {
            id: DeliveryId::from_uuid(row.id),
            event: EventId::from_uuid(row.event_id),
            subject: row.subject,
            user: UserId::from_uuid(row.user_id),
            aggregate_id: row.aggregate_id,
            state: stored(state.ok_or("is no state of a delivery"))?,
            attempts: row.attempts,
            last_error: row.last_error,
            created_at: row.created_at,
            sent_at: row.sent_at,
        })
    }
}

/// At most `limit` deliveries, the newest first, older than `before`.
///
/// They are named by `UUIDv7`, so their ids are in the order of time.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    user: Option<UserId>,
    state: Option<State>,
    before: Option<DeliveryId>,
    limit: u64,
) -> Result<Vec<Delivery>, DbErr> {
    // Composed, so that the generic plan of each is the one that its filter wants.
    let of_user = if user.is_some() { "user_id = $1" } else { "$1::uuid IS NULL" };
    let in_state = match state {
        Some(State::Pending) => "state = 'PENDING'",
        Some(State::Sent) => "state = 'SENT'",
        Some(State::Failed) => "state = 'FAILED'",
        None => "true",
    };
    let read = format!(
        "SELECT id, event_id, subject, user_id, aggregate_id, state, attempts, last_error, created_at, sent_at
         FROM deliveries WHERE {of_user} AND {in_state} AND id < $2 ORDER BY id DESC LIMIT $3"
    );
    let before = before.map_or(Uuid::max(), DeliveryId::uuid);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [user.map(UserId::uuid).into(), before.into(), limit.into()];
    let rows = Row::find_by_statement(sql(&read, values)).all(db).await?;
    rows.into_iter().map(Delivery::try_from).collect()
}

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{LocationId, OfferId, page::PageSize};

use super::sql;

/// A change of the stock of an offer.
#[derive(FromQueryResult)]
pub(crate) struct MovementRow {
    pub(crate) id: i64,
    pub(crate) location_id: Uuid,
    pub(crate) change: i64,
    pub(crate) kind: String,
    pub(crate) reason: String,
    pub(crate) reservation_id: Option<Uuid>,
    pub(crate) moved_at: DateTime<Utc>,
}

/// A page of what changed the stock of an offer before the movement `cursor`, the newest first, and whether there is
/// more.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    offer: OfferId,
    location: Option<LocationId>,
    cursor: Option<i64>,
    size: PageSize,
) -> Result<(Vec<MovementRow>, bool), DbErr> {
    let read = format!(
        "SELECT id, location_id, change, kind, reason, reservation_id, moved_at
         FROM stock_movements
         WHERE offer_id = $1 AND id < $2 AND ($3::uuid IS NULL OR location_id = $3)
         ORDER BY id DESC
         LIMIT {}",
        size.get() + 1
    );
    let read = sql(
        &read,
        [offer.uuid().into(), cursor.unwrap_or(i64::MAX).into(), location.map(LocationId::uuid).into()],
    );
    let mut rows = MovementRow::find_by_statement(read).all(db).await?;
    let full = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let more = rows.len() > full;
    rows.truncate(full);
    Ok((rows, more))
}

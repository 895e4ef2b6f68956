use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{Fingerprint, LocationId, RequestId, ShopId, UserId, page::PageSize};

use super::{sql, stored};

/// A room to open.
#[derive(Clone, Debug)]
pub(crate) struct NewLocation {
    pub(crate) shop: ShopId,
    pub(crate) name: String,
    pub(crate) opened_by: UserId,
    pub(crate) request_id: RequestId,
    pub(crate) fingerprint: Fingerprint,
}

/// A room that a request opened.
#[derive(FromQueryResult)]
pub(crate) struct Opened {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    opening_digest: Vec<u8>,
}

impl Opened {
    /// Of the request that opened it.
    pub(crate) fn fingerprint(&self) -> Result<Fingerprint, DbErr> {
        stored(Fingerprint::try_from(self.opening_digest.as_slice()))
    }
}

/// Opens a room, unless the request has opened one already.
///
/// Locks the shop, so that rooms are opened one after the other: a shop's first room is the one with the lowest id, and
/// the clock of this machine may be behind that of the one which made the others' ids.
pub(crate) async fn open(tx: &impl ConnectionTrait, new: &NewLocation) -> Result<(), DbErr> {
    let lock = sql("SELECT FROM shops WHERE id = $1 FOR NO KEY UPDATE", [new.shop.uuid().into()]);
    tx.query_one_raw(lock).await?;
    let newest =
        sql("SELECT id FROM locations WHERE shop_id = $1 ORDER BY id DESC LIMIT 1", [new.shop.uuid().into()]);
    let newest: Option<Uuid> =
        tx.query_one_raw(newest).await?.map(|row| row.try_get_by_index(0)).transpose()?;
    let id = newest.map_or_else(LocationId::new, after).uuid();
    let insert = sql(
        "INSERT INTO locations (id, shop_id, name, opened_by, opening_request, opening_digest)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (opened_by, opening_request) WHERE opening_request IS NOT NULL DO NOTHING",
        [
            id.into(),
            new.shop.uuid().into(),
            new.name.as_str().into(),
            new.opened_by.uuid().into(),
            new.request_id.as_str().into(),
            new.fingerprint.as_bytes().to_vec().into(),
        ],
    );
    tx.execute_raw(insert).await?;
    Ok(())
}

/// A new id, higher than `other` whatever the clock says.
fn after(other: Uuid) -> LocationId {
    let id = LocationId::new();
    if id.uuid() > other {
        id
    } else {
        LocationId::from_uuid(Uuid::from_u128(other.as_u128().wrapping_add(1)))
    }
}

/// The room that a request of this user opened.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    caller: UserId,
    request_id: &RequestId,
) -> Result<Option<Opened>, DbErr> {
    let find = sql(
        "SELECT id, name, opening_digest FROM locations WHERE opened_by = $1 AND opening_request = $2",
        [caller.uuid().into(), request_id.as_str().into()],
    );
    Opened::find_by_statement(find).one(db).await
}

/// A room.
#[derive(FromQueryResult)]
pub(crate) struct LocationRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
}

/// A page of the rooms of a shop after `cursor`, the first one first, and whether there are more.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    shop: ShopId,
    cursor: Option<LocationId>,
    size: PageSize,
) -> Result<(Vec<LocationRow>, bool), DbErr> {
    let read = format!(
        "SELECT id, name FROM locations WHERE shop_id = $1 AND id > $2 ORDER BY id LIMIT {}",
        size.get() + 1
    );
    let after = cursor.map_or(Uuid::nil(), LocationId::uuid);
    let mut rows =
        LocationRow::find_by_statement(sql(&read, [shop.uuid().into(), after.into()])).all(db).await?;
    let full = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let more = rows.len() > full;
    rows.truncate(full);
    Ok((rows, more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_later_room_is_higher_even_where_the_clock_is_behind() {
        let (now, far_ahead) = (LocationId::new().uuid(), Uuid::from_u128(u128::MAX >> 1));
        for other in [now, far_ahead] {
            assert!(after(other).uuid() > other);
        }
    }
}

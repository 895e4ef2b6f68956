//! People who leave all shops at once.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{ShopId, UserId};

use super::sql;

/// Somebody has left a shop, with this version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    pub(crate) shop: ShopId,
    pub(crate) version: i64,
    pub(crate) user: UserId,
}

/// What became of those who were to leave.
#[derive(Debug)]
pub(crate) struct Departures {
    /// Who has left where, each with a version of their own.
    pub(crate) left: Vec<Departure>,
    /// Shops that keep one of them, since nobody else owns them.
    pub(crate) ownerless: Vec<ShopId>,
}

#[derive(FromQueryResult)]
struct ShopRow {
    shop_id: Uuid,
}

#[derive(FromQueryResult)]
struct LeftRow {
    shop_id: Uuid,
    version: i64,
    user_id: Uuid,
}

/// Ends these users' work in all shops, but for the last owner of each; of several who would all go the first stays.
///
/// Locks the shops in the order of their ids.
pub(crate) async fn remove(tx: &impl ConnectionTrait, users: &[UserId]) -> Result<Departures, DbErr> {
    let users: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
    let lock = "SELECT id AS shop_id FROM shops
                WHERE id IN (SELECT shop_id FROM shop_members WHERE user_id = ANY($1))
                ORDER BY id FOR NO KEY UPDATE";
    let shops = ShopRow::find_by_statement(sql(lock, [users.clone().into()])).all(tx).await?;
    if shops.is_empty() {
        return Ok(Departures { left: Vec::new(), ownerless: Vec::new() });
    }
    let shops: Vec<Uuid> = shops.into_iter().map(|row| row.shop_id).collect();

    // Only now, since the members may have changed until the shops were locked. Ranked with those who stay first.
    let remove = "
        WITH ranked AS (
            SELECT shop_id, user_id, role,
                   user_id = ANY($2) AS leaves,
                   row_number() OVER (
                       PARTITION BY shop_id, role ORDER BY user_id = ANY($2), joined_at, user_id
                   ) AS place
            FROM shop_members
            WHERE shop_id = ANY($1)
        ), gone AS (
            DELETE FROM shop_members AS member
            USING ranked
            WHERE member.shop_id = ranked.shop_id AND member.user_id = ranked.user_id
              AND leaves AND (ranked.role <> 'OWNER' OR place > 1)
            RETURNING member.shop_id, member.user_id
        ), numbered AS (
            SELECT shop_id, user_id,
                   row_number() OVER (PARTITION BY shop_id ORDER BY user_id) AS nth,
                   count(*) OVER (PARTITION BY shop_id) AS changes
            FROM gone
        ), counted AS (
            UPDATE shops SET version = version + changes
            FROM numbered
            WHERE id = shop_id AND nth = 1
            RETURNING id, version - changes AS before
        )
        SELECT shop_id, before + nth AS version, user_id
        FROM numbered
        JOIN counted ON id = shop_id
        ORDER BY shop_id, version";
    let values = [shops.clone().into(), users.clone().into()];
    let left = LeftRow::find_by_statement(sql(remove, values)).all(tx).await?;

    let remain =
        "SELECT shop_id FROM shop_members WHERE shop_id = ANY($1) AND user_id = ANY($2) ORDER BY shop_id";
    let remain = ShopRow::find_by_statement(sql(remain, [shops.into(), users.into()])).all(tx).await?;
    Ok(Departures {
        left: (left.into_iter())
            .map(|row| Departure {
                shop: ShopId::from_uuid(row.shop_id),
                version: row.version,
                user: UserId::from_uuid(row.user_id),
            })
            .collect(),
        ownerless: remain.into_iter().map(|row| ShopId::from_uuid(row.shop_id)).collect(),
    })
}

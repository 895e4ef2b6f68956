//! Shops of whose members others have still to be told.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{ShopId, UserId};

use super::{members::Role, sql, stored};

#[derive(FromQueryResult)]
struct ShopRow {
    id: Uuid,
}

/// Locks at most `limit` of these shops, and none that another transaction has locked.
pub(crate) async fn lock(tx: &impl ConnectionTrait, limit: u32) -> Result<Vec<ShopId>, DbErr> {
    let lock = format!(
        "SELECT id FROM shops WHERE is_unannounced ORDER BY id LIMIT {limit} FOR NO KEY UPDATE SKIP LOCKED"
    );
    let rows = ShopRow::find_by_statement(sql(&lock, [])).all(tx).await?;
    Ok(rows.into_iter().map(|row| ShopId::from_uuid(row.id)).collect())
}

/// Whether there are any, locked or not.
pub(crate) async fn remain(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let find = sql("SELECT id FROM shops WHERE is_unannounced LIMIT 1", []);
    Ok(db.query_one_raw(find).await?.is_some())
}

/// A member of a shop, and the version of the shop with which this is told.
pub(crate) struct Announced {
    pub(crate) shop: ShopId,
    pub(crate) version: i64,
    pub(crate) user: UserId,
    pub(crate) role: Role,
}

#[derive(FromQueryResult)]
struct MemberRow {
    shop_id: Uuid,
    version: i64,
    user_id: Uuid,
    role: String,
}

/// Who works in these locked shops: each with a version of their own, in the order in which they came.
pub(crate) async fn members(tx: &impl ConnectionTrait, shops: &[ShopId]) -> Result<Vec<Announced>, DbErr> {
    let find = "
        SELECT member.shop_id, member.user_id, member.role,
               shops.version + row_number() OVER (PARTITION BY member.shop_id ORDER BY joined_at, user_id) AS version
        FROM shop_members AS member
        JOIN shops ON shops.id = member.shop_id
        WHERE member.shop_id = ANY($1)
        ORDER BY member.shop_id, version";
    let rows = MemberRow::find_by_statement(sql(find, [ids(shops).into()])).all(tx).await?;
    let announced = rows.into_iter().map(|row| {
        Ok(Announced {
            shop: ShopId::from_uuid(row.shop_id),
            version: row.version,
            user: UserId::from_uuid(row.user_id),
            role: stored(row.role.parse())?,
        })
    });
    announced.collect()
}

/// Counts what is told of these locked shops as changes of them, one a member, and takes them off the list.
pub(crate) async fn done(tx: &impl ConnectionTrait, shops: &[ShopId]) -> Result<(), DbErr> {
    let update = "
        UPDATE shops
        SET is_unannounced = false,
            version = version + (SELECT count(*) FROM shop_members WHERE shop_id = shops.id)
        WHERE id = ANY($1)";
    tx.execute_raw(sql(update, [ids(shops).into()])).await.map(drop)
}

fn ids(shops: &[ShopId]) -> Vec<Uuid> {
    shops.iter().map(|shop| shop.uuid()).collect()
}

//! Who works in which shop: a copy of what inventory knows.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{ShopId, UserId};

use super::sql;

/// What a user is in a shop from a version of it on.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) shop: ShopId,
    pub(crate) user: UserId,
    /// `OWNER`, `STAFF`, or nothing for who has left.
    pub(crate) role: &'static str,
    pub(crate) sequence: i64,
}

/// Notes memberships, each of a shop and user given once; what is known from later stays.
pub(crate) async fn note(tx: &impl ConnectionTrait, told: &[Membership]) -> Result<(), DbErr> {
    // In the order of their keys, so that two transactions don't wait for each other.
    let note = "
        INSERT INTO shop_members (shop_id, user_id, role, sequence)
        SELECT shop_id, user_id, NULLIF(role, ''), sequence
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[]) AS told (shop_id, user_id, role, sequence)
        ORDER BY shop_id, user_id
        ON CONFLICT (shop_id, user_id) DO UPDATE SET role = EXCLUDED.role, sequence = EXCLUDED.sequence
        WHERE shop_members.sequence < EXCLUDED.sequence";
    let values = [
        told.iter().map(|told| told.shop.uuid()).collect::<Vec<_>>().into(),
        told.iter().map(|told| told.user.uuid()).collect::<Vec<_>>().into(),
        told.iter().map(|told| told.role.to_owned()).collect::<Vec<_>>().into(),
        told.iter().map(|told| told.sequence).collect::<Vec<_>>().into(),
    ];
    tx.execute_raw(sql(note, values)).await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct ShopRow {
    shop_id: Uuid,
}

/// Those of these shops in which the user works.
pub(crate) async fn shops_of(
    db: &impl ConnectionTrait,
    user: UserId,
    among: impl IntoIterator<Item = ShopId>,
) -> Result<Vec<ShopId>, DbErr> {
    let find = "SELECT shop_id FROM shop_members
                WHERE shop_id = ANY($1) AND user_id = $2 AND role IS NOT NULL ORDER BY shop_id";
    let among: Vec<Uuid> = among.into_iter().map(ShopId::uuid).collect();
    let rows = ShopRow::find_by_statement(sql(find, [among.into(), user.uuid().into()])).all(db).await?;
    Ok(rows.into_iter().map(|row| ShopId::from_uuid(row.shop_id)).collect())
}

/// Whether anything has ever been heard of the shop.
pub(crate) async fn is_known(db: &impl ConnectionTrait, shop: ShopId) -> Result<bool, DbErr> {
    let find = "SELECT $1::uuid AS shop_id WHERE EXISTS (SELECT FROM shop_members WHERE shop_id = $1)
                OR EXISTS (SELECT FROM shipments WHERE shop_id = $1)";
    Ok(ShopRow::find_by_statement(sql(find, [shop.uuid().into()])).one(db).await?.is_some())
}

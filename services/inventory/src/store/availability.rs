use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use std::collections::HashMap;
use uuid::Uuid;
use values::{Money, OfferId};

use super::{money, sql};

/// What could be had of an offer just now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Availability {
    /// Copies that are free, in all locations together.
    pub(crate) copies: i64,
    /// Price of one copy.
    pub(crate) unit_price: Money,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    price_minor_units: i64,
    currency_code: String,
    copies: i64,
}

/// What could be had of each of `offers`; unknown ones are missing.
pub(crate) async fn of(
    db: &impl ConnectionTrait,
    offers: impl Iterator<Item = OfferId>,
) -> Result<HashMap<OfferId, Availability>, DbErr> {
    let ids: Vec<Uuid> = offers.map(OfferId::uuid).collect();
    let read = sql(
        "SELECT id, price_minor_units, currency_code,
                (SELECT coalesce(sum(on_hand - reserved), 0)::bigint FROM stock WHERE offer_id = offers.id) AS copies
         FROM offers
         WHERE id = ANY($1) AND withdrawn_at IS NULL",
        [ids.into()],
    );
    let rows = Row::find_by_statement(read).all(db).await?;
    rows.into_iter()
        .map(|row| {
            let unit_price = money(row.price_minor_units, &row.currency_code)?;
            Ok((OfferId::from_uuid(row.id), Availability { copies: row.copies, unit_price }))
        })
        .collect()
}

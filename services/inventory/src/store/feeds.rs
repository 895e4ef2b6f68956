//! What a feed's rows are held against, and what is written for them.

mod write;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{EditionId, Isbn, LocationId, OfferId, ShopId, WorkId};

pub(crate) use self::write::{Written, write};
use super::{money, sql, stored};
use crate::domain::{Entry, Fed, Intake, Known, Offered, StockLevel};

/// Where the rows of a feed go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) shop: ShopId,
    pub(crate) location: LocationId,
    /// The same for all pieces of one feed.
    pub(crate) import: String,
}

/// Locks the shop, so that its feeds are taken one piece after the other.
pub(crate) async fn lock_shop(tx: &impl ConnectionTrait, shop: ShopId) -> Result<(), DbErr> {
    let lock = sql("SELECT FROM shops WHERE id = $1 FOR NO KEY UPDATE", [shop.uuid().into()]);
    tx.query_one_raw(lock).await.map(drop)
}

#[derive(FromQueryResult)]
#[expect(clippy::struct_excessive_bools, reason = "each says of one column whether it is empty")]
struct EditionRow {
    edition_id: Uuid,
    work_id: Uuid,
    isbn: Option<String>,
    lacks_publisher: bool,
    lacks_year: bool,
    lacks_language: bool,
    lacks_description: bool,
    lacks_categories: bool,
}

/// The columns of an [`EditionRow`] of `editions`.
const EDITION: &str = "editions.id AS edition_id, editions.work_id, editions.isbn,
    editions.publisher = '' AS lacks_publisher, editions.published_year = 0 AS lacks_year,
    editions.language_code = '' AS lacks_language, editions.description = '' AS lacks_description,
    NOT EXISTS (SELECT FROM work_categories WHERE work_categories.work_id = editions.work_id) AS lacks_categories";

impl EditionRow {
    fn isbn(&self) -> Result<Option<Isbn>, DbErr> {
        self.isbn.as_ref().map(|isbn| stored(isbn.parse())).transpose()
    }

    const fn known(&self) -> Known {
        Known {
            id: EditionId::from_uuid(self.edition_id),
            work: WorkId::from_uuid(self.work_id),
            lacks_publisher: self.lacks_publisher,
            lacks_year: self.lacks_year,
            lacks_language: self.lacks_language,
            lacks_description: self.lacks_description,
            lacks_categories: self.lacks_categories,
        }
    }
}

#[derive(FromQueryResult)]
struct OfferRow {
    id: Uuid,
    feed_key: Option<String>,
    price_minor_units: i64,
    currency_code: String,
    is_withdrawn: bool,
    #[sea_orm(nested)]
    edition: EditionRow,
    on_hand: Option<i64>,
    reserved: Option<i64>,
    fed: Option<i64>,
    row: Option<i64>,
}

impl OfferRow {
    fn offered(&self) -> Result<Offered, DbErr> {
        let level =
            self.on_hand.zip(self.reserved).map(|(on_hand, reserved)| StockLevel { on_hand, reserved });
        Ok(Offered {
            isbn: self.edition.isbn()?,
            key: self.feed_key.clone(),
            price: money(self.price_minor_units, &self.currency_code)?,
            is_withdrawn: self.is_withdrawn,
            edition: self.edition.known(),
            shelf: level.map(|level| Fed { level, fed: self.fed }),
        })
    }
}

/// What is known of the books that the entries may be. Locks nothing.
pub(crate) async fn known(
    db: &impl ConnectionTrait,
    target: &Target,
    entries: &[Entry],
) -> Result<Intake, DbErr> {
    let isbns: Vec<String> =
        entries.iter().filter_map(|entry| entry.isbn).map(|isbn| isbn.to_string()).collect();
    let keys: Vec<String> = entries.iter().filter_map(|entry| entry.key.clone()).collect();
    let mut intake = Intake::default();

    let read = format!("SELECT {EDITION} FROM editions WHERE editions.isbn = ANY($1)");
    for row in EditionRow::find_by_statement(sql(&read, [isbns.clone().into()])).all(db).await? {
        if let Some(isbn) = row.isbn()? {
            intake.add_edition(isbn, row.known());
        }
    }

    let read = format!(
        "SELECT offers.id, offers.feed_key, offers.price_minor_units, offers.currency_code,
                offers.withdrawn_at IS NOT NULL AS is_withdrawn, {EDITION},
                stock.on_hand, stock.reserved, stock.fed, import_marks.number AS row
         FROM (
             SELECT offers.id
             FROM editions JOIN offers ON offers.edition_id = editions.id
             WHERE offers.shop_id = $1 AND editions.isbn = ANY($2)
             UNION
             SELECT id FROM offers WHERE shop_id = $1 AND feed_key = ANY($3)
         ) AS found
         JOIN offers ON offers.id = found.id
         JOIN editions ON editions.id = offers.edition_id
         LEFT JOIN stock ON stock.offer_id = offers.id AND stock.location_id = $4
         LEFT JOIN import_marks ON import_marks.shop_id = $1 AND import_marks.import_id = $5
                               AND import_marks.offer_id = offers.id"
    );
    let read = sql(
        &read,
        [
            target.shop.uuid().into(),
            isbns.into(),
            keys.into(),
            target.location.uuid().into(),
            target.import.as_str().into(),
        ],
    );
    for row in OfferRow::find_by_statement(read).all(db).await? {
        intake.add_offer(OfferId::from_uuid(row.id), row.offered()?, row.row);
    }
    Ok(intake)
}

/// Locks what the entries may change, and counts the shelves among it: works in the order of their ids, then shelves in
/// the order of their offers'.
pub(crate) async fn lock(
    tx: &impl ConnectionTrait,
    target: &Target,
    entries: &[Entry],
    intake: &mut Intake,
) -> Result<(), DbErr> {
    let works: Vec<Uuid> = intake.works_to_lock(entries).into_iter().map(WorkId::uuid).collect();
    if !works.is_empty() {
        let lock =
            sql("SELECT id FROM works WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", [works.into()]);
        tx.query_all_raw(lock).await?;
    }
    let offers: Vec<Uuid> = intake.shelves_to_lock(entries).into_iter().map(OfferId::uuid).collect();
    if offers.is_empty() {
        return Ok(());
    }
    let lock = sql(
        "SELECT offer_id, on_hand, reserved FROM stock WHERE offer_id = ANY($1) AND location_id = $2
         ORDER BY offer_id FOR UPDATE",
        [offers.into(), target.location.uuid().into()],
    );
    for row in tx.query_all_raw(lock).await? {
        let level = StockLevel { on_hand: row.try_get_by_index(1)?, reserved: row.try_get_by_index(2)? };
        intake.count(OfferId::from_uuid(row.try_get_by_index(0)?), level);
    }
    Ok(())
}

/// Measures the catalogue anew if it has doubled since that was done: plans made for the small one would be slow.
pub(crate) async fn analyse_if_grown(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    // In pages, of which a few are nothing.
    let grown = sql(
        "SELECT pg_relation_size(oid) / current_setting('block_size')::int > 2 * greatest(relpages, 0) + 10
         FROM pg_class WHERE oid = 'editions'::regclass",
        [],
    );
    let Some(row) = db.query_one_raw(grown).await? else { return Ok(()) };
    if row.try_get_by_index(0)? {
        db.execute_unprepared("ANALYZE works, work_categories, editions, offers, stock").await?;
    }
    Ok(())
}

/// Forgets which rows were which books in some feeds of yesterday or before.
pub(crate) async fn delete_old_marks(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let delete = "
        DELETE FROM import_marks WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM import_marks WHERE marked_at < now() - interval '1 day'
            ORDER BY marked_at LIMIT 5000 FOR UPDATE SKIP LOCKED))";
    db.execute_raw(sql(delete, [])).await.map(drop)
}

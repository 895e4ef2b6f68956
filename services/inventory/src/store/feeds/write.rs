use std::collections::{BTreeMap, HashMap};

use sea_orm::{ConnectionTrait, DbErr};
use serde::Serialize;
use uuid::Uuid;
use values::{OfferId, UserId, WorkId};

use super::Target;
use crate::{
    domain::{self, Categories, Counted, Entry, WorkIdentity},
    store::{sql, stored},
};

/// Whether [`write()`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a transaction that lost a race must be rolled back"]
pub(crate) enum Written {
    /// Everything is written.
    All,
    /// Another transaction made one of the editions, offers or shelves meanwhile. Roll back and start over: it will be
    /// found.
    Raced,
}

/// Writes what rows of a feed became, table by table.
///
/// Works come before editions and these before offers, as when a single book is changed. Inserts works in the order of
/// their identities and editions in that of their ISBNs, waiting for others who insert the same; the known works and
/// shelves among it are locked already.
pub(crate) async fn write(
    tx: &impl ConnectionTrait,
    target: &Target,
    caller: UserId,
    written: &domain::Written,
) -> Result<Written, DbErr> {
    let mut categories: BTreeMap<WorkId, &Categories> = BTreeMap::new();
    for (work, theirs) in &written.categories {
        categories.entry(*work).or_insert(theirs);
    }
    if !written.editions.is_empty() {
        let works = make_works(tx, &written.editions).await?;
        for (entry, work) in written.editions.iter().map(|(_, entry)| entry).zip(&works) {
            categories.entry(*work).or_insert(&entry.categories);
        }
        if !make_editions(tx, &written.editions, &works).await? {
            return Ok(Written::Raced);
        }
    }
    fill_editions(tx, written).await?;
    add_categories(tx, &categories).await?;
    change_offers(tx, written).await?;
    if !make_offers(tx, target, caller, written).await? || !count(tx, target, &written.stock).await? {
        return Ok(Written::Raced);
    }
    mark(tx, target, &written.marks).await?;
    Ok(Written::All)
}

/// Rows as the one parameter of a statement, which is read by `jsonb_to_recordset`: arrays in them may differ in length.
fn rows<T: Serialize>(rows: impl Iterator<Item = T>) -> Result<sea_orm::Value, DbErr> {
    let rows: Vec<T> = rows.collect();
    Ok(stored(serde_json::to_string(&rows))?.into())
}

async fn change_offers(tx: &impl ConnectionTrait, written: &domain::Written) -> Result<(), DbErr> {
    #[derive(Serialize)]
    struct Row<'a> {
        id: Uuid,
        price: i64,
        currency: &'a str,
        key: Option<&'a str>,
    }
    if written.changed.is_empty() {
        return Ok(());
    }
    let changed = rows(written.changed.iter().map(|(id, price, key)| Row {
        id: id.uuid(),
        price: price.minor_units(),
        currency: price.currency().code(),
        key: key.as_deref(),
    }))?;
    // One may get a key that another had: first all give theirs up.
    let give_up = "
        UPDATE offers SET feed_key = NULL
        FROM jsonb_to_recordset($1::text::jsonb) AS new (id uuid, key text)
        WHERE offers.id = new.id AND offers.feed_key <> new.key";
    tx.execute_raw(sql(give_up, [changed.clone()])).await?;
    let change = "
        UPDATE offers SET price_minor_units = new.price, currency_code = new.currency, feed_key = new.key
        FROM jsonb_to_recordset($1::text::jsonb) AS new (id uuid, price bigint, currency text, key text)
        WHERE offers.id = new.id";
    tx.execute_raw(sql(change, [changed])).await.map(drop)
}

/// The works of the entries, made where they are missing, and locked.
async fn make_works(
    tx: &impl ConnectionTrait,
    editions: &[(values::EditionId, Entry)],
) -> Result<Vec<WorkId>, DbErr> {
    #[derive(Serialize)]
    struct Row<'a> {
        id: Uuid,
        title: &'a str,
        authors: &'a [String],
        place: usize,
    }
    let identities: Vec<Vec<u8>> = (editions.iter())
        .map(|(_, entry)| WorkIdentity::of(&entry.title, &entry.authors).as_bytes().to_vec())
        .collect();
    let works = rows(editions.iter().enumerate().map(|(place, (_, entry))| Row {
        id: WorkId::new().uuid(),
        title: &entry.title,
        authors: entry.authors.names(),
        place,
    }))?;
    let make = "
        INSERT INTO works (id, title, authors, identity)
        SELECT DISTINCT ON (identity) id, title, authors, identity
        FROM (SELECT id, title, authors, ($2::bytea[])[place + 1] AS identity
              FROM jsonb_to_recordset($1::text::jsonb) AS new (id uuid, title text, authors text[], place int)) AS new
        ORDER BY identity
        ON CONFLICT (identity) DO NOTHING";
    tx.execute_raw(sql(make, [works, identities.clone().into()])).await?;
    let find = "SELECT id, identity FROM works WHERE identity = ANY($1) ORDER BY identity FOR NO KEY UPDATE";
    let mut found: HashMap<Vec<u8>, WorkId> = HashMap::new();
    for row in tx.query_all_raw(sql(find, [identities.clone().into()])).await? {
        found.insert(row.try_get_by_index(1)?, WorkId::from_uuid(row.try_get_by_index(0)?));
    }
    let missing = || DbErr::RecordNotFound("a work that was just made".to_owned());
    identities.iter().map(|identity| found.get(identity).copied().ok_or_else(missing)).collect()
}

/// An edition as both inserts and updates take it.
#[derive(Serialize)]
struct EditionRow<'a> {
    id: Uuid,
    work: Option<Uuid>,
    isbn: Option<String>,
    publisher: &'a str,
    year: i32,
    language: &'a str,
    description: &'a str,
}

impl<'a> EditionRow<'a> {
    fn new(
        id: values::EditionId,
        work: Option<WorkId>,
        isbn: Option<values::Isbn>,
        entry: &'a Entry,
    ) -> Self {
        Self {
            id: id.uuid(),
            work: work.map(WorkId::uuid),
            isbn: isbn.map(|isbn| isbn.to_string()),
            publisher: &entry.publisher,
            year: entry.published_year.get(),
            language: entry.language_code.as_str(),
            description: entry.description.as_str(),
        }
    }
}

const EDITION_ROW: &str = "jsonb_to_recordset($1::text::jsonb)
    AS new (id uuid, work uuid, isbn text, publisher text, year int, language text, description text)";

/// `false` if somebody else has made one of them.
async fn make_editions(
    tx: &impl ConnectionTrait,
    editions: &[(values::EditionId, Entry)],
    works: &[WorkId],
) -> Result<bool, DbErr> {
    let new = rows(
        (editions.iter().zip(works))
            .map(|((id, entry), work)| EditionRow::new(*id, Some(*work), entry.isbn, entry)),
    )?;
    let make = format!(
        "INSERT INTO editions (id, work_id, isbn, publisher, published_year, language_code, description)
         SELECT id, work, isbn, publisher, year, language, description FROM {EDITION_ROW}
         ORDER BY isbn
         ON CONFLICT (isbn) DO NOTHING"
    );
    let inserted = tx.execute_raw(sql(&make, [new])).await?.rows_affected();
    Ok(inserted == editions.len() as u64)
}

async fn fill_editions(tx: &impl ConnectionTrait, written: &domain::Written) -> Result<(), DbErr> {
    if written.filled.is_empty() {
        return Ok(());
    }
    let filled =
        rows(written.filled.iter().map(|(id, isbn, entry)| EditionRow::new(*id, None, *isbn, entry)))?;
    let fill = format!(
        "UPDATE editions
         SET isbn           = coalesce(editions.isbn, new.isbn),
             publisher      = coalesce(nullif(editions.publisher, ''), new.publisher),
             published_year = coalesce(nullif(editions.published_year, 0), new.year),
             language_code  = coalesce(nullif(editions.language_code, ''), new.language),
             description    = coalesce(nullif(editions.description, ''), new.description)
         FROM {EDITION_ROW}
         WHERE editions.id = new.id"
    );
    tx.execute_raw(sql(&fill, [filled])).await.map(drop)
}

/// Gives the locked works categories, where they have none.
async fn add_categories(
    tx: &impl ConnectionTrait,
    categories: &BTreeMap<WorkId, &Categories>,
) -> Result<(), DbErr> {
    #[derive(Serialize)]
    struct Row<'a> {
        work: Uuid,
        categories: Vec<&'a str>,
    }
    let named = categories.iter().map(|(work, theirs)| Row { work: work.uuid(), categories: theirs.names() });
    let named: Vec<_> = named.filter(|row| !row.categories.is_empty()).collect();
    if named.is_empty() {
        return Ok(());
    }
    let add = "
        INSERT INTO work_categories (work_id, category, sort_title)
        SELECT works.id, category, works.sort_title
        FROM jsonb_to_recordset($1::text::jsonb) AS new (work uuid, categories text[])
        JOIN works ON works.id = new.work
        CROSS JOIN unnest(new.categories) AS category
        WHERE NOT EXISTS (SELECT FROM work_categories AS known WHERE known.work_id = new.work)
        ON CONFLICT DO NOTHING";
    tx.execute_raw(sql(add, [rows(named.into_iter())?])).await.map(drop)
}

/// `false` if somebody else has made one of them.
async fn make_offers(
    tx: &impl ConnectionTrait,
    target: &Target,
    caller: UserId,
    written: &domain::Written,
) -> Result<bool, DbErr> {
    #[derive(Serialize)]
    struct Row<'a> {
        id: Uuid,
        edition: Uuid,
        price: i64,
        currency: &'a str,
        key: Option<&'a str>,
    }
    if written.offers.is_empty() {
        return Ok(true);
    }
    let new = rows(written.offers.iter().map(|offer| Row {
        id: offer.id.uuid(),
        edition: offer.edition.uuid(),
        price: offer.price.minor_units(),
        currency: offer.price.currency().code(),
        key: offer.key.as_deref(),
    }))?;
    // No AddBook's request can be called like these: `/` is none of its characters.
    let make = "
        INSERT INTO offers (id, shop_id, edition_id, price_minor_units, currency_code, feed_key,
                            added_by, request_id, request_fingerprint)
        SELECT id, $2, edition, price, currency, key, $3, 'feed/' || id, sha256(convert_to(id::text, 'UTF8'))
        FROM jsonb_to_recordset($1::text::jsonb) AS new (id uuid, edition uuid, price bigint, currency text, key text)
        ON CONFLICT DO NOTHING";
    let make = sql(make, [new, target.shop.uuid().into(), caller.uuid().into()]);
    Ok(tx.execute_raw(make).await?.rows_affected() == written.offers.len() as u64)
}

/// Notes what the feed says there is, and what that changes. `false` if somebody else has opened one of the shelves.
async fn count(tx: &impl ConnectionTrait, target: &Target, stock: &[Counted]) -> Result<bool, DbErr> {
    #[derive(Serialize)]
    struct Row {
        offer: Uuid,
        change: i64,
        fed: Option<i64>,
    }
    let row =
        |counted: &Counted| Row { offer: counted.offer.uuid(), change: counted.change, fed: counted.fed };
    let (new, known): (Vec<_>, Vec<_>) = stock.iter().partition(|counted| counted.is_new);
    if !new.is_empty() {
        let open = "
            INSERT INTO stock (offer_id, location_id, shop_id, on_hand, fed)
            SELECT offer, $2, $3, change, fed
            FROM jsonb_to_recordset($1::text::jsonb) AS new (offer uuid, change bigint, fed bigint)
            ORDER BY offer
            ON CONFLICT DO NOTHING";
        let opened = rows(new.iter().copied().map(row))?;
        let open = sql(open, [opened, target.location.uuid().into(), target.shop.uuid().into()]);
        if tx.execute_raw(open).await?.rows_affected() != new.len() as u64 {
            return Ok(false);
        }
    }
    if !known.is_empty() {
        let change = "
            UPDATE stock SET on_hand = stock.on_hand + new.change, fed = new.fed
            FROM jsonb_to_recordset($1::text::jsonb) AS new (offer uuid, change bigint, fed bigint)
            WHERE stock.offer_id = new.offer AND stock.location_id = $2";
        let changed = rows(known.iter().copied().map(row))?;
        tx.execute_raw(sql(change, [changed, target.location.uuid().into()])).await?;
    }
    let moved: Vec<_> = stock.iter().filter(|counted| counted.change != 0).map(row).collect();
    if !moved.is_empty() {
        let note = "
            INSERT INTO stock_movements (offer_id, location_id, change, kind)
            SELECT offer, $2, change, 'IMPORTED'
            FROM jsonb_to_recordset($1::text::jsonb) AS new (offer uuid, change bigint)";
        let note = sql(note, [rows(moved.into_iter())?, target.location.uuid().into()]);
        tx.execute_raw(note).await?;
    }
    Ok(true)
}

async fn mark(tx: &impl ConnectionTrait, target: &Target, marks: &[(OfferId, i64)]) -> Result<(), DbErr> {
    let mark = "
        INSERT INTO import_marks (shop_id, import_id, offer_id, number)
        SELECT $1, $2, * FROM unnest($3::uuid[], $4::bigint[])
        ON CONFLICT DO NOTHING";
    let mark = sql(
        mark,
        [
            target.shop.uuid().into(),
            target.import.as_str().into(),
            marks.iter().map(|(offer, _)| offer.uuid()).collect::<Vec<_>>().into(),
            marks.iter().map(|&(_, number)| number).collect::<Vec<_>>().into(),
        ],
    );
    tx.execute_raw(mark).await.map(drop)
}

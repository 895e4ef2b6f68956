use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Value};
use std::collections::HashMap;
use uuid::Uuid;
use values::{EditionId, Fingerprint, Isbn, ShopId};

use super::sql;

/// An edition with what is known of its work.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct EditionRow {
    pub(crate) id: Uuid,
    pub(crate) work_id: Uuid,
    pub(crate) title: String,
    pub(super) sort_title: String,
    pub(crate) authors: Vec<String>,
    pub(crate) isbn: Option<String>,
    pub(crate) publisher: String,
    pub(crate) published_year: i32,
    pub(crate) language_code: String,
    pub(crate) description: String,
    pub(crate) categories: Vec<String>,
}

impl EditionRow {
    /// Changes with whatever is known of the edition.
    pub(crate) fn etag(&self) -> String {
        let work = (self.work_id, &self.title, &self.authors, &self.categories);
        let texts = (&self.isbn, &self.publisher, &self.language_code, &self.description);
        Fingerprint::of(&(self.id, work, texts, self.published_year)).etag()
    }
}

/// The columns of an [`EditionRow`] of `works` and `editions`.
pub(super) const COLUMNS: &str = "editions.id, editions.work_id, works.title, works.sort_title, works.authors, editions.isbn,
    editions.publisher, editions.published_year, editions.language_code, editions.description,
    ARRAY(SELECT category FROM work_categories WHERE work_categories.work_id = works.id ORDER BY category) AS categories";

/// An offer as readers see it.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct OfferRow {
    pub(crate) edition_id: Uuid,
    pub(crate) id: Uuid,
    pub(crate) shop_id: Uuid,
    pub(crate) shop_name: String,
    pub(crate) price_minor_units: i64,
    pub(crate) currency_code: String,
    pub(crate) available: i64,
}

/// An edition and who sells it.
#[derive(Clone, Debug)]
pub(crate) struct BookRow {
    pub(crate) edition: EditionRow,
    pub(crate) offers: Vec<OfferRow>,
}

/// By what a book is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BookName {
    Edition(EditionId),
    Isbn(Isbn),
}

/// A book with all its offers.
pub(crate) async fn find(db: &impl ConnectionTrait, name: &BookName) -> Result<Option<BookRow>, DbErr> {
    let (column, value): (_, Value) = match name {
        BookName::Edition(edition) => ("id", edition.uuid().into()),
        BookName::Isbn(isbn) => ("isbn", isbn.to_string().into()),
    };
    let find = format!(
        "SELECT {COLUMNS} FROM editions JOIN works ON works.id = editions.work_id WHERE editions.{column} = $1"
    );
    let found = EditionRow::find_by_statement(sql(&find, [value])).one(db).await?;
    let Some(edition) = found else { return Ok(None) };
    Ok(with_offers(db, vec![edition], Offers::All).await?.pop())
}

/// The books of these editions with all their offers, in no particular order; unknown ones are missing.
pub(crate) async fn find_all(
    db: &impl ConnectionTrait,
    editions: &[EditionId],
) -> Result<Vec<BookRow>, DbErr> {
    let ids: Vec<Uuid> = editions.iter().map(|edition| edition.uuid()).collect();
    let find = format!(
        "SELECT {COLUMNS} FROM editions JOIN works ON works.id = editions.work_id WHERE editions.id = ANY($1)"
    );
    let editions = EditionRow::find_by_statement(sql(&find, [ids.into()])).all(db).await?;
    with_offers(db, editions, Offers::All).await
}

/// Which offers of each edition are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offers {
    /// Every one.
    All,
    /// The cheapest few.
    Cheapest(i64),
    /// That of one shop.
    Of(ShopId),
}

/// The editions in their order, each with its `offers`, the cheapest first.
///
/// Prices of several currencies can't be compared: offers are grouped by currency.
pub(super) async fn with_offers(
    db: &impl ConnectionTrait,
    editions: Vec<EditionRow>,
    offers: Offers,
) -> Result<Vec<BookRow>, DbErr> {
    let (limit, shop) = match offers {
        Offers::All => (None, None),
        Offers::Cheapest(few) => (Some(few), None),
        Offers::Of(shop) => (None, Some(shop.uuid())),
    };
    let ids: Vec<Uuid> = editions.iter().map(|edition| edition.id).collect();
    let read = sql(
        "SELECT edition.id AS edition_id, offer.*
         FROM unnest($1::uuid[]) AS edition (id)
         CROSS JOIN LATERAL (
             SELECT offers.id, offers.shop_id, shops.name AS shop_name, price_minor_units, currency_code,
                    (SELECT coalesce(sum(on_hand - reserved), 0)::bigint FROM stock WHERE offer_id = offers.id) AS available
             FROM offers
             JOIN shops ON shops.id = offers.shop_id
             WHERE offers.edition_id = edition.id AND withdrawn_at IS NULL
               AND ($3::uuid IS NULL OR offers.shop_id = $3)
             ORDER BY currency_code, price_minor_units, offers.id
             LIMIT $2
         ) AS offer
         ORDER BY currency_code, price_minor_units, offer.id",
        [ids.into(), limit.into(), shop.into()],
    );
    let mut by_edition: HashMap<Uuid, Vec<OfferRow>> = HashMap::new();
    for offer in OfferRow::find_by_statement(read).all(db).await? {
        by_edition.entry(offer.edition_id).or_default().push(offer);
    }
    Ok(editions
        .into_iter()
        .map(|edition| BookRow { offers: by_edition.remove(&edition.id).unwrap_or_default(), edition })
        .collect())
}

use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, sea_query::OnConflict,
};
use uuid::Uuid;
use values::{EditionId, Fingerprint, Isbn, LocationId, Money, OfferId, RequestId, ShopId, UserId, WorkId};

use super::{sql, stored, works};
use crate::domain::{Authors, Categories, Description, LanguageCode, PublishedYear};

pub(crate) mod offer {
    //! An edition on sale in a shop.
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "offers")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub shop_id: Uuid,
        pub edition_id: Uuid,
        pub price_minor_units: i64,
        pub currency_code: String,
        pub added_by: Uuid,
        pub request_id: String,
        pub request_fingerprint: Vec<u8>,
        pub created_at: DateTimeUtc,
        pub withdrawn_at: Option<DateTimeUtc>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A book to offer.
#[derive(Clone, Debug)]
pub(crate) struct NewOffer {
    pub(crate) shop: ShopId,
    pub(crate) title: String,
    pub(crate) authors: Authors,
    pub(crate) isbn: Option<Isbn>,
    pub(crate) publisher: String,
    pub(crate) published_year: PublishedYear,
    pub(crate) language_code: LanguageCode,
    pub(crate) description: Description,
    pub(crate) categories: Categories,
    pub(crate) price: Money,
    pub(crate) initial_stock: u32,
    pub(crate) added_by: UserId,
    pub(crate) request_id: RequestId,
    pub(crate) fingerprint: Fingerprint,
}

/// What became of a [`NewOffer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is on sale; this is its edition.
    Offer(EditionId),
    /// The shop offers the edition already, or the request has an offer: the transaction must be rolled back.
    Conflict,
    /// Another transaction made the same edition just now: to be rolled back and tried again.
    Raced,
}

/// What a request to add a book made of it before.
#[derive(FromQueryResult)]
pub(crate) struct Earlier {
    edition_id: Uuid,
    request_fingerprint: Vec<u8>,
}

impl Earlier {
    /// Of the request.
    pub(crate) fn fingerprint(&self) -> Result<Fingerprint, DbErr> {
        stored(Fingerprint::try_from(self.request_fingerprint.as_slice()))
    }

    /// What was offered.
    pub(crate) const fn edition(&self) -> EditionId {
        EditionId::from_uuid(self.edition_id)
    }
}

/// An offer, perhaps a withdrawn one.
pub(crate) async fn find(db: &impl ConnectionTrait, offer: OfferId) -> Result<Option<offer::Model>, DbErr> {
    offer::Entity::find_by_id(offer.uuid()).one(db).await
}

/// What a request of this user offered, or brought back.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    caller: UserId,
    request_id: &RequestId,
) -> Result<Option<Earlier>, DbErr> {
    let find = sql(
        "SELECT edition_id, request_fingerprint FROM offers WHERE added_by = $1 AND request_id = $2
         UNION ALL
         SELECT offers.edition_id, offer_returns.request_fingerprint
         FROM offer_returns JOIN offers ON offers.id = offer_returns.offer_id
         WHERE offer_returns.brought_back_by = $1 AND offer_returns.request_id = $2",
        [caller.uuid().into(), request_id.as_str().into()],
    );
    Earlier::find_by_statement(find).one(db).await
}

/// Asks another price for an offer.
pub(crate) async fn reprice(db: &impl ConnectionTrait, offer: OfferId, price: Money) -> Result<(), DbErr> {
    let reprice = sql(
        "UPDATE offers SET price_minor_units = $2, currency_code = $3 WHERE id = $1",
        [offer.uuid().into(), price.minor_units().into(), price.currency().code().into()],
    );
    db.execute_raw(reprice).await.map(drop)
}

/// Hides an offer and keeps it from being ordered. A withdrawn one stays as it is.
pub(crate) async fn withdraw(db: &impl ConnectionTrait, offer: OfferId) -> Result<(), DbErr> {
    let withdraw = sql(
        "UPDATE offers SET withdrawn_at = now() WHERE id = $1 AND withdrawn_at IS NULL",
        [offer.uuid().into()],
    );
    db.execute_raw(withdraw).await.map(drop)
}

/// Offers a book, making its work and edition where they are missing and filling the empty fields of known ones.
///
/// An offer that the shop has withdrawn comes back. Locks the work, then the edition, the offer and its shelf.
pub(crate) async fn add(
    tx: &impl ConnectionTrait,
    new: &NewOffer,
    location: LocationId,
) -> Result<Added, DbErr> {
    let known = match &new.isbn {
        Some(isbn) => fill_edition(tx, isbn, new).await?,
        None => None,
    };
    let (work, edition) = match known {
        Some(known) => known,
        None => match make_edition(tx, new).await? {
            Some(made) => made,
            None => return Ok(Added::Raced),
        },
    };
    works::fill_categories(tx, work, &new.categories).await?;
    let offer = OfferId::new();
    let inserted = offer::Entity::insert(offer::ActiveModel {
        id: Set(offer.uuid()),
        shop_id: Set(new.shop.uuid()),
        edition_id: Set(edition.uuid()),
        price_minor_units: Set(new.price.minor_units()),
        currency_code: Set(new.price.currency().code().to_owned()),
        added_by: Set(new.added_by.uuid()),
        request_id: Set(new.request_id.to_string()),
        request_fingerprint: Set(new.fingerprint.as_bytes().to_vec()),
        ..Default::default()
    })
    .on_conflict(OnConflict::new().do_nothing().to_owned())
    .exec_without_returning(tx)
    .await?;
    let offer = if inserted > 0 { Some(offer) } else { bring_back(tx, new, edition).await? };
    let Some(offer) = offer else { return Ok(Added::Conflict) };
    super::stock::open_shelf(tx, new.shop, offer, location, new.initial_stock).await?;
    Ok(Added::Offer(edition))
}

/// Offers a withdrawn edition again, at the new price. `None` if it isn't withdrawn, or if the request has an offer.
async fn bring_back(
    tx: &impl ConnectionTrait,
    new: &NewOffer,
    edition: EditionId,
) -> Result<Option<OfferId>, DbErr> {
    let bring_back = sql(
        "WITH withdrawn AS (
             SELECT id FROM offers WHERE shop_id = $1 AND edition_id = $2 AND withdrawn_at IS NOT NULL FOR UPDATE
         ), noted AS (
             INSERT INTO offer_returns (brought_back_by, request_id, request_fingerprint, offer_id)
             SELECT $5, $6, $7, id
             FROM withdrawn
             WHERE NOT EXISTS (SELECT FROM offers WHERE added_by = $5 AND request_id = $6)
             ON CONFLICT DO NOTHING
             RETURNING offer_id
         )
         UPDATE offers SET price_minor_units = $3, currency_code = $4, withdrawn_at = NULL
         FROM noted
         WHERE offers.id = noted.offer_id
         RETURNING offers.id",
        [
            new.shop.uuid().into(),
            edition.uuid().into(),
            new.price.minor_units().into(),
            new.price.currency().code().into(),
            new.added_by.uuid().into(),
            new.request_id.as_str().into(),
            new.fingerprint.as_bytes().to_vec().into(),
        ],
    );
    let Some(row) = tx.query_one_raw(bring_back).await? else { return Ok(None) };
    Ok(Some(OfferId::from_uuid(row.try_get_by_index(0)?)))
}

/// Fills the empty fields of the edition with this ISBN, if there is one. One that moves to another work just now is taken
/// for none: making it fails, and the next attempt finds it.
async fn fill_edition(
    tx: &impl ConnectionTrait,
    isbn: &Isbn,
    new: &NewOffer,
) -> Result<Option<(WorkId, EditionId)>, DbErr> {
    // The work first, as when both are made.
    let work = sql(
        "SELECT works.id FROM works JOIN editions ON editions.work_id = works.id WHERE isbn = $1
         FOR NO KEY UPDATE OF works",
        [isbn.to_string().into()],
    );
    let Some(work) = tx.query_one_raw(work).await? else { return Ok(None) };
    let work = WorkId::from_uuid(work.try_get_by_index(0)?);
    let fill = sql(
        "UPDATE editions
         SET publisher      = coalesce(nullif(publisher, ''), $2),
             published_year = coalesce(nullif(published_year, 0), $3),
             language_code  = coalesce(nullif(language_code, ''), $4),
             description    = coalesce(nullif(description, ''), $5)
         WHERE isbn = $1 AND work_id = $6
         RETURNING id",
        [
            isbn.to_string().into(),
            new.publisher.as_str().into(),
            new.published_year.get().into(),
            new.language_code.as_str().into(),
            new.description.as_str().into(),
            work.uuid().into(),
        ],
    );
    let Some(edition) = tx.query_one_raw(fill).await? else { return Ok(None) };
    Ok(Some((work, EditionId::from_uuid(edition.try_get_by_index(0)?))))
}

/// Makes the edition, and the work if it is new too. `None` if the ISBN was taken meanwhile.
async fn make_edition(
    tx: &impl ConnectionTrait,
    new: &NewOffer,
) -> Result<Option<(WorkId, EditionId)>, DbErr> {
    let Some(work) = works::lock_or_make(tx, &new.title, &new.authors).await? else { return Ok(None) };
    let edition = EditionId::new();
    let insert_edition = sql(
        "INSERT INTO editions (id, work_id, isbn, publisher, published_year, language_code, description)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (isbn) DO NOTHING",
        [
            edition.uuid().into(),
            work.uuid().into(),
            new.isbn.as_ref().map(ToString::to_string).into(),
            new.publisher.as_str().into(),
            new.published_year.get().into(),
            new.language_code.as_str().into(),
            new.description.as_str().into(),
        ],
    );
    let made = tx.execute_raw(insert_edition).await?.rows_affected() > 0;
    Ok(made.then_some((work, edition)))
}

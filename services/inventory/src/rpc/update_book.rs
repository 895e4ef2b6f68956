use auth::{Customer, Permission};
use proto::inventory::v1 as pb;
use sea_orm::{DatabaseTransaction, TransactionTrait};
use server::wire::{above_zero, parse_mask, parse_money};
use values::{EditionId, Isbn, Money, OfferId, ShopId, Violations};

use super::{
    Inventory,
    facts::{parse_authors, parse_categories},
};
use crate::{
    domain::{Categories, Corrections, Description, LanguageCode, PublishedYear, Refused, recategorised},
    error::Error,
    store::{self, books::BookName, editions::Written, members::Work, offers::offer},
};

struct UpdateBook {
    offer: OfferId,
    price: Option<Money>,
    corrections: Corrections,
    categories: Option<Categories>,
    etag: String,
}

const FIELDS: &[&str] = &[
    "price",
    "title",
    "authors",
    "isbn",
    "publisher",
    "published_year",
    "language_code",
    "description",
    "categories",
];

impl UpdateBook {
    fn parse(wire: pb::UpdateBookRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let offer = violations.parse("offer_id", &wire.offer_id);
        let mask = parse_mask(&mut violations, "update_mask", wire.update_mask.as_ref(), FIELDS);
        let mask = mask.unwrap_or_default();
        let wrong = &mut violations;
        let is = |field: &str| mask.contains(field);

        let price = is("price").then(|| parse_money(wrong, "price", wire.price, above_zero));
        let title = is("title").then(|| wrong.take("title", values::text(&wire.title, 1..=500)));
        let authors = is("authors").then(|| parse_authors(wrong, &wire.authors));
        let isbn = is("isbn").then(|| match wire.isbn.trim() {
            "" => Some(None),
            isbn => wrong.parse::<Isbn>("isbn", isbn).map(Some),
        });
        let publisher =
            is("publisher").then(|| wrong.take("publisher", values::text(&wire.publisher, 0..=200)));
        let published_year = is("published_year")
            .then(|| wrong.take("published_year", PublishedYear::try_from(wire.published_year)));
        let language_code = is("language_code")
            .then(|| wrong.take("language_code", wire.language_code.parse::<LanguageCode>()));
        let description =
            is("description").then(|| wrong.take("description", wire.description.parse::<Description>()));
        let categories = is("categories").then(|| parse_categories(wrong, &wire.categories));

        let corrections = Corrections {
            title: title.flatten(),
            authors: authors.flatten(),
            isbn: isbn.flatten(),
            publisher: publisher.flatten(),
            published_year: published_year.flatten(),
            language_code: language_code.flatten(),
            description: description.flatten(),
        };
        let (price, categories) = (price.flatten(), categories.flatten());
        let parsed = offer.map(|offer| Self { offer, price, corrections, categories, etag: wire.etag });
        violations.finish(parsed)
    }
}

/// Changes the price that a shop where the caller works asks for a book, or what is known of the book.
///
/// Repeated, it answers with the book as it is, even under the `etag` of the book that it changed.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` offer · `PERMISSION_DENIED` not the caller's shop
/// · `FAILED_PRECONDITION` other shops sell by what is known, or the edition has an ISBN · `ALREADY_EXISTS` another
/// edition has that ISBN · `ABORTED` the book has changed since the `etag` was read
pub(super) async fn update_book(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::UpdateBookRequest,
) -> Result<pb::Book, Error> {
    let request = UpdateBook::parse(wire)?;
    let found = store::offers::find(&inventory.db, request.offer).await?;
    let offer = found.filter(|offer| offer.withdrawn_at.is_none());
    let offer = offer.ok_or_else(|| Error::not_found("offer", &request.offer))?;
    let manages = caller.may(Permission::CATALOGUE_MANAGE);
    // The price is the shop's alone.
    if !manages || request.price.is_some() {
        inventory.may(caller, ShopId::from_uuid(offer.shop_id), Work::Books).await?;
    }

    // Ends: each further attempt sees what was in the way of the one before.
    loop {
        let tx = inventory.db.begin().await?;
        if change(&tx, &offer, manages, &request).await? {
            fault::around("inventory.update_book.commit", tx.commit()).await?;
            break;
        }
        tx.rollback().await?;
    }
    let edition = EditionId::from_uuid(offer.edition_id);
    let book = store::books::find(&inventory.db, &BookName::Edition(edition)).await?;
    book.map(pb::Book::from).ok_or_else(|| Error::not_found("book", &edition))
}

/// `false` if another transaction was in the way.
async fn change(
    tx: &DatabaseTransaction,
    offer: &offer::Model,
    manages: bool,
    request: &UpdateBook,
) -> Result<bool, Error> {
    let (shop, edition) = (ShopId::from_uuid(offer.shop_id), EditionId::from_uuid(offer.edition_id));
    let Some(known) = store::editions::lock(tx, edition).await? else { return Ok(false) };
    let seen = request.etag.is_empty() || request.etag == known.etag;
    // What is refused may be allowed to whoever reads it again.
    let refuse = |refused: Refused| if seen { refused.into() } else { Error::EtagMismatch };
    let mut is_changed = false;

    let standing = store::editions::standing(tx, shop, edition, known.work, manages).await?;
    let facts = known.facts.corrected(request.corrections.clone(), standing).map_err(refuse)?;
    let mut work = known.work;
    if facts != known.facts {
        is_changed = true;
        work = match store::editions::write(tx, edition, &known, &facts).await? {
            Written::To(work) => work,
            Written::IsbnTaken => return Err(Error::IsbnTaken),
            Written::Raced => return Ok(false),
        };
    }
    if let Some(said) = &request.categories {
        let categories = store::editions::categories_of(tx, work).await?;
        let standing = store::editions::standing(tx, shop, edition, work, manages).await?;
        recategorised(&categories, said, standing).map_err(refuse)?;
        is_changed |= categories != *said;
        store::works::set_categories(tx, work, said).await?;
    }
    if let Some(price) = request.price {
        let asked = (offer.price_minor_units, offer.currency_code.as_str());
        is_changed |= asked != (price.minor_units(), price.currency().code());
        store::offers::reprice(tx, request.offer, price).await?;
    }
    if is_changed && !seen { Err(Error::EtagMismatch) } else { Ok(true) }
}

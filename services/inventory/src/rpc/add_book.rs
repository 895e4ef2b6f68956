use auth::Customer;
use proto::inventory::v1 as pb;
use sea_orm::TransactionTrait;
use serde::Serialize;
use server::wire::{above_zero, parse_money};
use values::{EditionId, Fingerprint, Isbn, LocationId, Money, RequestId, ShopId, Violations};

use super::{
    Inventory,
    facts::{parse_authors, parse_categories},
};
use crate::{
    domain::{Authors, Categories, Description, LanguageCode, PublishedYear},
    error::Error,
    store::{
        self,
        books::BookName,
        members::Work,
        offers::{Added, NewOffer},
    },
};

#[derive(Serialize)]
struct AddBook {
    #[serde(skip)]
    request_id: RequestId,
    shop: ShopId,
    title: String,
    authors: Authors,
    isbn: Option<Isbn>,
    publisher: String,
    published_year: PublishedYear,
    language_code: LanguageCode,
    description: Description,
    categories: Categories,
    price: Money,
    initial_stock: u32,
}

/// The most copies in one go.
const MAX_COPIES: i32 = 1_000_000;

impl AddBook {
    fn parse(wire: &pb::AddBookRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &wire.request_id);
        let shop = violations.parse("shop_id", &wire.shop_id);
        let title = violations.take("title", values::text(&wire.title, 1..=500));
        let authors = parse_authors(&mut violations, &wire.authors);
        let isbn = if wire.isbn.trim().is_empty() {
            Some(None)
        } else {
            violations.parse::<Isbn>("isbn", &wire.isbn).map(Some)
        };
        let publisher = violations.take("publisher", values::text(&wire.publisher, 0..=200));
        let published_year = violations.take("published_year", PublishedYear::try_from(wire.published_year));
        let language_code = violations.take("language_code", wire.language_code.parse::<LanguageCode>());
        let description = violations.take("description", wire.description.parse::<Description>());
        let categories = parse_categories(&mut violations, &wire.categories);
        let price = parse_money(&mut violations, "price", wire.price.clone(), above_zero);
        let initial_stock = match u32::try_from(wire.initial_stock) {
            Ok(copies) if wire.initial_stock <= MAX_COPIES => Some(copies),
            _ => {
                violations.add("initial_stock", format!("must be 0 to {MAX_COPIES}"));
                None
            }
        };
        let parsed = (|| {
            Some(Self {
                request_id: request_id?,
                shop: shop?,
                title: title?,
                authors: authors?,
                isbn: isbn?,
                publisher: publisher?,
                published_year: published_year?,
                language_code: language_code?,
                description: description?,
                categories: categories?,
                price: price?,
                initial_stock: initial_stock?,
            })
        })();
        violations.finish(parsed)
    }

    fn into_offer(self, caller: &Customer, fingerprint: Fingerprint) -> NewOffer {
        NewOffer {
            shop: self.shop,
            title: self.title,
            authors: self.authors,
            isbn: self.isbn,
            publisher: self.publisher,
            published_year: self.published_year,
            language_code: self.language_code,
            description: self.description,
            categories: self.categories,
            price: self.price,
            initial_stock: self.initial_stock,
            added_by: caller.user_id,
            request_id: self.request_id,
            fingerprint,
        }
    }
}

/// Offers a book in a shop where the caller works, making the work and the edition where they are missing. An edition
/// that the shop has withdrawn, known by its ISBN, is offered again.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` shop · `PERMISSION_DENIED` not the caller's shop
/// · `ALREADY_EXISTS` offered already, or same `request_id`, other body
pub(super) async fn add_book(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::AddBookRequest,
) -> Result<pb::Book, Error> {
    let request = AddBook::parse(&wire)?;
    let fingerprint = Fingerprint::of(&request);
    inventory.may(caller, request.shop, Work::Books).await?;
    let offer = request.into_offer(caller, fingerprint);
    let edition = match earlier(inventory, &offer).await? {
        Some(edition) => edition,
        None => add(inventory, &offer).await?,
    };
    let book = store::books::find(&inventory.db, &BookName::Edition(edition)).await?;
    book.map(pb::Book::from).ok_or_else(|| Error::not_found("book", &edition))
}

/// The edition that the same request offered before.
async fn earlier(inventory: &Inventory, offer: &NewOffer) -> Result<Option<EditionId>, Error> {
    let earlier = store::offers::find_by_request(&inventory.db, offer.added_by, &offer.request_id).await?;
    match earlier {
        Some(earlier) if earlier.fingerprint()? != offer.fingerprint => Err(Error::RequestIdReused),
        Some(earlier) => Ok(Some(earlier.edition())),
        None => Ok(None),
    }
}

async fn add(inventory: &Inventory, offer: &NewOffer) -> Result<EditionId, Error> {
    let location = store::shops::location_of(&inventory.db, offer.shop, None)
        .await?
        .map(|location| LocationId::from_uuid(location.id))
        .ok_or_else(|| Error::not_found("location", &offer.shop))?;
    // Ends: once lost against another transaction, the edition is found the next time.
    loop {
        let tx = inventory.db.begin().await?;
        match store::offers::add(&tx, offer, location).await? {
            Added::Offer(edition) => {
                fault::around("inventory.add_book.commit", tx.commit()).await?;
                return Ok(edition);
            }
            Added::Conflict => {
                tx.rollback().await?;
                return earlier(inventory, offer).await?.ok_or(Error::AlreadyOffered);
            }
            Added::Raced => tx.rollback().await?,
        }
    }
}

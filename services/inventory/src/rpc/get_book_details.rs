use proto::inventory::v1::{self as pb, get_book_details_request::Book as WireName};
use values::Violations;

use super::Inventory;
use crate::{
    error::Error,
    store::{self, books::BookName},
};

fn parse(wire: pb::GetBookDetailsRequest) -> Result<BookName, Violations> {
    let mut violations = Violations::new();
    let name = match wire.book {
        Some(WireName::EditionId(edition)) => violations.parse("edition_id", &edition).map(BookName::Edition),
        Some(WireName::Isbn(isbn)) => violations.parse("isbn", &isbn).map(BookName::Isbn),
        None => {
            violations.add("book", "is required: name an edition_id or an isbn");
            None
        }
    };
    violations.finish(name)
}

/// Reads a book with every offer of it, the cheapest first.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed name · `NOT_FOUND` edition
pub(super) async fn get_book_details(
    inventory: &Inventory,
    wire: pb::GetBookDetailsRequest,
) -> Result<pb::Book, Error> {
    let name = parse(wire)?;
    let book = store::books::find(&inventory.db, &name).await?;
    book.map(pb::Book::from).ok_or_else(|| match name {
        BookName::Edition(edition) => Error::not_found("book", &edition),
        BookName::Isbn(isbn) => Error::not_found("book", &isbn),
    })
}

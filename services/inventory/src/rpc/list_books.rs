use proto::inventory::v1 as pb;
use values::{
    Violations,
    page::{self, PageSize},
};

use super::Inventory;
use crate::{
    domain::Category,
    error::Error,
    store::{self, books::Cursor},
};

struct ListBooks {
    size: PageSize,
    category: Option<Category>,
    cursor: Option<Cursor>,
    /// What page tokens of this list carry.
    scope: String,
}

impl ListBooks {
    fn parse(wire: &pb::ListBooksRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let scope = format!("ListBooks category={}", wire.category);
        let size = violations.take("page_size", PageSize::parse(wire.page_size));
        let category = if wire.category.is_empty() {
            Some(None)
        } else {
            violations.parse::<Category>("category", &wire.category).map(Some)
        };
        let cursor = violations.take("page_token", page::decode(&scope, &wire.page_token));
        let parsed = (|| Some(Self { size: size?, category: category?, cursor: cursor?, scope }))();
        violations.finish(parsed)
    }
}

/// Lists the books that are on offer, by title.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field, or a page token of another list
pub(super) async fn list_books(
    inventory: &Inventory,
    wire: pb::ListBooksRequest,
) -> Result<pb::ListBooksResponse, Error> {
    let request = ListBooks::parse(&wire)?;
    let (books, next) =
        store::books::list(&inventory.db, request.category.as_ref(), request.cursor, request.size).await?;
    Ok(pb::ListBooksResponse {
        books: books.into_iter().map(pb::Book::from).collect(),
        next_page_token: next.map(|cursor| page::encode(&request.scope, &cursor)).unwrap_or_default(),
    })
}

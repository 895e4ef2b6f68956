use proto::inventory::v1 as pb;
use std::fmt::Write as _;
use values::{
    ShopId, Violations,
    page::{self, PageSize},
};

use super::Inventory;
use crate::{
    domain::Category,
    error::Error,
    store::{
        self,
        book_list::{Cursor, Filters},
    },
};

struct ListBooks {
    size: PageSize,
    filters: Filters,
    cursor: Option<Cursor>,
    /// What page tokens of this list carry.
    scope: String,
}

impl ListBooks {
    fn parse(wire: &pb::ListBooksRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let scope = scope(wire);
        let size = violations.take("page_size", PageSize::parse(wire.page_size));
        let category = if wire.category.is_empty() {
            Some(None)
        } else {
            violations.parse::<Category>("category", &wire.category).map(Some)
        };
        let shop = if wire.shop_id.is_empty() {
            Some(None)
        } else {
            violations.parse::<ShopId>("shop_id", &wire.shop_id).map(Some)
        };
        let author = violations.take("author", values::text(&wire.author, 0..=200));
        let query = violations.take("query", values::text(&wire.query, 0..=200));
        let cursor = violations.take("page_token", page::decode(&scope, &wire.page_token));
        let parsed = (|| {
            let filters = Filters {
                category: category?,
                shop: shop?,
                author: author.filter(|author| !author.is_empty()),
                // A text without a word asks for none.
                query: query.filter(|query| query.contains(char::is_alphanumeric)),
            };
            Some(Self { size: size?, filters, cursor: cursor?, scope })
        })();
        violations.finish(parsed)
    }
}

fn scope(wire: &pb::ListBooksRequest) -> String {
    let mut scope = format!("ListBooks category={}", wire.category);
    for (name, value) in [("shop_id", &wire.shop_id), ("author", &wire.author), ("query", &wire.query)] {
        if !value.is_empty() {
            // Quoted, so that no value looks like another field. Writing to a string succeeds.
            let _ = write!(scope, " {name}={value:?}");
        }
    }
    scope
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
        store::book_list::list(&inventory.db, &request.filters, request.cursor, request.size).await?;
    Ok(pb::ListBooksResponse {
        books: books.into_iter().map(pb::Book::from).collect(),
        next_page_token: next.map(|cursor| page::encode(&request.scope, &cursor)).unwrap_or_default(),
    })
}

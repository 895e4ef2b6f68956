use std::collections::HashMap;

use proto::inventory::v1 as pb;
use values::{EditionId, Violations};

use super::Inventory;
use crate::{error::Error, store};

/// The most books in one request.
const MAX_BOOKS: usize = 100;

fn parse(wire: &pb::BatchGetBooksRequest) -> Result<Vec<EditionId>, Violations> {
    let mut violations = Violations::new();
    if !(1..=MAX_BOOKS).contains(&wire.edition_ids.len()) {
        violations.add("edition_ids", format!("must have 1 to {MAX_BOOKS} elements"));
        return violations.finish(None);
    }
    let ids: Vec<_> = (wire.edition_ids.iter().enumerate())
        .map(|(index, id)| violations.parse(format!("edition_ids[{index}]"), id))
        .collect();
    violations.finish(ids.into_iter().collect())
}

/// Reads many books at once, all or none, each with every offer of it, the cheapest first.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id, or too many · `NOT_FOUND` one of the editions
pub(super) async fn batch_get_books(
    inventory: &Inventory,
    wire: pb::BatchGetBooksRequest,
) -> Result<pb::BatchGetBooksResponse, Error> {
    let asked = parse(&wire)?;
    let mut once = asked.clone();
    once.sort_unstable();
    once.dedup();
    let found = store::books::find_all(&inventory.db, &once).await?;
    let found: HashMap<_, _> =
        found.into_iter().map(|book| (EditionId::from_uuid(book.edition.id), pb::Book::from(book))).collect();
    let books = asked.iter().map(|id| found.get(id).cloned().ok_or_else(|| Error::not_found("book", id)));
    Ok(pb::BatchGetBooksResponse { books: books.collect::<Result<_, _>>()? })
}

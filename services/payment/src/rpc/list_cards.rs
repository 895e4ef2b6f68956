use auth::Customer;
use proto::payment::v1 as wire;
use values::{
    CardId, Violations,
    page::{self, PageSize},
};

use super::{Payments, one_page};
use crate::{error::Error, store::cards};

/// Lists the caller's cards, the newest first.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field, or a page token of another list
pub(super) async fn list_cards(
    payments: &Payments,
    caller: &Customer,
    request: wire::ListCardsRequest,
) -> Result<wire::ListCardsResponse, Error> {
    let mut violations = Violations::new();
    let size = violations.take("page_size", PageSize::parse(request.page_size));
    let scope = format!("ListCards {}", caller.user_id);
    let before = violations.take("page_token", page::decode::<CardId>(&scope, &request.page_token));
    let (size, before) = violations.finish(size.zip(before))?;

    let found = cards::page_for(&payments.db, caller.user_id, before, size.get() + 1).await?;
    let (found, next_page_token) = one_page(found, size, &scope, |card| card.id);
    Ok(wire::ListCardsResponse { cards: found.into_iter().map(Into::into).collect(), next_page_token })
}

use auth::Customer;
use proto::payment::v1 as wire;
use values::Violations;

use super::Payments;
use crate::{error::Error, store::cards};

/// Forgets a card of the caller's. One that is gone, or was never theirs, needs no forgetting.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed id
pub(super) async fn delete_card(
    payments: &Payments,
    caller: &Customer,
    request: wire::DeleteCardRequest,
) -> Result<wire::DeleteCardResponse, Error> {
    let mut violations = Violations::new();
    let card = violations.parse("card_id", &request.card_id);
    let card = violations.finish(card)?;
    fault::around("payment.delete_card.commit", cards::forget(&payments.db, caller.user_id, card)).await?;
    Ok(wire::DeleteCardResponse {})
}

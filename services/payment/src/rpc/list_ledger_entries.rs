use auth::Customer;
use proto::payment::v1 as wire;
use values::{
    TransferId, Violations,
    page::{self, PageSize},
};

use super::{Payments, currency_or, one_page};
use crate::{error::Error, store::entries};

/// Lists what went into and out of the caller's wallet, the newest first.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field, or a page token of another list
pub(super) async fn list_ledger_entries(
    payments: &Payments,
    caller: &Customer,
    request: wire::ListLedgerEntriesRequest,
) -> Result<wire::ListLedgerEntriesResponse, Error> {
    let mut violations = Violations::new();
    let currency = currency_or(&mut violations, "currency_code", &request.currency_code, payments.currency);
    let size = violations.take("page_size", PageSize::parse(request.page_size));
    let scope = currency.map(|currency| format!("ListLedgerEntries {} {currency}", caller.user_id));
    let before = scope.as_deref().and_then(|scope| {
        violations.take("page_token", page::decode::<TransferId>(scope, &request.page_token))
    });
    let parsed = currency.zip(size).zip(scope).zip(before);
    let (((currency, size), scope), before) = violations.finish(parsed)?;

    let found = entries::page_for(&payments.db, caller.user_id, currency, before, size.get() + 1).await?;
    let (found, next_page_token) = one_page(found, size, &scope, |entry| entry.transfer);
    let entries = found.into_iter().map(Into::into).collect();
    Ok(wire::ListLedgerEntriesResponse { entries, next_page_token })
}

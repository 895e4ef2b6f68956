use auth::Customer;
use proto::payment::v1 as wire;
use server::wire::money;
use values::Violations;

use super::{Payments, currency_or};
use crate::{error::Error, store::wallets};

/// Reads the balance of the caller's wallet; zero for one that nothing was put into yet.
///
/// # Errors
/// `INVALID_ARGUMENT` no currency
pub(super) async fn get_balance(
    payments: &Payments,
    caller: &Customer,
    request: wire::GetBalanceRequest,
) -> Result<wire::Balance, Error> {
    let mut violations = Violations::new();
    let currency = currency_or(&mut violations, "currency_code", &request.currency_code, payments.currency);
    let currency = violations.finish(currency)?;
    let balance = wallets::balance(&payments.db, caller.user_id, currency).await?;
    Ok(wire::Balance { balance: Some(money(balance)) })
}

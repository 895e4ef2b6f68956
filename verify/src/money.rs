use anyhow::Result;
use sqlx::{PgConnection, query_as};
use uuid::Uuid;

/// At any moment: a wallet's balance is the sum of its entries and never negative.
pub(crate) async fn violations(payment: &mut PgConnection) -> Result<Vec<String>> {
    let wallets: Vec<(Uuid, i64, i64)> = query_as(
        "SELECT accounts.id, balance,
                coalesce(sum(CASE WHEN credit_account = accounts.id THEN amount ELSE -amount END), 0)::bigint
         FROM accounts
         LEFT JOIN transfers ON accounts.id IN (credit_account, debit_account)
         WHERE accounts.kind = 'WALLET'
         GROUP BY accounts.id, balance",
    )
    .fetch_all(payment)
    .await?;
    let mut found = Vec::new();
    for (wallet, balance, entries) in wallets {
        if balance != entries {
            found.push(format!("wallet {wallet}: holds {balance}, its entries sum to {entries}"));
        }
        if balance < 0 {
            found.push(format!("wallet {wallet}: holds {balance}"));
        }
    }
    Ok(found)
}

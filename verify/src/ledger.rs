//! The ledger: each statement is one moment, and holds at any.

mod cards;
mod errands;
mod payments;

use anyhow::Result;
use sqlx::{PgConnection, query_as, query_scalar};
use uuid::Uuid;
use values::{TransferId, UserId, WithdrawalId};

use crate::{Check, Report, Service, books::Books};

pub(crate) async fn look(books: &mut Books, report: &mut Report) -> Result<()> {
    let mut moment = books.moment(Service::Payment).await?;
    wallets(&mut moment, report).await?;
    transfers(&mut moment, report).await?;
    payments::look(&mut moment, report).await?;
    withdrawals(&mut moment, report).await?;
    errands::look(&mut moment, report).await?;
    cards::look(&mut moment, report).await?;
    Ok(moment.commit().await?)
}

/// A wallet's balance is the sum of its entries and never negative.
async fn wallets(payment: &mut PgConnection, report: &mut Report) -> Result<()> {
    let count: i64 =
        query_scalar("SELECT count(*) FROM accounts WHERE kind = 'WALLET'").fetch_one(&mut *payment).await?;
    report.looked(Check::Wallets, count);
    let rows: Vec<(Uuid, String, i64, i64)> = query_as(
        "WITH entries AS (
             SELECT account, sum(amount)::bigint AS amount
             FROM (SELECT credit_account AS account, amount FROM transfers
                   UNION ALL SELECT debit_account, -amount FROM transfers) AS both_sides
             GROUP BY account
         )
         SELECT user_id, currency, balance, coalesce(entries.amount, 0)
         FROM accounts LEFT JOIN entries ON entries.account = accounts.id
         WHERE kind = 'WALLET' AND (balance <> coalesce(entries.amount, 0) OR balance < 0)",
    )
    .fetch_all(payment)
    .await?;
    for (user, currency, balance, entries) in rows {
        let wallet = format!("{}'s wallet in {currency}", UserId::from_uuid(user));
        if balance != entries {
            let wrong = format!("holds {balance}, its entries sum to {entries}");
            report.violation(Check::Wallets, &wallet, wrong);
        }
        if balance < 0 {
            report.violation(Check::Wallets, &wallet, format!("holds {balance}"));
        }
    }
    Ok(())
}

/// Money moves between the accounts that its kind says, of the people whom it is about. That both sides agree is in the
/// nature of a row.
async fn transfers(payment: &mut PgConnection, report: &mut Report) -> Result<()> {
    let count: i64 = query_scalar("SELECT count(*) FROM transfers").fetch_one(&mut *payment).await?;
    report.looked(Check::Transfers, count);
    let rows: Vec<(Uuid, String, String, String)> = query_as(
        "SELECT transfers.id, transfers.kind, debit.kind, credit.kind
         FROM transfers
         JOIN accounts AS debit ON debit.id = debit_account
         JOIN accounts AS credit ON credit.id = credit_account
         LEFT JOIN payments ON payments.order_id = transfers.order_id
         LEFT JOIN withdrawals ON withdrawals.id = withdrawal_id
         WHERE debit.currency <> transfers.currency OR credit.currency <> transfers.currency
            OR (CASE transfers.kind
                WHEN 'TOP_UP' THEN
                    debit.kind = 'CARDS' AND credit.kind = 'WALLET' AND credit.user_id = transfers.user_id
                WHEN 'CAPTURE' THEN
                    credit.kind = 'SALES' AND payments.currency = transfers.currency AND CASE debit.kind
                        WHEN 'WALLET' THEN payments.card_id IS NULL AND debit.user_id = payments.user_id
                        WHEN 'CARDS' THEN payments.card_id IS NOT NULL END
                WHEN 'REFUND' THEN
                    debit.kind = 'SALES' AND payments.currency = transfers.currency AND CASE credit.kind
                        WHEN 'WALLET' THEN credit.user_id = payments.user_id
                        WHEN 'CARDS' THEN payments.card_id IS NOT NULL END
                WHEN 'WITHDRAWAL' THEN
                    debit.kind = 'WALLET' AND credit.kind = 'CARDS' AND debit.user_id = withdrawals.user_id
                WHEN 'WITHDRAWAL_REVERSAL' THEN
                    debit.kind = 'CARDS' AND credit.kind = 'WALLET' AND credit.user_id = withdrawals.user_id
                END) IS NOT TRUE",
    )
    .fetch_all(payment)
    .await?;
    for (transfer, kind, from, to) in rows {
        let wrong = format!("{kind} from {from} to {to}, between accounts that are not the ones it is about");
        report.violation(Check::Transfers, TransferId::from_uuid(transfer), wrong);
    }
    Ok(())
}

async fn withdrawals(payment: &mut PgConnection, report: &mut Report) -> Result<()> {
    let count: i64 = query_scalar("SELECT count(*) FROM withdrawals").fetch_one(&mut *payment).await?;
    report.looked(Check::Withdrawals, count);
    let rows: Vec<(Uuid, String, i64, i64, i64)> = query_as(
        "WITH moved AS (
             SELECT withdrawal_id, currency,
                    coalesce(sum(amount) FILTER (WHERE kind = 'WITHDRAWAL'), 0)::bigint AS taken,
                    coalesce(sum(amount) FILTER (WHERE kind = 'WITHDRAWAL_REVERSAL'), 0)::bigint AS given_back
             FROM transfers WHERE withdrawal_id IS NOT NULL GROUP BY 1, 2
         )
         SELECT withdrawals.id, state, amount, coalesce(taken, 0), coalesce(given_back, 0)
         FROM withdrawals
         LEFT JOIN moved ON withdrawal_id = withdrawals.id AND moved.currency = withdrawals.currency
         WHERE coalesce(taken, 0) <> amount
            OR coalesce(given_back, 0) <> CASE state WHEN 'FAILED' THEN amount ELSE 0 END",
    )
    .fetch_all(payment)
    .await?;
    for (withdrawal, state, amount, taken, given_back) in rows {
        let wrong = format!("of {amount} is {state}; {taken} were taken, {given_back} given back");
        report.violation(Check::Withdrawals, WithdrawalId::from_uuid(withdrawal), wrong);
    }
    Ok(())
}

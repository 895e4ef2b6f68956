use anyhow::Result;
use sqlx::{PgConnection, query_as, query_scalar};
use uuid::Uuid;

use crate::{Check, Report};

/// What the card gateway has taken and given, by its own memory, against what the ledger says that it holds: for each
/// payment, top-up and withdrawal. What is under way is left out: the gateway does it before the ledger can know.
///
/// Top-ups from before there was a gateway have no charge, and are nothing that it could remember.
pub(super) async fn look(payment: &mut PgConnection, report: &mut Report) -> Result<()> {
    let is_simulated: bool = query_scalar("SELECT to_regclass('simulated_gateway.operations') IS NOT NULL")
        .fetch_one(&mut *payment)
        .await?;
    if !is_simulated {
        report.remark("cards: the gateway's memory is elsewhere and was not looked at".to_owned());
        return Ok(());
    }
    let count: i64 =
        query_scalar("SELECT count(*) FROM simulated_gateway.operations").fetch_one(&mut *payment).await?;
    report.looked(Check::Cards, count);
    let rows: Vec<(Option<Uuid>, String, i64, i64)> = query_as(
        "WITH operations AS (
             SELECT kind, currency, amount,
                    CASE WHEN key ~ '^(charge|refund|pay-out)/[0-9a-f-]{36}(/CAPTURE)?$'
                         THEN split_part(key, '/', 2)::uuid END AS id
             FROM simulated_gateway.operations
             WHERE kind IN ('CAPTURE', 'REFUND', 'PAY_OUT') AND answer = 'DONE'
         ), under_way AS (
             SELECT coalesce(refunds.payment_id, errands.id) AS id
             FROM errands LEFT JOIN refunds ON refunds.id = errands.id
         ), remembered AS (
             SELECT coalesce(refunds.payment_id, operations.id) AS id, operations.currency,
                    sum(CASE kind WHEN 'CAPTURE' THEN operations.amount ELSE -operations.amount END)::bigint AS amount
             FROM operations LEFT JOIN refunds ON kind = 'REFUND' AND refunds.id = operations.id
             GROUP BY 1, 2
         ), booked AS (
             SELECT CASE WHEN transfers.order_id IS NOT NULL THEN payments.id
                         WHEN withdrawal_id IS NOT NULL THEN withdrawal_id
                         ELSE card_charges.id END AS id,
                    transfers.currency,
                    sum(CASE WHEN debit.kind = 'CARDS' THEN transfers.amount ELSE -transfers.amount END)::bigint
                        AS amount
             FROM transfers
             JOIN accounts AS debit ON debit.id = debit_account
             JOIN accounts AS credit ON credit.id = credit_account
             LEFT JOIN payments ON payments.order_id = transfers.order_id
             LEFT JOIN card_charges ON transfers.kind = 'TOP_UP' AND card_charges.purpose = 'TOP_UP'
                 AND card_charges.user_id = transfers.user_id AND card_charges.request_id = transfers.request_id
                 AND NOT card_charges.told
             WHERE 'CARDS' IN (debit.kind, credit.kind)
               AND (transfers.kind <> 'TOP_UP' OR card_charges.id IS NOT NULL)
             GROUP BY 1, 2
         )
         SELECT id, currency, coalesce(remembered.amount, 0), coalesce(booked.amount, 0)
         FROM remembered FULL JOIN booked USING (id, currency)
         WHERE coalesce(remembered.amount, 0) <> coalesce(booked.amount, 0)
           AND (id IS NULL OR id NOT IN (SELECT id FROM under_way WHERE id IS NOT NULL))",
    )
    .fetch_all(payment)
    .await?;
    for (id, currency, remembered, booked) in rows {
        let about = id.map_or_else(|| "what nobody asked for".to_owned(), |id| format!("card business {id}"));
        let wrong = format!("the gateway holds {remembered} {currency} of it, the ledger says {booked}");
        report.violation(Check::Cards, about, wrong);
    }
    Ok(())
}

use anyhow::Result;
use sqlx::{PgConnection, query_as, query_scalar};
use uuid::Uuid;
use values::OrderId;

use crate::{Check, Report};

/// An order's payment or, without one, what was moved for it.
type Row = (Uuid, Option<String>, i64, i64, i64, i64, i64, i64, i64, i64);

/// One capture a payment, for exactly its amount; refunds as they were decided and moved, and never above it.
pub(super) async fn look(payment: &mut PgConnection, report: &mut Report) -> Result<()> {
    let count: i64 = query_scalar("SELECT count(*) FROM payments").fetch_one(&mut *payment).await?;
    report.looked(Check::Payments, count);
    let rows: Vec<Row> = query_as(
        "WITH moved AS (
             SELECT order_id, count(*) FILTER (WHERE kind = 'CAPTURE') AS captures,
                    coalesce(sum(amount) FILTER (WHERE kind = 'CAPTURE'), 0)::bigint AS captured,
                    coalesce(sum(amount) FILTER (WHERE kind = 'REFUND'), 0)::bigint AS refunded
             FROM transfers WHERE order_id IS NOT NULL GROUP BY 1
         ), decided AS (
             SELECT payment_id, coalesce(sum(amount) FILTER (WHERE state = 'DONE'), 0)::bigint AS done,
                    coalesce(sum(amount) FILTER (WHERE state = 'PENDING'), 0)::bigint AS pending
             FROM refunds GROUP BY 1
         ), compared AS (
             SELECT order_id, payments.state, coalesce(payments.amount, 0) AS amount,
                    coalesce(payments.refunded, 0) AS noted, coalesce(payments.refund_due, 0) AS due,
                    coalesce(captures, 0) AS captures, coalesce(captured, 0) AS captured,
                    coalesce(moved.refunded, 0) AS moved, coalesce(done, 0) AS done, coalesce(pending, 0) AS pending
             FROM payments FULL JOIN moved USING (order_id) LEFT JOIN decided ON payment_id = payments.id
         )
         SELECT * FROM compared
         WHERE (state IN ('CAPTURED', 'REFUNDED')) IS DISTINCT FROM (captures = 1)
            OR captured <> CASE WHEN captures = 1 THEN amount ELSE 0 END
            OR moved <> noted OR moved > captured OR done <> noted OR pending <> due OR noted + due > amount
            OR (state = 'REFUNDED') IS DISTINCT FROM (noted = amount AND captures > 0)",
    )
    .fetch_all(payment)
    .await?;
    for (order, state, amount, noted, due, captures, captured, moved, done, pending) in rows {
        let state = state.as_deref().unwrap_or("missing");
        let wrong = format!(
            "its payment of {amount} is {state}, refunded {noted} and {due} to come; the ledger has {captures} \
             captures of {captured} and refunds of {moved}; decided were {done} and {pending} to come"
        );
        report.violation(Check::Payments, OrderId::from_uuid(order), wrong);
    }
    Ok(())
}

use anyhow::Result;
use sqlx::{PgConnection, query_as, query_scalar};
use uuid::Uuid;
use values::{PaymentId, RefundId, WithdrawalId};

use crate::{Check, Report};

/// Whatever waits for the card gateway's word has an errand, without which nobody would ever ask.
pub(super) async fn look(payment: &mut PgConnection, report: &mut Report) -> Result<()> {
    let count: i64 = query_scalar("SELECT count(*) FROM errands").fetch_one(&mut *payment).await?;
    report.looked(Check::Errands, count);
    let rows: Vec<(String, Uuid, String)> = query_as(
        "SELECT waiting.* FROM (
             SELECT purpose, id, step FROM card_charges WHERE step IN ('AUTHORISE', 'CAPTURE', 'VOID')
             UNION ALL SELECT 'REFUND', id, state FROM refunds WHERE state = 'PENDING'
             UNION ALL SELECT 'PAY_OUT', id, state FROM withdrawals WHERE state = 'PENDING'
             UNION ALL SELECT 'PAYMENT', id, state FROM payments WHERE state IN ('PENDING', 'AUTHORISED')
         ) AS waiting
         WHERE NOT EXISTS (SELECT FROM errands WHERE errands.id = waiting.id)",
    )
    .fetch_all(payment)
    .await?;
    for (what, id, state) in rows {
        let about = match what.as_str() {
            "REFUND" => RefundId::from_uuid(id).to_string(),
            "PAY_OUT" => WithdrawalId::from_uuid(id).to_string(),
            "TOP_UP" => format!("top-up {id}"),
            _ => PaymentId::from_uuid(id).to_string(),
        };
        let what = if what == "ORDER" { "its charge is" } else { "is" };
        report.violation(Check::Errands, about, format!("{what} {state}, and nobody asks the card gateway"));
    }
    Ok(())
}

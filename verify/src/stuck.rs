//! What is under way for too long.

use anyhow::Result;
use sqlx::{PgConnection, query_as};
use uuid::Uuid;
use values::{DeliveryId, OrderId, PaymentId, RefundId, ReservationId, WithdrawalId};

use crate::{Check, Report, Scope, Service, books::Books};

/// What sweepers take, at least.
const SWEEP: f64 = 5.0;

pub(crate) async fn look(books: &mut Books, scope: &Scope, report: &mut Report) -> Result<()> {
    let work = scope.patience.work.as_secs_f64();
    orders(books.of(Service::Order)?, scope, work, report).await?;
    if scope.everything {
        reservations(books.of(Service::Inventory)?, work.max(SWEEP), report).await?;
        money(books.of(Service::Payment)?, work, report).await?;
        refreshes(books.of(Service::Order)?, work.max(SWEEP), report).await?;
        mails(books.of(Service::Notification)?, scope.patience.mails.as_secs_f64(), report).await?;
    }
    Ok(())
}

async fn orders(db: &mut PgConnection, scope: &Scope, patience: f64, report: &mut Report) -> Result<()> {
    let placed: Vec<Uuid> = scope.placed.iter().copied().collect();
    let rows: Vec<(Uuid, String, String, i64)> = query_as(
        "SELECT id, payment_state, stock_state, extract(epoch FROM clock_timestamp() - created_at)::bigint
         FROM orders
         WHERE state = 'PENDING' AND created_at <= clock_timestamp() - make_interval(secs => $1)
           AND ($2 OR id = ANY($3))
         ORDER BY id",
    )
    .bind(patience)
    .bind(scope.everything)
    .bind(&placed)
    .fetch_all(db)
    .await?;
    for (id, payment, stock, age) in rows {
        let wrong = format!("is PENDING for {age} s, payment {payment}, stock {stock}");
        report.violation(Check::Stuck, OrderId::from_uuid(id), wrong);
    }
    report.looked(Check::Stuck, 1_u64);
    Ok(())
}

async fn reservations(db: &mut PgConnection, patience: f64, report: &mut Report) -> Result<()> {
    let rows: Vec<(Uuid, i64)> = query_as(
        "SELECT id, extract(epoch FROM clock_timestamp() - expires_at)::bigint FROM reservations
         WHERE state = 'HELD' AND expires_at <= clock_timestamp() - make_interval(secs => $1) ORDER BY id",
    )
    .bind(patience)
    .fetch_all(db)
    .await?;
    for (id, age) in rows {
        let wrong = format!("is HELD {age} s after its time");
        report.violation(Check::Stuck, ReservationId::from_uuid(id), wrong);
    }
    report.looked(Check::Stuck, 1_u64);
    Ok(())
}

async fn money(db: &mut PgConnection, patience: f64, report: &mut Report) -> Result<()> {
    let rows: Vec<(String, Uuid, String, i64)> = query_as(
        "SELECT what, id, state, extract(epoch FROM clock_timestamp() - created_at)::bigint FROM (
             SELECT 'payment' AS what, id, state, created_at FROM payments WHERE state IN ('PENDING', 'AUTHORISED')
             UNION ALL SELECT 'refund', id, state, created_at FROM refunds WHERE state = 'PENDING'
             UNION ALL SELECT 'withdrawal', id, state, created_at FROM withdrawals WHERE state = 'PENDING'
             UNION ALL SELECT 'top-up', id, step, created_at FROM card_charges
                       WHERE purpose = 'TOP_UP' AND step IN ('AUTHORISE', 'CAPTURE', 'VOID')
         ) AS waiting
         WHERE created_at <= clock_timestamp() - make_interval(secs => $1)",
    )
    .bind(patience)
    .fetch_all(db)
    .await?;
    for (what, id, state, age) in rows {
        let about = match what.as_str() {
            "payment" => PaymentId::from_uuid(id).to_string(),
            "refund" => RefundId::from_uuid(id).to_string(),
            "withdrawal" => WithdrawalId::from_uuid(id).to_string(),
            _ => format!("top-up {id}"),
        };
        report.violation(Check::Stuck, about, format!("is {state} for {age} s"));
    }
    report.looked(Check::Stuck, 4_u64);
    Ok(())
}

/// Names and addresses that orders should have asked identity for.
async fn refreshes(db: &mut PgConnection, patience: f64, report: &mut Report) -> Result<()> {
    let rows: Vec<(Uuid, String, i64)> = query_as(
        "SELECT subject, kind, extract(epoch FROM clock_timestamp() - due_at)::bigint FROM refreshes
         WHERE due_at <= clock_timestamp() - make_interval(secs => $1)",
    )
    .bind(patience)
    .fetch_all(db)
    .await?;
    for (subject, kind, age) in rows {
        let wrong = format!("the orders' copy of this {kind} is due for {age} s");
        report.violation(Check::Stuck, subject, wrong);
    }
    report.looked(Check::Stuck, 1_u64);
    Ok(())
}

async fn mails(db: &mut PgConnection, patience: f64, report: &mut Report) -> Result<()> {
    let rows: Vec<(Uuid, String, i32, i64)> = query_as(
        "SELECT id, subject, attempts, extract(epoch FROM clock_timestamp() - created_at)::bigint FROM deliveries
         WHERE state = 'PENDING' AND created_at <= clock_timestamp() - make_interval(secs => $1) ORDER BY id",
    )
    .bind(patience)
    .fetch_all(db)
    .await?;
    for (id, subject, attempts, age) in rows {
        let wrong = format!("{subject} is not sent for {age} s and {attempts} attempts");
        report.violation(Check::Stuck, DeliveryId::from_uuid(id), wrong);
    }
    report.looked(Check::Stuck, 1_u64);
    Ok(())
}

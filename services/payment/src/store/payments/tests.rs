use anyhow::{Context as _, Result};
use sea_orm::{DatabaseConnection, DbBackend, TransactionTrait as _};

use super::*;

/// Ten thousand payments of a thousand users, one after the other. Most are captured.
const PAYMENTS: &str = "
    INSERT INTO payments (id, order_id, user_id, card_id, state, failure_reason, currency, amount, refunded)
    SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, gen_random_uuid(),
           ('00000000-0000-7000-8000-' || lpad(to_hex(number % 1000), 12, '0'))::uuid, gen_random_uuid(), state,
           CASE state WHEN 'FAILED' THEN 'CARD_DECLINED' END, 'EUR', 100, CASE state WHEN 'REFUNDED' THEN 100 ELSE 0 END
    FROM generate_series(1, 10000) AS number,
         LATERAL (SELECT CASE WHEN number % 1000 = 1 THEN 'PENDING' WHEN number % 1000 = 2 THEN 'AUTHORISED'
                              WHEN number % 20 = 3 THEN 'FAILED' WHEN number % 50 = 4 THEN 'REFUNDED'
                              WHEN number % 100 = 5 THEN 'CANCELLED' ELSE 'CAPTURED' END) AS states (state);
    ANALYZE payments;";

/// How Postgres would answer this statement, whatever its values are.
async fn plan(db: &DatabaseConnection, page: Statement) -> Result<String> {
    let values = page.values.context("no values")?.0;
    let tx = db.begin().await?;
    tx.execute_unprepared("SET LOCAL plan_cache_mode = force_generic_plan").await?;
    tx.execute_unprepared(&format!("PREPARE page (uuid, uuid, bigint) AS {}", page.sql)).await?;
    let explain = "EXPLAIN EXECUTE page ($1, $2, $3)";
    let explain = Statement::from_sql_and_values(DbBackend::Postgres, explain, values).to_string();
    let rows = tx.query_all_raw(Statement::from_string(DbBackend::Postgres, explain)).await?;
    tx.execute_unprepared("DEALLOCATE page").await?;
    let lines: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get_by_index(0)).collect();
    Ok(lines?.join("\n"))
}

#[tokio::test]
async fn lists_of_ten_thousand_payments_use_indexes() -> Result<()> {
    let database = testkit::database::<crate::Payment>().await?;
    let db = database.connect().await?;
    db.execute_unprepared(PAYMENTS).await?;
    let user = UserId::from_uuid(Uuid::from_u128(0x7000_8000_0000_0000_0003));
    let cases = [
        (None, None, "payments_pkey", 9_900),
        (None, Some("CAPTURED"), "payments_pkey", 9_180),
        (None, Some("PENDING"), "payments_pending", 10),
        (None, Some("AUTHORISED"), "payments_authorised", 10),
        (None, Some("FAILED"), "payments_failed", 500),
        (None, Some("REFUNDED"), "payments_refunded", 200),
        (Some(user), None, "payments_of_a_user", 10),
        (Some(user), Some("FAILED"), "payments_of_a_user", 10),
        (Some(user), Some("CAPTURED"), "payments_of_a_user", 0),
    ];
    for (user, state, index, expected) in cases {
        let wanted = Wanted { user, state };
        let page = page(wanted, None, 10_000);
        let found = Row::find_by_statement(page.clone()).all(&db).await?;
        assert_eq!(found.len(), expected, "{wanted:?}");
        let plan = plan(&db, page).await?;
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{wanted:?}\n{plan}");
    }
    Ok(())
}

use anyhow::Result;

use super::*;
use crate::store::plan::{CACHE_MODES, plan};

/// Ten thousand returns of as many orders; two wait.
const RETURNS: &str = "
    INSERT INTO orders (id, user_id, request_id, request_fingerprint, state, payment_method, payment_state, stock_state,
                        reservation_id, currency, total, lines, shipping_address, placed_event)
    SELECT lpad(to_hex(number), 32, '0')::uuid, lpad(to_hex(number), 32, '0')::uuid, 'r', sha256('r'), 'DELIVERED',
           'WALLET', 'CAPTURED', 'COMMITTED', gen_random_uuid(), 'EUR', 1000, '[{}]', '{}', gen_random_uuid()
    FROM generate_series(1, 10000) AS number;

    INSERT INTO returns (id, order_id, shop_id, user_id, request_id, request_fingerprint, state, items, amount, currency,
                         reason, resolved_at)
    SELECT id, id, gen_random_uuid(), user_id, 'r', sha256('r'),
           CASE WHEN number > 9998 THEN 'REQUESTED' ELSE 'ACCEPTED' END, '[{}]', 1000, 'EUR', 'read it',
           CASE WHEN number > 9998 THEN NULL ELSE now() END
    FROM (SELECT *, row_number() OVER (ORDER BY id) AS number FROM orders) AS numbered;";

#[derive(FromQueryResult)]
struct Found {
    id: Uuid,
}

#[tokio::test]
async fn of_ten_thousand_returns_each_list_reads_its_own() -> Result<()> {
    let database = testkit::database::<crate::Order>().await?;
    let db = database.connect().await?;
    db.execute_unprepared(RETURNS).await?;
    db.execute_unprepared("ANALYZE returns").await?;

    let (user, order) = (UserId::from_uuid(Uuid::from_u128(7)), OrderId::from_uuid(Uuid::from_u128(7)));
    let waiting = Some(ReturnState::Requested);
    for (pile, order, state, index, numbers) in [
        (Pile::All, None, None, "returns_pkey", vec![1, 2]),
        (Pile::All, None, waiting, "returns_by_state", vec![9_999, 10_000]),
        (Pile::All, Some(order), None, "returns_by_order", vec![7]),
        (Pile::User(user), None, None, "returns_by_user", vec![7]),
    ] {
        let page = statement(pile, order, state, None, PageSize::parse(1)?);
        for cache_mode in CACHE_MODES {
            let plan = plan(&db, page.clone(), cache_mode).await?;
            assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{pile:?} {state:?}\n{plan}");
        }
        let found = Found::find_by_statement(page).all(&db).await?;
        let found: Vec<_> = found.iter().map(|made| made.id.as_u128()).collect();
        assert_eq!(found, numbers, "{pile:?} {state:?}");
    }
    Ok(())
}

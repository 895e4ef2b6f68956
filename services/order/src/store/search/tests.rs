use anyhow::Result;

use super::*;
use crate::store::plan::{CACHE_MODES, plan};

/// Ten thousand orders, and at the beginning of time a few that stand anywhere else than where orders end.
const ORDERS: &str = "
    INSERT INTO orders (id, user_id, request_id, request_fingerprint, state, cancel_reason, payment_method,
                        payment_state, stock_state, reservation_id, currency, total, lines, shipping_address,
                        placed_event)
    SELECT lpad(to_hex(number), 32, '0')::uuid, gen_random_uuid(), 'r', sha256('r'), state, reason, 'WALLET', payment,
           stock, gen_random_uuid(), 'EUR', 1000, '[{}]', jsonb_build_object('lines', repeat('Street ', 30)),
           gen_random_uuid()
    FROM (
        SELECT * FROM generate_series(1, 9) AS number JOIN (VALUES
            (1, 'PENDING', NULL, 'PENDING', 'RESERVED'),
            (2, 'CANCELLED', 'PAYMENT_TIMEOUT', 'PENDING', 'RELEASED'),
            (3, 'CANCELLED', 'PAYMENT_DECLINED', 'FAILED', 'RELEASED'),
            (4, 'CANCELLED', 'CUSTOMER_REQUEST', 'REFUNDED', 'RELEASED'),
            (5, 'CONFIRMED', NULL, 'CAPTURED', 'COMMITTED'),
            (6, 'PARTIALLY_SHIPPED', NULL, 'CAPTURED', 'COMMITTED'),
            (7, 'SHIPPED', NULL, 'CAPTURED', 'COMMITTED'),
            (8, 'RETURN_REQUESTED', NULL, 'CAPTURED', 'COMMITTED'),
            (9, 'RETURNED', NULL, 'REFUNDED', 'COMMITTED')
        ) AS rare (number, state, reason, payment, stock) USING (number)
        UNION ALL
        SELECT number, 'DELIVERED', NULL, 'CAPTURED', 'COMMITTED' FROM generate_series(10, 10000) AS number
    ) AS made;";

#[derive(FromQueryResult)]
struct Found {
    id: Uuid,
}

#[tokio::test]
async fn the_few_among_ten_thousand_are_found_by_an_index() -> Result<()> {
    let database = testkit::database::<crate::Order>().await?;
    let db = database.connect().await?;
    db.execute_unprepared(ORDERS).await?;
    db.execute_unprepared("ANALYZE orders").await?;

    let in_state = |state| Search { state: Some(state), ..Default::default() };
    let paid = |payment| Search { payment: Some(payment), ..Default::default() };
    let stocked = |stock| Search { stock: Some(stock), ..Default::default() };
    let because = |reason| Search { reason: Some(reason), ..Default::default() };
    for (search, index, numbers) in [
        (in_state(State::Pending), "orders_pending", vec![1]),
        (in_state(State::Cancelled), "orders_by_state", vec![4, 3, 2]),
        (in_state(State::Confirmed), "orders_by_state", vec![5]),
        (in_state(State::PartiallyShipped), "orders_by_state", vec![6]),
        (in_state(State::Shipped), "orders_by_state", vec![7]),
        (in_state(State::ReturnRequested), "orders_by_state", vec![8]),
        (in_state(State::Returned), "orders_by_state", vec![9]),
        (because(CancelReason::PaymentTimeout), "orders_cancelled", vec![2]),
        (because(CancelReason::Staff), "orders_cancelled", vec![]),
        (paid(PaymentState::Pending), "orders_by_payment", vec![2, 1]),
        (paid(PaymentState::Failed), "orders_by_payment", vec![3]),
        (paid(PaymentState::Refunded), "orders_by_payment", vec![9, 4]),
        (
            Search { state: Some(State::Delivered), ..paid(PaymentState::Refunded) },
            "orders_by_payment",
            vec![],
        ),
        (stocked(StockState::Reserved), "orders_pending", vec![1]),
        (stocked(StockState::Released), "orders_by_state", vec![4, 3, 2]),
    ] {
        let page = statement(&search, None, PageSize::parse(50)?);
        for cache_mode in CACHE_MODES {
            let plan = plan(&db, page.clone(), cache_mode).await?;
            let has_index =
                plan.contains(&format!(" on {index}")) || plan.contains(&format!(" using {index}"));
            assert!(has_index && !plan.contains("Seq Scan"), "{search:?}\n{plan}");
        }
        let found = Found::find_by_statement(page).all(&db).await?;
        let found: Vec<_> = found.iter().map(|order| order.id.as_u128()).collect();
        assert_eq!(found, numbers, "{search:?}");
    }
    Ok(())
}

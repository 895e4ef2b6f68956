//! What the release before has written.

use anyhow::Result;
use auth::Permission;
use order::Order;
use proto::order::v1::{self as pb, OrderState, PaymentState};
use sea_orm::ConnectionTrait as _;
use server::Application as _;
use testkit::{Database, empty_database, eventually};
use values::{OrderId, ShopId, UserId};

use crate::shop::{SOON, Setup, Shop, euros};

/// As many migrations as the release before had.
const BEFORE: usize = 1;
const BEFORE_SHIPMENTS: usize = 2;
const TOTAL: i64 = 30_00;

/// How that release leaves an order: its state, its payment, its stock, why it was cancelled.
type Left = (&'static str, &'static str, &'static str, Option<&'static str>);

const PENDING: Left = ("PENDING", "PENDING", "RESERVED", None);
const CONFIRMED: Left = ("CONFIRMED", "CAPTURED", "COMMITTED", None);
const GIVEN_BACK: Left = ("CANCELLED", "REFUNDED", "RELEASED", Some("CUSTOMER_REQUEST"));

async fn database_of_before(migrations: usize) -> Result<Database> {
    let database = empty_database().await?;
    server::migrate(&database.url().into(), &Order::MIGRATIONS[..migrations]).await?;
    Ok(database)
}

/// An order as that release writes it, of a book from each of these.
async fn order_of_before(database: &Database, left: Left, sellers: &[ShopId]) -> Result<OrderId> {
    let (id, user) = (OrderId::new(), UserId::new());
    let (state, payment, stock, reason) = left;
    let reason = reason.map_or_else(|| "NULL".to_owned(), |reason| format!("'{reason}'"));
    let lines = sellers.iter().map(|seller| {
        format!(
            r#"{{"offer_id": "{}", "edition_id": "{}", "shop_id": "{seller}", "title": "Emma", "quantity": 1,
                "unit_price_minor_units": 1000}}"#,
            values::OfferId::new(),
            values::EditionId::new()
        )
    });
    let lines = lines.collect::<Vec<_>>().join(",");
    let address = format!(
        r#"{{"address_id": "{}", "recipient": "Ada", "lines": ["1 Street"], "city": "London", "region": "",
            "postal_code": "", "country_code": "GB"}}"#,
        values::AddressId::new()
    );
    let statement = format!(
        "INSERT INTO orders (id, user_id, request_id, request_fingerprint, state, cancel_reason, payment_method,
                             payment_state, stock_state, reservation_id, currency, total, lines,
                             shipping_address, placed_event)
         VALUES ('{}', '{}', 'r', decode(repeat('00', 32), 'hex'), '{state}', {reason}, 'WALLET', '{payment}',
                 '{stock}', gen_random_uuid(), 'EUR', {TOTAL}, '[{lines}]', '{address}', gen_random_uuid());
         INSERT INTO order_history (order_id, version, state, actor) VALUES ('{0}', 1, 'PENDING', 'CUSTOMER')",
        id.uuid(),
        user.uuid()
    );
    database.execute(&statement).await?;
    Ok(id)
}

fn parts(order: &pb::Order) -> Vec<String> {
    order.shipments.iter().map(|part| part.shop_id.clone()).collect()
}

#[tokio::test]
async fn what_was_confirmed_before_or_meanwhile_is_sent_by_each_of_its_shops() -> Result<()> {
    let database = database_of_before(BEFORE).await?;
    let (first, second) = (ShopId::new(), ShopId::new());
    let before = order_of_before(&database, CONFIRMED, &[first, second, first]).await?;
    let meanwhile = order_of_before(&database, PENDING, &[second, second]).await?;
    let cancelled = order_of_before(&database, GIVEN_BACK, &[first]).await?;
    server::migrate(&database.url().into(), &Order::MIGRATIONS[..BEFORE_SHIPMENTS]).await?;
    let confirm =
        "UPDATE orders SET state = 'CONFIRMED', payment_state = 'CAPTURED', stock_state = 'COMMITTED'
                   WHERE state = 'PENDING'";
    database.execute(confirm).await?;

    let shop = Shop::open_with(Setup::on(database).await?).await?;

    let staff = shop.staff(&[Permission::ORDERS_READ])?;
    for (order, sellers) in [(before, vec![first, second]), (meanwhile, vec![second]), (cancelled, vec![])] {
        let order = shop.get(&staff, &order.to_string()).await??;
        let sellers: Vec<_> = sellers.iter().map(ToString::to_string).collect();
        assert_eq!(parts(&order), sellers, "{:?}", order.state());
    }
    assert_eq!(
        shop.number("SELECT count(*) FROM shipments JOIN orders ON id = order_id WHERE shipments.created_at = updated_at")
            .await?,
        2,
        "what was confirmed before has waited since then"
    );
    Ok(())
}

#[tokio::test]
async fn an_order_that_is_cancelled_while_its_shipments_are_made_has_none() -> Result<()> {
    let database = database_of_before(BEFORE).await?;
    order_of_before(&database, CONFIRMED, &[ShopId::new()]).await?;
    server::migrate(&database.url().into(), &Order::MIGRATIONS[..BEFORE_SHIPMENTS]).await?;
    let db = database.connect().await?;
    let url = database.url().to_owned();

    let cancel = sea_orm::TransactionTrait::begin(&db).await?;
    cancel
        .execute_unprepared(
            "UPDATE orders SET state = 'CANCELLED', stock_state = 'RELEASED', cancel_reason = 'CUSTOMER_REQUEST'",
        )
        .await?;
    let migrating = tokio::spawn(async move { server::migrate(&url.into(), Order::MIGRATIONS).await });
    eventually("the migration waits for who cancels", SOON, async || {
        let waiting = "SELECT 1 AS waits FROM pg_stat_activity WHERE datname = current_database()
                       AND application_name = 'bookstore-migrator' AND wait_event_type = 'Lock'";
        let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, waiting);
        db.query_one_raw(statement).await.ok()?
    })
    .await?;
    cancel.commit().await?;
    migrating.await??;

    let statement = "SELECT 1 AS sent FROM shipments WHERE state = 'READY'";
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, statement);
    assert!(db.query_one_raw(statement).await?.is_none(), "a shop sends what was cancelled");
    Ok(())
}

#[tokio::test]
async fn what_was_given_back_before_is_the_total() -> Result<()> {
    let database = database_of_before(BEFORE).await?;
    let order = order_of_before(&database, GIVEN_BACK, &[ShopId::new()]).await?;

    let shop = Shop::open_with(Setup::on(database).await?).await?;

    let staff = shop.staff(&[Permission::ORDERS_READ])?;
    let order = shop.get(&staff, &order.to_string()).await??;
    assert_eq!((order.state(), order.payment_state()), (OrderState::Cancelled, PaymentState::Refunded));
    assert_eq!(order.refunded, Some(euros(TOTAL)));
    Ok(())
}

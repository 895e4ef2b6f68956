//! Customers who are gone, and what is kept of them no longer.

use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;
use values::{OrderId, UserId};

use super::sql;

/// Empties what names or locates the customer of an order, in all that is kept of it. Town, region and country stay.
const ERASE: &str = "
erased_orders AS (
    UPDATE orders
    SET customer_name = '', version = version + 1, updated_at = clock_timestamp(),
        shipping_address = shipping_address || '{\"recipient\": \"\", \"lines\": [], \"postal_code\": \"\"}'
    FROM ended WHERE orders.id = ended.id
), erased_returns AS (
    UPDATE returns SET reason = '', answer = '' FROM ended WHERE returns.order_id = ended.id
)
UPDATE order_history SET note = '' FROM ended WHERE order_history.order_id = ended.id AND note <> ''";

/// Erases what is kept of the customers of these orders, which are locked and have ended, where they are gone.
pub(crate) async fn of_ended(
    tx: &impl ConnectionTrait,
    orders: impl IntoIterator<Item = OrderId>,
) -> Result<(), DbErr> {
    let orders: Vec<Uuid> = orders.into_iter().map(OrderId::uuid).collect();
    if orders.is_empty() {
        return Ok(());
    }
    let erase = format!(
        "WITH ended AS (
             SELECT id FROM orders JOIN deleted_users USING (user_id) WHERE id = ANY($1)
         ), {ERASE}"
    );
    tx.execute_raw(sql(&erase, [orders.into()])).await?;
    Ok(())
}

/// Notes that these users are gone, and erases what is kept of them with orders that have ended. Those that have not
/// are erased [when they end](of_ended).
///
/// Locks all their orders, in the order of their ids: an order that is about to end is waited for, and one that ends
/// later meets the note.
pub(crate) async fn of_users(tx: &impl ConnectionTrait, users: Vec<UserId>) -> Result<(), DbErr> {
    let mut users: Vec<Uuid> = users.into_iter().map(UserId::uuid).collect();
    users.sort_unstable();
    users.dedup();
    let lock = "SELECT id FROM orders WHERE user_id = ANY($1) ORDER BY id FOR UPDATE";
    let erase = format!(
        "WITH ended AS (
             SELECT id FROM orders
             WHERE user_id = ANY($1) AND state IN ('CANCELLED', 'DELIVERED', 'RETURNED')
                   AND shipping_address ->> 'recipient' <> ''
         ), {ERASE}"
    );
    for statement in [
        "INSERT INTO deleted_users (user_id) SELECT unnest($1::uuid[]) ON CONFLICT (user_id) DO NOTHING",
        "DELETE FROM refreshes WHERE user_id = ANY($1)",
        lock,
        &erase,
    ] {
        tx.execute_raw(sql(statement, [users.clone().into()])).await?;
    }
    Ok(())
}

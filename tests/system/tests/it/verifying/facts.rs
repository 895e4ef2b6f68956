//! Facts, each broken by itself.

use system_tests::Service;
use verify::Check;

/// A fact that a statement breaks, in a table that is put back afterwards.
pub(super) struct Fact {
    pub(super) of: Service,
    pub(super) table: &'static str,
    pub(super) broken_by: &'static str,
    /// What finds it; several where one row is a fact for several.
    pub(super) found_by: &'static [Check],
}

const fn fact(of: Service, table: &'static str, broken_by: &'static str, found_by: &'static [Check]) -> Fact {
    Fact { of, table, broken_by, found_by }
}

/// Every check is here, but for those that the broker is asked for.
pub(super) const FACTS: [Fact; 42] = {
    use Check::{
        Announcements, Cards, DeadLetters, Deliveries, Errands, Histories, Inboxes, Members, OrderPayments,
        OrderStock, Orders, Outboxes, Payments, Reservations, Returns, Shelves, Strangers, Streams, Stuck,
        Transfers, Wallets, Withdrawals,
    };
    use Service::{Identity, Inventory, Notification, Order, Payment};
    [
        fact(Inventory, "stock", "UPDATE stock SET on_hand = on_hand + 1", &[Shelves]),
        fact(Inventory, "stock", "UPDATE stock SET reserved = reserved + 1", &[Shelves]),
        fact(
            Inventory,
            "stock_movements",
            "INSERT INTO stock_movements (offer_id, location_id, change, kind)
             SELECT offer_id, location_id, 1, 'INITIAL' FROM stock",
            &[Shelves],
        ),
        fact(
            Inventory,
            "stock_movements",
            "WITH twice AS (
                 INSERT INTO stock_movements (offer_id, location_id, change, kind, reservation_id)
                 SELECT offer_id, location_id, 1, 'RESTOCKED', reservation_id FROM stock_movements
                 WHERE kind = 'RESTOCKED' LIMIT 1 RETURNING offer_id, location_id
             )
             INSERT INTO stock_movements (offer_id, location_id, change, kind)
             SELECT offer_id, location_id, -1, 'INITIAL' FROM twice",
            &[Reservations],
        ),
        fact(
            Inventory,
            "reservations",
            "UPDATE reservations SET lines = jsonb_set(lines, '{0,picks,0,quantity}', '1')
             WHERE id = (SELECT id FROM reservations WHERE state = 'COMMITTED' LIMIT 1)",
            &[Reservations, Reservations],
        ),
        fact(
            Inventory,
            "reservations",
            "UPDATE reservations SET state = 'EXPIRED'
             WHERE id = (SELECT id FROM reservations WHERE state = 'RELEASED' LIMIT 1)",
            &[OrderStock],
        ),
        fact(
            Inventory,
            "reservations",
            "UPDATE reservations SET key = key || '0'
             WHERE id = (SELECT id FROM reservations WHERE state = 'COMMITTED' LIMIT 1)",
            &[OrderStock],
        ),
        fact(
            Inventory,
            "reservations",
            "INSERT INTO reservations (id, key, fingerprint, state, lines, expires_at)
             SELECT gen_random_uuid(), 'nobody', fingerprint, 'COMMITTED', jsonb_set(lines, '{0,picks}', '[]'), now()
             FROM reservations LIMIT 1",
            &[Reservations, Strangers],
        ),
        fact(
            Inventory,
            "reservations",
            "INSERT INTO reservations (id, key, fingerprint, state, lines, expires_at)
             SELECT gen_random_uuid(), 'nobody', fingerprint, 'HELD',
                    jsonb_set(jsonb_set(lines, '{0,picks,0,quantity}', '0'), '{0,quantity}', '0'),
                    now() - interval '1 minute'
             FROM reservations LIMIT 1",
            &[Stuck],
        ),
        fact(
            Payment,
            "accounts",
            "UPDATE accounts SET balance = balance + 1
             WHERE id = (SELECT id FROM accounts WHERE kind = 'WALLET' LIMIT 1)",
            &[Wallets],
        ),
        fact(
            Payment,
            "transfers",
            "UPDATE transfers SET user_id = gen_random_uuid()
             WHERE id = (SELECT id FROM transfers WHERE kind = 'TOP_UP' LIMIT 1)",
            &[Transfers, Cards],
        ),
        fact(
            Payment,
            "refunds",
            "UPDATE refunds SET amount = amount - 1
             WHERE id = (SELECT id FROM refunds WHERE cause = 'CANCELLED' LIMIT 1)",
            &[Payments],
        ),
        fact(
            Payment,
            "payments",
            "UPDATE payments SET refunded = refunded - 1, state = 'CAPTURED'
             WHERE id = (SELECT payment_id FROM refunds WHERE cause = 'CANCELLED' LIMIT 1)",
            &[Payments, OrderPayments, OrderPayments, OrderPayments],
        ),
        fact(Payment, "withdrawals", "UPDATE withdrawals SET amount = amount + 1", &[Withdrawals]),
        fact(Payment, "withdrawals", "UPDATE withdrawals SET state = 'PENDING'", &[Errands, Stuck]),
        fact(
            Payment,
            "simulated_gateway.operations",
            "UPDATE simulated_gateway.operations SET amount = amount + 1
             WHERE key = (SELECT key FROM simulated_gateway.operations
                          WHERE kind = 'REFUND' AND answer = 'DONE' LIMIT 1)",
            &[Cards],
        ),
        fact(
            Payment,
            "simulated_gateway.operations",
            "INSERT INTO simulated_gateway.operations (key, id, kind, token, currency, amount, answer)
             VALUES ('pay-out/' || gen_random_uuid(), gen_random_uuid(), 'PAY_OUT', 'tok_visa', 'EUR', 1, 'DONE')",
            &[Cards],
        ),
        fact(
            Payment,
            "payments",
            "INSERT INTO payments (id, order_id, user_id, state, created_at)
             VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'CANCELLED', now() - interval '8 days')",
            &[Strangers],
        ),
        fact(
            Order,
            "orders",
            "UPDATE orders SET claimed = claimed - 1
             WHERE id = (SELECT id FROM orders WHERE claimed > 0 LIMIT 1)",
            &[Orders],
        ),
        fact(
            Order,
            "orders",
            "UPDATE orders SET total = total + 1
             WHERE id = (SELECT id FROM orders WHERE state = 'CONFIRMED' LIMIT 1)",
            &[Orders, OrderPayments],
        ),
        fact(
            Order,
            "orders",
            "UPDATE orders SET customer_name = 'Ada Lovelace' WHERE customer_name = ''",
            &[Orders],
        ),
        fact(
            Order,
            "orders",
            "UPDATE orders SET refunded = refunded - 1
             WHERE id = (SELECT id FROM orders WHERE state = 'DELIVERED' LIMIT 1)",
            &[OrderPayments],
        ),
        fact(
            Order,
            "orders",
            "UPDATE orders SET user_id = gen_random_uuid()
             WHERE id = (SELECT id FROM orders WHERE state = 'CONFIRMED' LIMIT 1)",
            &[OrderPayments, OrderStock],
        ),
        fact(
            Order,
            "shipments",
            "DELETE FROM shipments WHERE state = 'READY' AND order_id = (
                 SELECT min(order_id::text)::uuid FROM shipments WHERE state = 'READY')",
            &[Orders],
        ),
        fact(
            Order,
            "shipments",
            "UPDATE shipments SET state = 'DELIVERED', delivered_at = now() WHERE state = 'SHIPPED' AND order_id = (
                 SELECT min(order_id::text)::uuid FROM shipments WHERE state = 'SHIPPED')",
            &[Orders],
        ),
        fact(
            Order,
            "order_history",
            "UPDATE order_history SET at = at - interval '1 day' WHERE state = 'CONFIRMED' AND order_id = (
                 SELECT id FROM orders WHERE state = 'CONFIRMED' LIMIT 1)",
            &[Histories],
        ),
        fact(
            Order,
            "order_history",
            "UPDATE order_history SET state = 'RETURNED' WHERE state = 'CONFIRMED' AND order_id = (
                 SELECT id FROM orders WHERE state = 'SHIPPED' LIMIT 1)",
            &[Histories, Announcements],
        ),
        fact(
            Order,
            "returns",
            "UPDATE returns SET restocked = false WHERE id = (SELECT id FROM returns LIMIT 1)",
            &[Returns],
        ),
        fact(
            Order,
            "returns",
            "UPDATE returns SET amount = amount + 1 WHERE id = (SELECT id FROM returns LIMIT 1)",
            &[Orders, Orders, Returns],
        ),
        fact(Order, "shop_members", "UPDATE shop_members SET role = 'STAFF'", &[Members]),
        fact(
            Order,
            "shop_members",
            "INSERT INTO shop_members (shop_id, user_id, role, sequence)
             SELECT shop_id, gen_random_uuid(), 'STAFF', 9 FROM shop_members LIMIT 1",
            &[Members],
        ),
        fact(
            Order,
            "refreshes",
            "INSERT INTO refreshes (subject, kind, user_id, due_at)
             VALUES (gen_random_uuid(), 'NAME', gen_random_uuid(), now() - interval '1 minute')",
            &[Stuck],
        ),
        fact(
            Order,
            "outbox",
            "DELETE FROM outbox WHERE id = (SELECT id FROM outbox WHERE subject LIKE '%.shipped' LIMIT 1)",
            &[Announcements, Inboxes, Streams],
        ),
        fact(
            Payment,
            "outbox",
            "DELETE FROM outbox WHERE id = (SELECT id FROM outbox WHERE subject LIKE '%.failed' LIMIT 1)",
            &[Announcements, Inboxes, Streams],
        ),
        fact(
            Identity,
            "outbox",
            "UPDATE outbox SET stream_sequence = NULL
             WHERE id = (SELECT id FROM outbox WHERE subject LIKE '%.user_registered' LIMIT 1)",
            &[Outboxes],
        ),
        fact(
            Identity,
            "outbox",
            "UPDATE outbox SET refused = 'too large' WHERE id = (SELECT min(id) FROM outbox)",
            &[Outboxes],
        ),
        fact(
            Order,
            "outbox",
            "UPDATE outbox SET stream_sequence = stream_sequence + 1000
             WHERE id = (SELECT id FROM outbox WHERE subject LIKE '%.confirmed' LIMIT 1)",
            &[Streams],
        ),
        fact(
            Order,
            "outbox",
            "UPDATE outbox SET stream_sequence = 1 WHERE stream_sequence = 2",
            &[Streams],
        ),
        fact(
            Order,
            "inbox",
            "DELETE FROM inbox WHERE event_id = (
                 SELECT event_id FROM inbox WHERE consumer = 'order_payment_captured' LIMIT 1)",
            &[Inboxes],
        ),
        fact(
            Order,
            "inbox",
            "INSERT INTO inbox (consumer, event_id) VALUES ('order_payment_captured', gen_random_uuid())",
            &[Inboxes],
        ),
        fact(
            Payment,
            "dead_letters",
            "INSERT INTO dead_letters (consumer, event_id, subject, headers, payload, error, attempts)
             VALUES ('payment_order_placed', gen_random_uuid(), 'bookstore.order.v1.placed', '{}', '', 'poison', 11)",
            &[DeadLetters],
        ),
        fact(
            Notification,
            "deliveries",
            "DELETE FROM deliveries WHERE id = (SELECT id FROM deliveries LIMIT 1)",
            &[Deliveries],
        ),
    ]
};

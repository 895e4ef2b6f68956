-- The shipments of orders that were CONFIRMED before orders had any. Apart from the step before, so that nobody waits for
-- it to read orders; those that it is about are held, in the order of their ids as everywhere, so that none is cancelled
-- unseen.
WITH confirmed AS MATERIALIZED (
    SELECT id, updated_at, lines FROM orders WHERE state = 'CONFIRMED' ORDER BY id FOR SHARE
), sold AS MATERIALIZED (
    SELECT DISTINCT id, updated_at, line ->> 'shop_id' AS name
    FROM confirmed, jsonb_array_elements(lines) AS line
), names AS MATERIALIZED (
    SELECT DISTINCT name FROM sold
), shops AS MATERIALIZED (
    SELECT name, uuid_of_type_id(name) AS shop_id FROM names
)
INSERT INTO shipments (order_id, shop_id, created_at)
SELECT id, shop_id, updated_at FROM sold JOIN shops USING (name)
ON CONFLICT (order_id, shop_id) DO NOTHING;
